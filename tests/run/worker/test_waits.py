"""Nothing waits for the device within a step: training and inference run on tensors that have no values to look at.

What still waits is listed here with its reason: ``DEBERTA``, ``PEFT_PREFIX`` and the answers that a model writes; and
experts in fp32, which a GPU computes one after another, so that the host counts the rows of each. What of a step cannot
run so is watched on the CPU.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.method import Method, Options, Task, registry
from bench.model.load import build
from bench.model.prompting.generate import Writer
from bench.model.prompting.score import LabelScorer
from bench.study.settings import TrainSettings
from bench.train.evaluate import logits_of
from bench.train.loop import TrainStep, autocast
from tests.model.prompting.support import BARE, byte_tokenizer, causal_model, prompt_of, prompts_batch, text_tokens
from tests.train.support import TRAINING, Everything, shipped
from tests.waits import (
    CAUSAL,
    ENCODERS,
    LENGTH,
    META,
    ROWS,
    HostWaits,
    as_in_a_worker,
    batch,
    config_of,
    kind_of,
    no_waits,
)

CPU = torch.device("cpu")
#: It hands the device one number, from which relative positions are worked out, once in each forward pass.
DEBERTA = "deberta-v2"
#: peft makes the mask of its virtual tokens in the host's memory and copies it, wherever a mask is given.
PEFT_PREFIX = ("p_tuning",)
FOUND = registry.find()


@pytest.fixture(autouse=True)
def _as_in_a_worker() -> Iterator[None]:
    with as_in_a_worker():
        yield


def training(family: str, method: Method, padded: bool) -> None:
    kind = kind_of(family)
    with META:
        model = build(config_of(family), kind)
        model = method.adapt(model, Task(labels=("no", "yes"), max_length=LENGTH, kind=kind))
    model = model.to(META)
    settings = TrainSettings(batch_size=ROWS)
    step = TrainStep(model.train(), method, 4, settings, autocast(torch.device("cpu"), torch.float32), kind)
    given = batch(family, padded)
    with no_waits():
        _, total = step.loss(given)
        total.backward()


def waits_of(family: str) -> AbstractContextManager[Any]:
    return pytest.raises(HostWaits, match="between the host") if family == DEBERTA else nullcontext()


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "full"])
@pytest.mark.parametrize("family", [*ENCODERS, *CAUSAL])
def test_a_training_step(family: str, padded: bool) -> None:
    with waits_of(family):
        training(family, Everything(Options()), padded)


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "full"])
@pytest.mark.parametrize("family", ENCODERS)
def test_inference(family: str, padded: bool) -> None:
    with META:
        model = build(config_of(family), "encoder").eval()
    given = batch(family, padded)
    with torch.inference_mode(), waits_of(family), no_waits():
        logits_of(model, given)


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "full"])
@pytest.mark.parametrize("name", TRAINING)
def test_a_training_step_of_each_shipped_method(name: str, padded: bool) -> None:
    method = shipped(name)
    for family in ("bert", "llama"):
        waits = pytest.raises(HostWaits, match="between the host") if padded and name in PEFT_PREFIX else nullcontext()
        if method.supports(kind_of(family)):
            with waits:
                training(family, type(method)(method.options), padded)


class Asking:
    """A causal model on the meta device, what it is asked, and a batch that has been asked once."""

    def __init__(self, family: str, texts: Sequence[str], **how: Any) -> None:
        self.tokenizer = byte_tokenizer(BARE)
        self.prompt = prompt_of(self.tokenizer)
        self.model = causal_model(family, len(self.tokenizer), **how).to(META)
        self.batch = prompts_batch(self.prompt, text_tokens(self.tokenizer, texts))._each(lambda it: it.to(META))


@pytest.mark.parametrize("texts", [("a film", "very good"), ("a", "b")], ids=["padded", "full"])
@pytest.mark.parametrize("normalization", ["none", "tokens"])
@pytest.mark.parametrize(
    ("family", "how"),
    [
        ("llama", {}), ("mistral", {"sliding_window": None}), ("qwen2", {}), ("gpt2", {}),
        ("llama", {"attention": "eager"}), ("bloom", {"attention": "eager"}),
    ],
    ids=["llama", "mistral", "qwen2", "gpt2", "llama-eager", "bloom"],
)  # fmt: skip
def test_the_likelihood_of_labels(family: str, how: dict[str, Any], normalization: Any, texts: tuple[str, ...]) -> None:
    """What is copied to the device once for all batches is copied with the first."""
    asking = Asking(family, texts, **how)
    scorer = LabelScorer(asking.model, asking.prompt, normalization)
    scorer.scores(asking.batch)
    with no_waits():
        scorer.scores(asking.batch)


def test_answers_are_waited_for_by_design() -> None:
    """Each token tells whether another is needed."""
    asking = Asking("llama", ("a film", "very good"))
    with pytest.raises(RuntimeError, match=r"item\(\) cannot be called on meta"):
        Writer(asking.model, asking.prompt, asking.tokenizer).answers(asking.batch)


class Values(TorchDispatchMode):
    """Refuses to tell the host a value."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero):
            raise HostWaits(str(func))
        return func(*args, **(kwargs or {}))


def test_clipping_and_updating_the_weights() -> None:
    """Neither runs on the meta device."""
    model = build(config_of("bert"), "encoder").train()
    method = Everything(Options())
    settings = TrainSettings(batch_size=ROWS, max_grad_norm=1e-3)
    step = TrainStep(method.adapt(model, Task(labels=("no", "yes"), max_length=LENGTH, kind="encoder")), method, 4,
                     settings, autocast(CPU, torch.float32))  # fmt: skip
    given = batch("bert", True, CPU)
    with Values():  # type: ignore[no-untyped-call]
        step(given)
        step(given)


@pytest.mark.parametrize(
    "waiting",
    [
        lambda on_device: on_device.sum().item(), lambda on_device: bool(on_device.all()),
        lambda on_device: on_device.cpu(), lambda on_device: on_device.tolist(),
        lambda on_device: on_device[on_device > 0], lambda on_device: on_device.nonzero(),
        lambda on_device: torch.tensor([1.0, 2.0], device=on_device.device),
        lambda on_device: torch.ones(2).to(on_device.device), lambda on_device: on_device.copy_(torch.ones(2)),
    ],
)  # fmt: skip
def test_every_way_to_wait_is_found(waiting: Any) -> None:
    on_device = torch.ones(2, device=META)
    with pytest.raises((HostWaits, RuntimeError, NotImplementedError)), no_waits():
        waiting(on_device)
