"""What each type of peft can do here: merge, run on a kind of model, and be built without weights."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import peft
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from torch._subclasses import FakeTensor
from torch.overrides import TorchFunctionMode

from bench.errors import UnsupportedError
from bench.method import Task
from methods._virtual_tokens import prompt_on_its_device

from .training_needs import config_of

#: Types that peft builds but that cannot be measured, with what the tests have shown.
KNOWN_REASONS = {
    "ADAMSS": "the sizes of its parameters come from clusters of the weights' values, which a plan does not have",
    "FROD": "it decomposes the weights' values while it is built, and a plan has none",
    "LILY": "its routers average over padding, so the scores of a text depend on the other texts of its batch",
    "POLY": "each forward pass reads the number of the task from a tensor, and a plan's tensors have no values",
    "SHIRA": "it searches a random mask for the trained weights, and a plan's mask has no values",
}
#: Types that read random numbers of their own while they are built.
BUILT_WITH_VALUES = frozenset({"BOFT", "UNILORA"})
#: Result of the tests of each type; ``tests/methods/peft`` compares it and writes it anew.
TESTED = Path(__file__).parent / "tested.json"


@cache
def tested() -> dict[str, Any]:
    """The results of the tests: version of peft, and by type and kind of model an empty text or the reason."""
    found: dict[str, Any] = json.loads(TESTED.read_text(encoding="utf-8"))
    return found


def status(peft_type: str) -> str:
    """Where a type is tested, in words."""
    found = tested()["types"].get(peft_type)
    if found is None:
        return "not tested"
    kinds = [kind for kind in ("encoder", "causal", "4-bit") if found[kind] == ""]
    return f"tested on {', '.join(kinds)}" if kinds else "not supported"


def refuse_known(config: Any) -> None:
    """Refuse a type that cannot be measured.

    Raises:
        UnsupportedError: it is one of ``KNOWN_REASONS``, or its options make it select by values.
    """
    peft_type = config.peft_type.value
    if peft_type in KNOWN_REASONS:
        raise UnsupportedError(f"peft type {peft_type} cannot be measured: {KNOWN_REASONS[peft_type]}")
    if getattr(config, "use_idwt", False):
        raise UnsupportedError(
            f"peft type {peft_type} cannot be measured with use_idwt = true: each forward pass selects coefficients by "
            "their values, and a plan's tensors have none; set use_idwt = false"
        )


@contextmanager
def values_for_adapter(model: nn.Module, peft_type: str) -> Iterator[None]:
    """While active, an adapter of ``BUILT_WITH_VALUES`` has values, also in a model without weights.

    The generators stay as they are, because a model on the meta device draws no numbers.
    """
    if peft_type not in BUILT_WITH_VALUES or not any(weight.is_meta for weight in model.parameters()):
        yield
        return
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        yield


class _ConditionsAreFalse(TorchFunctionMode):
    """While active, a tensor without values answers a condition with False, which real tensors would seldom deny.

    VB-LoRA asks in each training step whether a logit is infinite, and raises an error if so.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.__bool__ and (args[0].is_meta or isinstance(args[0], FakeTensor)):
            return False
        return func(*args, **(kwargs or {}))


def answer_conditions(model: nn.Module) -> None:
    """Let a model on the meta device go through conditions on values, in each of its forward passes."""
    running: list[ExitStack] = []

    def begin(*_: Any) -> None:
        running.append(ExitStack())
        running[-1].enter_context(_ConditionsAreFalse())

    def end(*_: Any) -> None:
        running.pop().close()

    model.register_forward_pre_hook(begin)
    model.register_forward_hook(end, always_call=True)


def prompt_without_values(model: nn.Module) -> AbstractContextManager[None]:
    """See ``prompt_on_its_device``; nothing is done for types without a prompt, or that save it in another way."""
    config = config_of(model)
    makes = config.is_prompt_learning and not hasattr(config, "num_tasks")
    return prompt_on_its_device(model) if makes else nullcontext()


def refuse_causal(peft_type: str, task: Task) -> None:
    """Refuse virtual tokens on a causal model.

    Raises:
        UnsupportedError: the model is causal.
    """
    if task.kind == "causal":
        raise UnsupportedError(
            f"{peft_type} puts virtual tokens before each call of a causal model, but classes are scored in several "
            "calls that share the keys and values of the prompt"
        )


def simplify_on_meta(config: Any, model: nn.Module) -> None:
    """Leave initialisations out that compute from the values of weights, where there are no values.

    They change values and no shapes. Quantised weights are left alone, because peft refuses some of them.
    """
    weights = list(model.parameters())
    on_meta = any(weight.is_meta for weight in weights) and all(weight.is_floating_point() for weight in weights)
    if on_meta and isinstance(getattr(config, "init_lora_weights", None), str):
        config.init_lora_weights = True


def give_task_id(model: nn.Module, config: Any) -> None:
    """Name the task in each call, for types that learn several tasks at once: here is one."""
    if hasattr(config, "num_tasks"):
        model.register_forward_pre_hook(_with_task_id, with_kwargs=True)


def _with_task_id(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    ids = kwargs["input_ids"]
    return args, kwargs | {"task_ids": ids.new_zeros(len(ids))}


def why_not_merged(model: nn.Module) -> str | None:
    """Why peft cannot merge the adapter; None if it can."""
    peft_type = config_of(model).peft_type.value
    if config_of(model).is_prompt_learning:
        return f"{peft_type} adds virtual tokens and changes no weights"
    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    if not layers or any(type(layer).merge is BaseTunerLayer.merge for layer in layers):
        return f"peft {peft.__version__} cannot merge {peft_type}"
    return None


def is_partly_merged(model: nn.Module) -> bool:
    """Whether a merge that failed has changed the model.

    peft merges one layer after the other and then unwraps it, so a changed model lacks some target layers.
    """
    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    wanted: list[str] = getattr(model, "targeted_module_names", [])
    return len(layers) < len(wanted) or any(layer.merged for layer in layers)


def stores_prompt(model: nn.Module) -> bool:
    """Whether a network makes the embeddings of virtual tokens, which can be stored in its place."""
    return bool(config_of(model).peft_type == peft.PeftType.P_TUNING)


@contextmanager
def all_ranks(model: nn.Module) -> Iterator[None]:
    """While active, peft writes the ranks too that it has set to 0."""
    config = config_of(model)
    kept = getattr(config, "rank_pattern", None)
    if config.peft_type == peft.PeftType.ADALORA:
        config.rank_pattern = None
    try:
        yield
    finally:
        if config.peft_type == peft.PeftType.ADALORA:
            config.rank_pattern = kept
