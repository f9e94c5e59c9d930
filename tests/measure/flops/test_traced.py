"""FLOPs on the trace of operators that fvcore does not know, against known values, without terminal output."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from bench.measure.flops import dispatched
from bench.measure.flops.traced import count_forward
from bench.method.architecture import ModelKind
from bench.model.quantization import quantize_linear_layers
from tests.measure.flops.architectures import CONFIGS, TOKENS, on_meta


class Through(nn.Module):
    """Embedded tokens through one module that maps [B, L, 8] to a tensor, or to a tuple that starts with one."""

    def __init__(self, inner: nn.Module, channels_first: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 8)
        self.inner = inner
        self.channels_first = channels_first

    def forward(self, input_ids: Tensor) -> SimpleNamespace:
        states = self.embedding(input_ids)
        out = self.inner(states.transpose(1, 2) if self.channels_first else states)
        return SimpleNamespace(logits=out[0] if isinstance(out, tuple) else out)


def at_dispatch(model: nn.Module, length: int, kind: ModelKind = "encoder") -> int:
    return dispatched.count_forward(model, length, kind).forward_flops


@pytest.mark.parametrize("count", [count_forward, at_dispatch])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_an_lstm(count: object, device: str) -> None:
    """Four gates of input and state, in both directions, in two layers, the second fed by both directions."""
    with torch.device(device):
        model = Through(nn.LSTM(8, 16, num_layers=2, bidirectional=True, batch_first=True))
    by_hand = 2 * 5 * 2 * (4 * 16 * (8 + 16) + 4 * 16 * (32 + 16))
    assert count(model, 5) == by_hand  # type: ignore[operator]


@pytest.mark.parametrize(
    ("inner", "channels_first", "by_hand"),
    [
        *((nn.Conv1d(8, 6, 3, padding=1, groups=groups), True, 2 * 5 * 6 * 3 * 8 // groups) for groups in (1, 2)),
        (nn.ConvTranspose1d(8, 6, 3), True, 2 * 5 * 8 * 6 * 3), (nn.LayerNorm(8), False, 0), (nn.Softmax(-1), False, 0),
    ],
)  # fmt: skip
def test_by_hand(inner: nn.Module, channels_first: bool, by_hand: int) -> None:
    model = Through(nn.Sequential(inner, nn.GELU()), channels_first).to("meta")
    assert count_forward(model, 5) == by_hand
    assert isinstance(inner, nn.ConvTranspose1d) or at_dispatch(model, 5) == by_hand


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_four_bits_cost_what_the_weights_cost_that_they_stand_for() -> None:
    model = on_meta(CONFIGS["llama"], "causal")
    plain = count_forward(model, TOKENS, "causal")
    quantize_linear_layers(model, torch.bfloat16)
    assert count_forward(model, TOKENS, "causal") == at_dispatch(model, TOKENS, "causal") == plain


def test_says_nothing(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    count_forward(on_meta(CONFIGS["deberta-v2, as v2-xlarge"]), TOKENS)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


@pytest.mark.parametrize("training", [True, False])
def test_leaves_the_mode_as_it_was(training: bool) -> None:
    model = on_meta(CONFIGS["bert"]).train(training)
    count_forward(model, TOKENS)
    assert {module.training for module in model.modules()} == {training}
