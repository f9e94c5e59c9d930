"""What LoRA and experts do on a tiny model of one architecture: start as the plain model, and count without weights."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from bench.measure import parameters
from bench.measure.flops import agreement, dispatched, traced
from bench.method import Method, Task
from bench.model.load import build
from tests.methods.architectures.configs import config_of
from tests.train.support import shipped

TASK = Task(labels=("anger", "joy", "sadness"), max_length=16, kind="encoder")
#: Ids of a text, and of one that is padded.
WHOLE = torch.tensor([[2, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 3]])
PADDED, LENGTH = torch.tensor([[2, 19, 20, 21, 3, 1, 1, 1, 1, 1, 1, 1]]), 5
#: Largest difference between scores, as a fraction of the largest score.
SAME_FRACTION = 1e-5


def plain(config: PretrainedConfig) -> nn.Module:
    """A model whose biases and scales are not at their start, as in a pretrained one."""
    torch.manual_seed(0)
    model = build(copy.deepcopy(config))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return model.eval()


def _scores(model: nn.Module, ids: Tensor) -> Tensor:
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=(ids != 1).long()).logits  # type: ignore[no-any-return]


def _reads_padding(model: nn.Module) -> bool:
    """Whether padding changes the score of a text, as in models that mix all positions."""
    return _off(_scores(model, PADDED), _scores(model, PADDED[:, :LENGTH])) > SAME_FRACTION


def _off(got: Tensor, wanted: Tensor) -> float:
    """Largest difference as a fraction of the largest score."""
    return float((got - wanted).abs().max() / wanted.abs().max())


def attempt(name: str, method: Method) -> dict[str, Any]:
    """What the method chose on an architecture.

    Raises:
        UnsupportedError: it cannot adapt it.
        AssertionError: it does not start as the plain model, or its counts without weights differ.
    """
    config = config_of(name)
    before, model = plain(config), method.adapt(plain(config), TASK).eval()
    for ids in [WHOLE] if _reads_padding(before) else [WHOLE, PADDED]:
        off = _off(_scores(model, ids), _scores(before, ids))
        assert off < SAME_FRACTION, f"{name}: adapted scores are off by {off:.2g} of the largest"
    chosen = method.choices(model)
    with torch.device("meta"):
        twin = method.adapt(build(copy.deepcopy(config)), TASK)
    assert parameters.count(twin) == parameters.count(model), name
    assert method.choices(twin) == chosen
    return chosen


def counts_agree(name: str, method: Method) -> str:
    """An empty text if both counts of FLOPs agree, else the reason."""
    with torch.device("meta"):
        twin = method.adapt(build(config_of(name)), TASK)
    try:
        on_trace, at_dispatch = (
            traced.count_forward(twin, TASK.max_length), dispatched.count_forward(twin, TASK.max_length).forward_flops
        )  # fmt: skip
    except Exception as error:  # any model may fail without values
        return f"{type(error).__name__}: {error}".splitlines()[0][:160]
    return agreement.disagreement(at_dispatch, on_trace, None) or ""


def lora() -> Method:
    """LoRA with its defaults."""
    return shipped("lora")


def experts() -> Method:
    """Experts in place of every feed-forward block."""
    return shipped("moe", layers="every:1")
