"""Feed-forward blocks of many forms are recognised by what they compute, and what only looks like one is not."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.errors import UnsupportedError
from tests.methods.moe.support import TASK, experts_in, method_of

pytestmark = pytest.mark.usefixtures("one_thread")
HIDDEN, INNER = 16, 24


class Form(nn.Module):
    """A block of some form; parts that it does not use are there too."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.gate = nn.Linear(HIDDEN, INNER), nn.Linear(HIDDEN, INNER, bias=False)
        self.both, self.down = nn.Linear(HIDDEN, 2 * INNER), nn.Linear(INNER, HIDDEN)
        self.narrow, self.widen = nn.Linear(HIDDEN, 8), nn.Linear(8, HIDDEN)
        self.act, self.norm, self.drop = nn.GELU(), nn.LayerNorm(INNER), nn.Dropout(0.3)


class OfFunctions(Form):
    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x), approximate="tanh"))  # type: ignore[no-any-return]


class Squared(Form):
    def forward(self, x: Tensor) -> Tensor:
        return self.down(torch.square(F.relu(self.up(x))))  # type: ignore[no-any-return]


class Gated(Form):
    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.drop(self.up(x) * F.silu(self.gate(x))))  # type: ignore[no-any-return]


class FirstHalf(Form):
    def forward(self, x: Tensor) -> Tensor:
        activated, other = self.both(x).chunk(2, dim=-1)
        return self.down(self.act(activated) * other)  # type: ignore[no-any-return]


class SecondHalf(Form):
    def forward(self, x: Tensor) -> Tensor:
        other, activated = self.both(x).split(INNER, dim=-1)
        return self.down(other * self.act(activated))  # type: ignore[no-any-return]


class Sliced(Form):
    def forward(self, x: Tensor) -> Tensor:
        both = self.both(x)
        return self.down(both[..., :INNER] * self.act(both[..., INNER:]))  # type: ignore[no-any-return]


class WithNorms(Form):
    """Around the matrices, but not between them."""

    def forward(self, x: Tensor) -> Tensor:
        before = F.layer_norm(x, (HIDDEN,))
        return F.layer_norm(F.dropout(self.down(self.act(self.up(before))), 0.2, self.training), (HIDDEN,)) + x


class DropoutAfter(Form):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.down(F.relu(self.up(x))), 0.2, self.training)


BLOCKS = (OfFunctions, Squared, Gated, FirstHalf, SecondHalf, Sliced, WithNorms, DropoutAfter)


class Interleaved(Form):
    def forward(self, x: Tensor) -> Tensor:
        both = self.both(x)
        return self.down(both[..., ::2] * self.act(both[..., 1::2]))  # type: ignore[no-any-return]


class Normalised(Form):
    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.norm(self.act(self.up(x))))  # type: ignore[no-any-return]


class WithoutActivation(Form):
    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.up(x))  # type: ignore[no-any-return]


class Bottleneck(Form):
    def forward(self, x: Tensor) -> Tensor:
        return self.widen(self.act(self.narrow(x)))  # type: ignore[no-any-return]


class ReadTwice(Form):
    def forward(self, x: Tensor) -> Tensor:
        inner = self.act(self.up(x))
        return self.down(inner) + inner.mean(-1, keepdim=True)  # type: ignore[no-any-return]


class ScaledGate(Form):
    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.up(x) * self.act(self.gate(x) * 2))  # type: ignore[no-any-return]


class OfOtherInputs(Form):
    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.up(x) * self.act(self.gate(x + 1)))  # type: ignore[no-any-return]


class RunTwice(Form):
    """Its last layer also runs on something else."""

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.act(self.up(x))) + self.down(self.gate(x))  # type: ignore[no-any-return]


NO_BLOCKS = (
    Interleaved, Normalised, WithoutActivation, Bottleneck, ReadTwice, ScaledGate, OfOtherInputs, RunTwice
)  # fmt: skip


class Toy(nn.Module):
    """An encoder of two blocks with residuals."""

    def __init__(self, form: type[Form]) -> None:
        super().__init__()
        self.config = SimpleNamespace(model_type="toy")
        self.embeddings = nn.Embedding(40, HIDDEN)
        self.layers = nn.ModuleList(form() for _ in range(2))

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        states: Tensor = self.embeddings(input_ids)
        for layer in self.layers:
            states = states + layer(states)
        return states


def toy(form: type[Form]) -> Toy:
    torch.manual_seed(0)
    return Toy(form).eval()


def adapted(form: type[Form], **options: Any) -> nn.Module:
    return method_of(**options).adapt(toy(form), TASK)


@pytest.mark.parametrize("form", BLOCKS)
def test_a_block_is_upcycled_exactly(form: type[Form]) -> None:
    ids = torch.arange(2, 14).view(2, 6)
    model = adapted(form)
    assert len(experts_in(model)) == 2
    torch.testing.assert_close(model(ids), toy(form)(ids), atol=1e-5, rtol=0)


@pytest.mark.parametrize("form", BLOCKS)
def test_a_block_is_found_without_values(form: type[Form]) -> None:
    with torch.device("meta"):
        model = method_of().adapt(Toy(form), TASK)
    assert len(experts_in(model)) == 2


@pytest.mark.parametrize("form", NO_BLOCKS)
def test_what_computes_something_else_is_refused(form: type[Form]) -> None:
    with pytest.raises(UnsupportedError, match=r"\(model_type toy\) has no feed-forward block"):
        adapted(form)


def dropouts(model: nn.Module) -> list[float]:
    return [module.p for module in model.modules() if isinstance(module, nn.Dropout) and module.p != 0.3]


def test_dropouts_stay() -> None:
    assert [experts.dropout.p for experts in experts_in(adapted(Gated))] == [0.3, 0.3]
    assert dropouts(adapted(DropoutAfter)) == [0.2, 0.2]
    assert dropouts(adapted(WithNorms)) == []  # its own forward pass still calls the function


def test_the_model_is_as_it_was_but_for_the_blocks() -> None:
    model = toy(Gated)
    model.layers[0].train()
    method = method_of(layers="last:1")
    method.adapt(model, TASK)
    assert model.layers[0].training
    assert not model.training
    assert method.choices(model) == {"blocks": ["layers.1"]}
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.layers.modules())
