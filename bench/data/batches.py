"""Length-grouped batches, each padded to its longest sequence."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.tokens import Tokens

#: Batches in a bucket. A larger bucket saves little padding and makes the order of lengths less random.
BUCKET_BATCHES = 50
#: The label that the loss ignores; PyTorch's default.
IGNORED = -100
#: Seed for the order of prediction batches, the same in all cells.
PREDICTION_SEED = 0


class MicroBatch(NamedTuple):
    """Inputs of one forward and backward pass; the fields are those of ``Batch``."""

    input_ids: Tensor
    attention_mask: Tensor | None
    labels: Tensor
    token_types: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences of one batch, B of them, padded to the longest, L.

    Attributes:
        input_ids: int64, shape (B, L).
        attention_mask: int64, shape (B, L), 1 on tokens and 0 on padding; None where nothing is padded.
        labels: int64, shape (B,), -100 for texts to predict; to train a causal model, shape (B, T): the token ids of
            the answers, padded with -100.
        indices: positions in the split, shape (B,).
        tokens: number of non-padding tokens.
        token_types: int64, shape (B, L), see ``Tokens.types``, 0 on padding; None for single texts.
    """

    input_ids: Tensor
    attention_mask: Tensor | None
    labels: Tensor
    indices: NDArray[np.int64]
    tokens: int
    token_types: Tensor | None = None

    @property
    def padded_tokens(self) -> int:
        """Number of tokens including padding, B x L."""
        return self.input_ids.numel()

    def split(self, parts: int) -> list["MicroBatch"]:
        """At most ``parts`` micro-batches of consecutive sequences, with the padding of the batch."""
        size = len(self.indices)
        each, more = divmod(size, min(parts, size))  # the first parts have one more
        bounds = [part * each + min(part, more) for part in range(min(parts, size) + 1)]
        places = [slice(start, end) for start, end in itertools.pairwise(bounds)]
        optional = (self.attention_mask, self.token_types)
        parts_of = [[None if tensor is None else tensor[place] for tensor in optional] for place in places]
        return [
            MicroBatch(self.input_ids[place], mask, self.labels[place], types)
            for place, (mask, types) in zip(places, parts_of, strict=True)
        ]

    def to(self, device: torch.device) -> "Batch":
        """Copy the batch to a device asynchronously.

        Asynchronous copies need page-locked memory, so an unpinned batch is pinned first. In training the host does
        this, a copy of some kilobytes, while the device computes earlier steps. Pinning may stall the device, but
        PyTorch reuses the pages for later batches, so that happens during warm-up.
        """
        if device.type == "cpu":
            return self
        pinned = self if self.input_ids.is_pinned() else self.pinned_for(device)
        return pinned._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned_for(self, device: torch.device) -> "Batch":
        """The batch in page-locked memory, for asynchronous copies; unchanged for a CPU."""
        return self if device.type == "cpu" else self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        def changed(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else change(tensor)

        return replace(
            self, input_ids=change(self.input_ids), attention_mask=changed(self.attention_mask),
            labels=change(self.labels), token_types=changed(self.token_types),
        )  # fmt: skip


#: Builds one batch from tokens, labels, indices of texts and the padding id.
Collate = Callable[[Tokens, Sequence[int], NDArray[np.int64], int], Batch]


def training_order(lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Indices of each batch of one epoch: shuffled, then grouped by length within buckets.

    In each bucket the batch with the longest sequences comes first, so that a lack of memory shows early; the other
    batches are in random order, so that length and time are unrelated.
    """
    order = rng.permutation(len(lengths))
    batches: list[NDArray[np.int64]] = []
    size = BUCKET_BATCHES * batch_size
    for start in range(0, len(order), size):
        bucket = order[start : start + size]
        bucket = bucket[np.argsort(-lengths[bucket], kind="stable")]
        grouped = [bucket[i : i + batch_size] for i in range(0, len(bucket), batch_size)]
        rest = [grouped[i] for i in 1 + rng.permutation(len(grouped) - 1)]
        batches += [grouped[0], *rest]
    return batches


def prediction_order(lengths: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Indices of each batch for prediction: all texts grouped by length, the longest batch first.

    The other batches are in a fixed random order, so that a trend in their times comes from the machine and not from
    ever shorter texts.
    """
    order = np.argsort(-lengths, kind="stable")
    first, *others = (order[i : i + batch_size] for i in range(0, len(order), batch_size))
    return [first, *(others[i] for i in np.random.default_rng(PREDICTION_SEED).permutation(len(others)))]


def collate(tokens: Tokens, labels: Sequence[int], indices: NDArray[np.int64], pad_id: int) -> Batch:
    """Batch of the sequences at these indices, padded on the right to the longest."""
    lengths = tokens.lengths[indices]
    longest = int(lengths.max())
    ids = np.full((len(indices), longest), pad_id, dtype=np.int64)
    on_token = np.arange(longest) < lengths[:, None]
    places = [slice(tokens.offsets[i], tokens.offsets[i + 1]) for i in indices]
    ids[on_token] = np.concatenate([tokens.ids[place] for place in places])
    types = None
    if tokens.types is not None:
        types = np.zeros_like(ids)
        types[on_token] = np.concatenate([tokens.types[place] for place in places])
    mask = None if bool(on_token.all()) else torch.from_numpy(on_token.astype(np.int64))
    batch_labels = torch.tensor([labels[i] for i in indices], dtype=torch.int64)
    marks = None if types is None else torch.from_numpy(types)
    return Batch(torch.from_numpy(ids), mask, batch_labels, indices, int(lengths.sum()), marks)
