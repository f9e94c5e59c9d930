"""A method applied to a specimen, in the states that the checks need."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bench.commands.check.specimen import Specimen
from bench.data.batches import Batch
from bench.method import Encoded, Method, TrainingRun, registry
from bench.study.settings import TrainSettings
from bench.train.loop import TrainStep, autocast
from bench.train.seeding import seed_generators

CPU = torch.device("cpu")
SETTINGS = TrainSettings(schedule="constant", warmup_fraction=0, precision="fp32")
#: Learning rate at which a few steps change every weight visibly.
VISIBLE_RATE = 1e-2
STEPS = 3
TRAINABLE_NOISE = 0.05


class Adapted(NamedTuple):
    """A method and the model that it adapted."""

    method: Method
    model: nn.Module

    @property
    def trainable(self) -> dict[str, nn.Parameter]:
        """The trainable parameters, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A method and a specimen to check it on.

    Attributes:
        name: name of the method.
        method_class: class of the method.
        options: options of the method.
        specimen: model to adapt.
    """

    name: str
    method_class: type[Method]
    options: Mapping[str, Any]
    specimen: Specimen

    def method(self, **changes: Any) -> Method:
        """The method with its options; ``changes`` replace some of them without validation."""
        options = registry.options(self.name, self.method_class, dict(self.options))
        return self.method_class(options.model_copy(update=changes))

    def adapted(
        self, seed: int = 0, dtype: torch.dtype = torch.float32, dropout: bool = True, **changes: Any
    ) -> Adapted:
        """The specimen, adapted with every generator seeded."""
        model, method = self.specimen.build(dtype, dropout), self.method(**changes)
        seed_generators(seed)
        return Adapted(method, method.adapt(model, self.specimen.task))

    def twin(self) -> Adapted:
        """The specimen on the meta device, adapted."""
        model, method = self.specimen.skeleton(), self.method()
        with torch.device("meta"):
            return Adapted(method, method.adapt(model, self.specimen.task))

    def trained(self, seed: int = 0) -> Adapted:
        """The adapted specimen after a few training steps, if the method trains, in evaluation mode."""
        adapted = self.adapted(seed, learning_rate=VISIBLE_RATE)
        if self.method_class.trains:
            self.train(adapted)
        adapted.model.eval()
        return adapted

    def shifted(self) -> Adapted:
        """The trained specimen with noise on every trainable weight, in evaluation mode."""
        adapted = self.trained()
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for parameter in adapted.trainable.values():
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=TRAINABLE_NOISE)
        return adapted

    def train(self, adapted: Adapted, dtype: torch.dtype = torch.float32) -> list[float]:
        """Train for a few steps, each on another batch; returns the losses, see ``steps``."""
        return list(self.steps(adapted, [self.specimen.batch(number) for number in range(STEPS)], dtype))

    def steps(self, adapted: Adapted, batches: Sequence[Batch], dtype: torch.dtype = torch.float32) -> Iterator[float]:
        """Train as the harness does; yields the task's loss after each step, in nats.

        Args:
            adapted: method and model; the model is trained in place and stays in training mode.
            batches: one batch per step.
            dtype: dtype of the matmuls.
        """
        method, model = adapted
        method.before_training(model, TrainingRun(total_steps=len(batches), batches=lambda: map(_encoded, batches)))
        step = TrainStep(model, method, len(batches), SETTINGS, autocast(CPU, dtype), self.specimen.kind)
        model.train()
        for batch in batches:
            yield float(step(batch))

    def scores(self, model: nn.Module, seed: int = 0) -> Tensor:
        """Scores of the first batch in the model's current mode, with every generator seeded."""
        seed_generators(seed)
        with torch.no_grad():
            return self.specimen.logits(model, self.specimen.batch())


def _encoded(batch: Batch) -> Encoded:
    return Encoded(input_ids=batch.input_ids, attention_mask=batch.attention_mask, rows=batch.indices.tolist())


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference between scores as a fraction of the largest score; infinite if one is not finite."""
    if not (torch.isfinite(one).all() and torch.isfinite(other).all()):
        return float("inf")
    return float((one - other).abs().max() / other.abs().max().clamp(min=1e-12))
