"""The plugin contract: the classes and hooks of a method."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from bench.method import artifact
from bench.method.architecture import Architecture as Architecture
from bench.method.architecture import ModelKind as ModelKind
from bench.method.base import BaseMethod as BaseMethod
from bench.method.base import BaseOptions as BaseOptions
from bench.method.base import OptionHelp as OptionHelp
from bench.method.base import Variant as Variant
from bench.method.insight import Chart as Chart
from bench.method.insight import Insight as Insight
from bench.method.insight import Insights as Insights
from bench.method.insight import Step as Step
from bench.method.insight import Trace as Trace
from bench.method.search_space import Choices as Choices
from bench.method.search_space import Range as Range
from bench.method.search_space import SearchSpace as SearchSpace

if TYPE_CHECKING:
    from torch import Tensor, nn


class Options(BaseOptions):
    """Options of a method that trains a model."""

    learning_rate: Annotated[float, Range(low=1e-5, high=2e-3, log=True)] = Field(
        5e-5, gt=0, description="peak learning rate of AdamW"
    )
    weight_decay: float = Field(0.01, ge=0, description="decoupled weight decay; biases and normalisations get none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The task that a method may know.

    Attributes:
        labels: class names by index.
        max_length: maximum sequence length in tokens.
        kind: kind of model.
    """

    labels: tuple[str, ...]
    max_length: int
    kind: ModelKind

    @property
    def num_labels(self) -> int:
        """Number of classes."""
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Tokenised texts of one batch, B of them, on the model's device.

    Attributes:
        input_ids: int64, shape (B, L).
        attention_mask: int64, shape (B, L), 0 on padding; None if nothing is padded.
        rows: position of each text in ``Examples.texts``.
        token_types: int64, shape (B, L), the model's ``token_type_ids``; None if it has none.
    """

    input_ids: Tensor
    attention_mask: Tensor | None
    rows: Sequence[int]
    token_types: Tensor | None = None

    @property
    def inputs(self) -> dict[str, Tensor | None]:
        """Keyword arguments of the model's forward pass."""
        types = {} if self.token_types is None else {"token_type_ids": self.token_types}
        return {"input_ids": self.input_ids, "attention_mask": self.attention_mask, **types}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Evaluated texts, from which a method may derive its insights.

    Attributes:
        split: name of the split.
        texts: N texts.
        rows: position of each text in the split, from 0.
        labels: class index of each text.
        batches: batches that together hold each text once.
        token: function from a token id to its text.
        special_ids: ids of special tokens, such as [CLS].
    """

    split: str
    texts: Sequence[str]
    rows: Sequence[int]
    labels: Sequence[int]
    batches: Sequence[Encoded]
    token: Callable[[int], str]
    special_ids: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """The training that is about to begin.

    Attributes:
        total_steps: number of optimizer steps; early stopping may end the training before.
        batches: function that returns the batches of all steps in their order, on the model's device.
    """

    total_steps: int
    batches: Callable[[], Iterator[Encoded]]


class Method(BaseMethod):
    """A method of adapting a pretrained model; its name is the stem of its file or the name of its package.

    A method never times, logs, seeds, loads data or moves devices.
    """

    options_class: ClassVar[type[Options]] = Options

    @classmethod
    def supports(cls, kind: ModelKind) -> bool:
        """Whether the method can adapt this kind of model."""
        return kind == "encoder"

    @abstractmethod
    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Change the model in place or wrap it, set ``requires_grad``, and return the model to train.

        Must also work on meta tensors.

        Raises:
            bench.errors.UnsupportedError: the method cannot adapt this architecture.
        """

    def choices(self, model: nn.Module) -> dict[str, Any]:
        """What the method chose for the adapted model where its options leave it open, as JSON values for the record.

        For example the names of the layers that it changed.
        """
        return {}

    def parameter_groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """Optimizer groups over the trainable parameters; biases and normalisations get no weight decay."""
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        decayed = [parameter for parameter in trainable if parameter.ndim >= 2]
        plain = [parameter for parameter in trainable if parameter.ndim < 2]
        groups = [
            {"params": decayed, "weight_decay": self.options.weight_decay}, {"params": plain, "weight_decay": 0.0},
        ]  # fmt: skip
        return [group for group in groups if group["params"]]

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        """A scalar added to the task's loss after each forward pass, or None."""
        return None

    def before_training(self, model: nn.Module, run: TrainingRun) -> None:
        """Called once between ``adapt`` and the training, in the phase adapt; no parameter may change its shape.

        Plans and counts of FLOPs build the model without this call.
        """

    def after_step(self, model: nn.Module, step: int) -> None:
        """Called after each optimizer step, counted from 0, inside the timed window; gradients are still there."""

    def prepare_inference(self, model: nn.Module) -> nn.Module:
        """The model as it would be deployed, e.g. with adapters merged."""
        return model

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write the files that are needed to use the adapted model; default: ``bench.method.artifact.save``.

        A method that changes what a model computes, and not only its tensors, overrides this.
        """
        artifact.save(model, folder)

    def artifact_elements(self, model: nn.Module) -> int:
        """Number of elements, in fp32, that ``save`` writes; default: the trainable ones."""
        return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)

    def load(self, model: nn.Module, folder: Path) -> nn.Module:
        """Load what ``save`` wrote into a newly adapted model; return the model.

        Raises:
            KeyError: the model lacks a saved tensor, or a trainable one was not saved.
            ValueError: a saved tensor and that of the model differ in shape.
        """
        places, saved = dict(model.named_parameters()), artifact.read(folder)
        missing = [name for name, place in places.items() if place.requires_grad and name not in saved]
        if missing:
            raise KeyError(f"no tensor {missing[0]}, and {len(missing) - 1} more are missing")
        for name, tensor in saved.items():
            if places[name].shape != tensor.shape:  # copy_ would broadcast silently
                raise ValueError(f"{name} is {list(tensor.shape)} in place of {list(places[name].shape)}")
            places[name].data.copy_(tensor)
        return model

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int | None:
        """FLOPs of one forward pass of the adapted, unmerged model over one sequence of ``task.max_length`` tokens.

        Compute it from the architecture and the options, never from the model, because the harness compares it with
        two counts of the model. With the default None only these two are compared. A method that adds no work returns
        ``architecture.forward_flops``.
        """
        return None

    def expert_flops(self, architecture: Architecture, task: Task) -> int:
        """The part of ``closed_form_flops`` spent in experts, if each token uses only some of them; default: 0."""
        return 0

    def insights(self, model: nn.Module, task: Task, examples: Examples) -> Insights:
        """Data that the report shows beside the table; called once, on the model as deployed.

        A method may have stored data of its training in ``self``.
        """
        return Insights()

    def explain(self, model: nn.Module, input_ids: Tensor, attention_mask: Tensor | None) -> Trace | None:
        """What the method did with each token of one text, ids (1, L); None if there is nothing to show."""
        return None


def usable_positions(model: nn.Module) -> int | None:
    """Maximum tokens of a sequence, or None if the architecture sets no limit.

    RoBERTa-like models reserve the first rows of the position table for padding.
    """
    positions: int | None = getattr(model.config, "max_position_embeddings", None)
    if positions is None:
        return None
    tables = [module for name, module in model.named_modules() if name.endswith("position_embeddings")]
    kept = [padding + 1 for table in tables if (padding := getattr(table, "padding_idx", None)) is not None]
    return positions - max(kept, default=0)


def fresh_layers(model: nn.Module) -> tuple[str, ...]:
    """Names of the body's layers whose weights the checkpoint lacks, such as a pooler's.

    Their weights are drawn from the seed like the head's, so a method that trains the head must train and save them
    too: otherwise the artifact would work with one seed only.
    """
    return getattr(model, "fresh_layers", ())


def finds_last_token_by_id(model: nn.Module) -> bool:
    """Whether the head reads the last token of a row, found by comparing token ids with the padding id.

    The classification heads of decoders in transformers do. Given embeddings instead of ids, they read the last column,
    even if it is padding. No attribute tells, but these heads share the name of a local variable.
    """
    code = getattr(inspect.unwrap(type(model).forward), "__code__", None)
    return code is not None and "last_non_pad_token" in code.co_varnames
