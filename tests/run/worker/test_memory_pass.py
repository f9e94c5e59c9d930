"""Steps taken again: on copies, settled by the seed, and a model that is not settled by it is found."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.data.batches import Batch
from bench.method import Method, Options, Task
from bench.run.worker import checks as validity
from bench.run.worker.memory_pass import infer_again, train_again
from bench.study.cell import Cell
from bench.train.evaluate import logits_of
from bench.train.loop import train
from bench.train.stored_weights import store_frozen_weights_as
from tests.report.conftest import _record
from tests.train.support import CPU, TRAINING, Everything, encoder, shipped

pytestmark = pytest.mark.usefixtures("one_thread")
TASK = Task(labels=("negative", "positive"), max_length=16, kind="encoder")
CELL = Cell.model_validate(
    _record().cell.model_dump() | {"seed": 3, "train": {"batch_size": 4, "epochs": 1, "max_steps": 3}}
)


class Restless(Everything):
    """Scores differ from call to call, whatever the seed."""

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        calls = itertools.count()
        model.get_submodule("classifier").register_forward_hook(lambda _, __, scores: scores * (1 + 0.1 * next(calls)))
        return model.requires_grad_(True)


def batch(size: int = 4, length: int = 12) -> Batch:
    ids = torch.randint(5, 100, (size, length), generator=torch.Generator().manual_seed(0))
    return Batch(ids, None, torch.arange(size) % 2, np.arange(size), ids.numel())


def trained(method: Method, folder: Path, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The model after three steps, and a method with the notes that it took of them."""
    model = method.adapt(encoder(folder), TASK)
    if dtype != torch.float32:
        store_frozen_weights_as(model, dtype)
    batches: Iterator[Batch] = iter([batch()] * 3)
    train(model, method, batches, 3, CELL.train, CPU, dtype, lambda *_: None)
    return model


def flat(value: object) -> list[Tensor]:
    """Every tensor in a method's notes."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, nn.Module):
        return []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for each in inner for tensor in flat(each)]


@pytest.mark.parametrize("name", TRAINING)
def test_what_was_trained_stays_as_it_was(name: str, tiny_encoder: Path) -> None:
    method = shipped(name)
    if not method.supports("encoder"):
        pytest.skip("adapts no encoder")
    model = trained(method, tiny_encoder)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    notes = [tensor.clone() for tensor in flat(vars(method))]
    modes = [module.training for module in model.eval().modules()]
    generator = torch.get_rng_state()

    again = train_again(model, method, CELL, batch(), CPU, torch.float32)

    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert len(flat(vars(method))) == len(notes)
    assert all(torch.equal(one, other) for one, other in zip(flat(vars(method)), notes, strict=True))
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(parameter._post_accumulate_grad_hooks for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), generator)
    assert validity.deterministic(again.losses, again.gradient_norms).verdict == "valid"


def test_tensors_with_a_history_may_be_kept(tiny_encoder: Path) -> None:
    """As a method does that adds something of the last forward pass to the loss; Python's copy refuses them."""

    class Keeps(Everything):
        def extra_loss(self, model: nn.Module) -> Tensor:
            self.kept = model.get_parameter("classifier.weight").square().sum()
            vars(model)["kept"] = [self.kept]
            return self.kept

    method = Keeps(Options())
    model = trained(method, tiny_encoder)
    kept = method.kept
    assert not kept.is_leaf
    again = train_again(model, method, CELL, batch(), CPU, torch.float32)
    assert again.losses[0] == again.losses[1]
    assert method.kept is vars(model)["kept"][0] is kept
    assert not kept.is_leaf


class TestLosses:
    def test_a_seed_settles_dropout_too(self, tiny_encoder: Path) -> None:
        model = trained(Everything(Options()), tiny_encoder)
        assert any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules())
        found = [train_again(model, Everything(Options()), CELL, batch(), CPU, torch.float32) for _ in range(2)]
        assert len({loss for again in found for loss in again.losses}) == 1
        assert len({norm for again in found for norm in again.gradient_norms}) == 1
        other = CELL.model_copy(update={"seed": 4})
        again = train_again(model, Everything(Options()), other, batch(), CPU, torch.float32)
        assert again.losses[0] != found[0].losses[0]

    def test_what_no_seed_settles_is_found(self, tiny_encoder: Path) -> None:
        method = Restless(Options())
        again = train_again(trained(method, tiny_encoder), method, CELL, batch(), CPU, torch.float32)
        assert again.losses[0] != again.losses[1]
        assert validity.deterministic(again.losses, again.gradient_norms).verdict == "suspect"


class TestHeld:
    def test_weights_gradients_and_state_are_as_many_as_is_trained(self, tiny_encoder: Path) -> None:
        """All in fp32; AdamW keeps two moments of each and counts the steps of each tensor."""
        model = trained(Everything(Options()), tiny_encoder)
        held = train_again(model, Everything(Options()), CELL, batch(1, 1), CPU, torch.float32).held
        parameters = list(model.parameters())
        weights = 4 * sum(parameter.numel() for parameter in parameters)
        assert held["weights"] == weights + sum(buffer.nbytes for buffer in model.buffers())
        assert (held["gradients"], held["optimizer_state"]) == (weights, 2 * weights + 4 * len(parameters))

    def test_frozen_weights_need_neither(self, tiny_encoder: Path) -> None:
        method = shipped("bitfit")
        model = trained(method, tiny_encoder, torch.bfloat16)
        held = train_again(model, method, CELL, batch(), CPU, torch.bfloat16).held
        learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
        assert held["optimizer_state"] == sum(2 * parameter.nbytes + 4 for parameter in learnt)
        frozen = sum(p.nbytes for p in model.parameters() if not p.requires_grad)
        assert held["weights"] == frozen + sum(p.nbytes for p in learnt) + sum(b.nbytes for b in model.buffers())

    def test_a_longer_batch_holds_more(self, tiny_encoder: Path) -> None:
        model = trained(Everything(Options()), tiny_encoder)

        def held(*shape: int) -> Any:
            return train_again(model, Everything(Options()), CELL, batch(*shape), CPU, torch.float32).held

        assert held(16, 64)["activations"] > 8 * held(4, 16)["activations"] > 0


def test_inference_of_known_size(tiny_encoder: Path) -> None:
    """A score that fills 8 MiB on top of a model and a batch: found to the byte, the batch among it."""
    model = encoder(tiny_encoder).eval()
    texts = batch()

    def score(shown: Batch) -> Tensor:
        return torch.ones(8 * 2**20 // 4)[:8].view(4, 2)

    held, kernels = infer_again(model, score, texts, CPU)
    assert kernels == {"eager"}
    assert held["activations"] == 8 * 2**20 + texts.input_ids.nbytes + texts.labels.nbytes
    assert held["weights"] == sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    real, kernels = infer_again(model, lambda shown: logits_of(model, shown), texts, CPU)
    assert kernels == {"flash"}
    assert 0 < real["activations"] < 2**20
