"""Finds, without a GPU, where the host would wait for one; and small models and batches to look at.

A tensor on the meta device has no values to look at, so that whatever asks for one raises: ``item``, ``bool``,
``tolist``, ``nonzero``, an index of booleans. What is left to look for is a copy: from the host's memory to the device
it waits unless the memory is page-locked, and back it waits always.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoConfig, PreTrainedModel, masking_utils
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

from bench.data.batches import Batch
from bench.method.architecture import ModelKind
from bench.train.device_waits import avoid_device_waits

META = torch.device("meta")
ENCODERS = ("bert", "roberta", "distilbert", "deberta-v2", "modernbert", "electra", "albert")
CAUSAL = ("llama", "mistral", "qwen2", "gpt2")
ROWS, LENGTH, ANSWER = 4, 12, 2
#: Functions that make a tensor of values of the host.
FROM_VALUES = (torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy)
#: Operators that copy; the last two are seen as such in inference mode alone.
COPIES = tuple(getattr(torch.ops.aten, name) for name in ("_to_copy", "copy_", "to", "type_as"))


@contextmanager
def put_back() -> Iterator[None]:
    """Put back what a worker's process settles for transformers inside."""
    masks = dict(ALL_MASK_ATTENTION_FUNCTIONS._global_mapping)
    packed = masking_utils.find_packed_sequence_indices
    warn = PreTrainedModel.warn_if_padding_and_no_attention_mask
    try:
        yield
    finally:
        ALL_MASK_ATTENTION_FUNCTIONS._global_mapping.update(masks)
        vars(masking_utils)["find_packed_sequence_indices"] = packed
        PreTrainedModel.warn_if_padding_and_no_attention_mask = warn  # type: ignore[method-assign]


@contextmanager
def as_in_a_worker() -> Iterator[None]:
    """Inside, what a worker's process settles for transformers."""
    with put_back():
        avoid_device_waits()
        yield


def config_of(family: str) -> Any:
    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 200}
    sizes |= {"intermediate_size": 64, "max_position_embeddings": 64, "pad_token_id": 1, "num_labels": 2}
    if family == "distilbert":
        sizes = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "vocab_size": 200, "num_labels": 2}
    if family == "deberta-v2":
        sizes |= {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8}
    if family == "modernbert":
        sizes |= {"num_hidden_layers": 3, "local_attention": 4, "global_attn_every_n_layers": 3}
    if family in CAUSAL and family != "gpt2":
        sizes |= {"num_key_value_heads": 2}
    return AutoConfig.for_model(family, **sizes)


def kind_of(family: str) -> ModelKind:
    return "causal" if family in CAUSAL else "encoder"


def batch(family: str, padded: bool, device: torch.device = META) -> Batch:
    on_token = np.arange(LENGTH) < np.array([[LENGTH], [5], [7], [LENGTH]])
    if family in CAUSAL:
        on_token = on_token[:, ::-1].copy()
    mask = torch.from_numpy(on_token.astype(np.int64)) if padded else None
    ids = torch.randint(5, 200, (ROWS, LENGTH), generator=torch.Generator().manual_seed(0))
    labels = torch.ones((ROWS, ANSWER) if family in CAUSAL else ROWS, dtype=torch.int64)
    made = Batch(ids, mask, labels, np.arange(ROWS), ids.numel())
    return made._each(lambda tensor: tensor.to(device))


class HostWaits(Exception):  # noqa: N818 - it is what the host does
    """The host would wait for the device."""


class _Copies(TorchDispatchMode):
    """Refuses copies between the host and the device."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in COPIES:
            tensors = [leaf for leaf in tree_leaves((args, result)) if isinstance(leaf, Tensor)]
            if len({tensor.device.type for tensor in tensors}) > 1:
                raise HostWaits(f"{func} between the host and the device")
        return result


class _Made(TorchFunctionMode):
    """Refuses tensors on the device that are made of values of the host."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in FROM_VALUES and isinstance(result, Tensor) and result.is_meta and result.numel():
            raise HostWaits(f"{func.__name__} of values of the host, on the device")
        return result


@contextmanager
def no_waits() -> Iterator[None]:
    """Raise inside wherever the host would wait for the device.

    Raises:
        HostWaits: a copy.
        RuntimeError: a value is asked for, in torch's words.
    """
    with _Copies(), _Made():  # type: ignore[no-untyped-call]
        yield
