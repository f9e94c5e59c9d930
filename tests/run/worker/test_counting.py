"""FLOPs of an adapted model: known ones, by length, and whether the ways of counting agree."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, PretrainedConfig, T5Config

from bench.measure.flops.dispatched import count_passes
from bench.method import Method, Options, Task
from bench.method.architecture import Architecture
from bench.model.load import build
from bench.run.worker.counting import Counted, count
from tests.known import known
from tests.train.support import FOUND, Everything, shipped

pytestmark = pytest.mark.usefixtures("one_thread")
TASK = Task(labels=("negative", "positive"), max_length=64, kind="encoder")


class OfKnownFlops(nn.Module):
    """An embedded text through one layer of 8 to 5: 2 x 8 x 5 a token forward, and as much again for the weights.

    What comes before it is a table, whose gradient is no matmul; the input's gradient is 2 x 8 x 5 more.
    """

    def __init__(self, least_tokens: int = 0) -> None:
        super().__init__()
        self.table, self.layer, self.least_tokens = nn.Embedding(10, 8), nn.Linear(8, 5, bias=False), least_tokens

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> SimpleNamespace:
        if input_ids.shape[1] < self.least_tokens:
            raise ValueError(f"no text is shorter than {self.least_tokens} tokens")
        return SimpleNamespace(logits=self.layer(self.table(input_ids)).sum(dim=1))


def counted(twin: nn.Module, method: Method, config: PretrainedConfig | None = None) -> Counted:
    return count(twin.to("meta"), method, config or T5Config(), TASK)  # no closed form is known of T5


@pytest.fixture
def config(tiny_encoder: Path) -> PretrainedConfig:
    return AutoConfig.from_pretrained(tiny_encoder, num_labels=2)  # type: ignore[no-any-return]


def adapted(method: Method, config: PretrainedConfig) -> nn.Module:
    with torch.device("meta"):
        return method.adapt(build(config, "encoder"), TASK)


class TestByLength:
    def test_known_flops(self) -> None:
        found = counted(OfKnownFlops(), Everything(Options()))
        a_token = 2 * 8 * 5
        assert (found.flops.forward_flops, found.flops.sequence_length) == (a_token * 64, 64)
        assert known(found.forward).at(1) == pytest.approx(a_token)
        assert known(found.forward).at(10.5) == pytest.approx(10.5 * a_token)
        assert known(found.training).at(10.5) == pytest.approx(3 * 10.5 * a_token)

    def test_frozen_weights_spare_their_gradients(self) -> None:
        model = OfKnownFlops()
        model.layer.requires_grad_(False)
        assert known(counted(model, Everything(Options())).training).at(10) == pytest.approx(2 * 10 * 2 * 8 * 5)

    def test_of_an_encoder_at_a_length_that_was_not_counted(self, config: PretrainedConfig) -> None:
        method = Everything(Options())
        twin = adapted(method, config)
        found = counted(twin, method, config)
        forward, training = count_passes(twin, 37)
        assert (round(known(found.forward).at(37)), round(known(found.training).at(37))) == (forward, training)

    def test_nothing_is_trained(self, config: PretrainedConfig) -> None:
        class Still(Everything):
            trains = False

        method = Still(Options())
        found = counted(adapted(method, config).requires_grad_(False), method, config)
        assert found.forward is not None
        assert found.training is None

    def test_a_length_that_does_not_suit_costs_this_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        found = counted(OfKnownFlops(least_tokens=40), Everything(Options()))
        assert (found.flops.forward_flops, found.forward, found.training) == (64 * 2 * 8 * 5, None, None)
        assert "no text is shorter than 40 tokens" in capsys.readouterr().err

    def test_what_is_no_polynomial_is_unknown(self) -> None:
        class Steep(OfKnownFlops):
            def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> SimpleNamespace:
                times = 1 if input_ids.shape[1] < 64 else 9
                return SimpleNamespace(logits=self.layer(self.table(input_ids.repeat(1, times))).sum(dim=1))

        found = counted(Steep(), Everything(Options()))
        assert (found.flops.forward_flops, found.forward, found.training) == (9 * 64 * 2 * 8 * 5, None, None)


class TestAgreement:
    def test_two_ways_where_no_closed_form_is_known(self) -> None:
        check = counted(OfKnownFlops(), Everything(Options())).check
        assert (check.verdict, check.found) == ("valid", "2 ways within 0.1 %")

    @pytest.mark.parametrize("name", FOUND)
    def test_every_way_of_every_method_found(self, name: str, config: PretrainedConfig) -> None:
        method = shipped(name)
        if not method.supports("encoder"):
            pytest.skip("adapts no encoder")
        check = counted(adapted(method, config), method, config).check
        ways = 3 if type(method).closed_form_flops is not Method.closed_form_flops else 2
        assert (check.verdict, check.found) == ("valid", f"{ways} ways within 0.1 %")

    @pytest.mark.parametrize("claimed", [1_000, 100_000_000])
    def test_an_adapter_that_was_never_attached_is_suspect(self, claimed: int, config: PretrainedConfig) -> None:
        class Detached(Everything):
            def closed_form_flops(self, architecture: Architecture, task: Task) -> int:
                return architecture.forward_flops(task.max_length) + claimed

        method = Detached(Options())
        check = counted(adapted(method, config), method, config).check
        assert check.verdict == "suspect"
        assert f"{claimed:,} FLOPs" in check.found
        assert "never attached" in check.found

    def test_a_model_that_cannot_be_traced_is_unknown(self, capsys: pytest.CaptureFixture[str]) -> None:
        class Untraceable(OfKnownFlops):
            def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Any:
                if torch._C._get_tracing_state() is not None:
                    raise TypeError("not to be traced")
                return super().forward(input_ids)

        check = counted(Untraceable(), Everything(Options())).check
        assert check.verdict == "unknown"
        assert "the model cannot be traced: " in check.found
        assert "not to be traced" in capsys.readouterr().err
