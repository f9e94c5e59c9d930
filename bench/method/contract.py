"""The plugin contract: what one file in methods/ must hold."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from bench.method import artifact
from bench.method.architecture import Architecture as Architecture
from bench.method.architecture import ModelKind as ModelKind
from bench.method.insight import Chart as Chart
from bench.method.insight import Insight as Insight
from bench.method.insight import Insights as Insights
from bench.method.insight import Step as Step
from bench.method.insight import Trace as Trace

if TYPE_CHECKING:
    from torch import Tensor, nn


class Options(BaseModel):
    """Options of a method; a subclass adds fields, each with a default and a description that names its unit."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    learning_rate: float = Field(5e-5, gt=0, description="peak learning rate of AdamW")
    weight_decay: float = Field(0.01, ge=0, description="decoupled weight decay; biases and normalisations get none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a method may know about the work.

    Attributes:
        labels: class names by index.
        max_length: longest sequence, in tokens.
        kind: the sort of model.
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
    """Texts as an encoder reads them, B of them, on the model's device.

    Attributes:
        input_ids: int64, shape (B, L).
        attention_mask: int64, shape (B, L), 0 on padding; None where nothing is padded.
        rows: position of each in ``Examples.texts``.
        token_types: int64, shape (B, L), for a model that tells the texts of a pair apart, as ``token_type_ids``; None
            elsewhere.
    """

    input_ids: Tensor
    attention_mask: Tensor | None
    rows: Sequence[int]
    token_types: Tensor | None = None

    @property
    def inputs(self) -> dict[str, Tensor | None]:
        """What the model is called with, by keyword."""
        told = {} if self.token_types is None else {"token_type_ids": self.token_types}
        return {"input_ids": self.input_ids, "attention_mask": self.attention_mask, **told}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Evaluated texts, shown to a method that has something to say of what it learnt.

    Attributes:
        split: its name.
        texts: N of them.
        rows: position of each in the split, from 0.
        labels: class index of each.
        batches: together they hold each text once.
        token: the text of a token id.
        special_ids: ids of tokens that stand for no text, such as [CLS].
    """

    split: str
    texts: Sequence[str]
    rows: Sequence[int]
    labels: Sequence[int]
    batches: Sequence[Encoded]
    token: Callable[[int], str]
    special_ids: frozenset[int]


class Method(ABC):
    """One way of adapting a pretrained model. The stem of the file, or the name of the package, is the method's name.

    A method never times, logs, seeds, loads data or moves devices.
    """

    label: ClassVar[str]
    options_class: ClassVar[type[Options]] = Options
    trains: ClassVar[bool] = True

    def __init__(self, options: Options) -> None:
        """Keep the validated options."""
        self.options: Any = options

    @classmethod
    def supports(cls, kind: ModelKind) -> bool:
        """Whether the method adapts this sort of model."""
        return kind == "encoder"

    @abstractmethod
    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Change the model in place or wrap it, set ``requires_grad``, and return the model to train.

        Must also work on meta tensors.

        Raises:
            bench.errors.UnsupportedError: this architecture cannot be adapted so.
        """

    def parameter_groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """Optimizer groups over the trainable parameters; biases and normalisations get no weight decay."""
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        decayed = [parameter for parameter in trainable if parameter.ndim >= 2]
        plain = [parameter for parameter in trainable if parameter.ndim < 2]
        groups = [
            {"params": decayed, "weight_decay": self.options.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        return [group for group in groups if group["params"]]

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        """A scalar added to the task's loss after each forward pass, or None."""
        del model
        return None

    def after_step(self, model: nn.Module, step: int) -> None:  # noqa: B027 - a hook that most methods leave out
        """Called after each optimizer step, counted from 0, inside the timed window."""

    def prepare_inference(self, model: nn.Module) -> nn.Module:
        """The model as it would be deployed, e.g. with adapters merged."""
        return model

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write what one must keep to use the adapted model: the trainable tensors, as safetensors.

        Where these are the whole model, and transformers builds it from its config, they are written as it reads them.
        A method that changes what a model computes without another tensor overrides this.
        """
        artifact.save(model, folder)

    def artifact_elements(self, model: nn.Module) -> int:
        """Elements of the tensors, in fp32, that ``save`` writes of an adapted model; default: what is trained."""
        return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)

    def load(self, model: nn.Module, folder: Path) -> nn.Module:
        """Put what ``save`` wrote into a freshly adapted model; return the model.

        Raises:
            KeyError: a saved tensor has no place in the model, or a trainable one was not saved.
            ValueError: a saved tensor has another shape than its place.
        """
        places, saved = dict(model.named_parameters()), artifact.read(folder)
        missing = [name for name, place in places.items() if place.requires_grad and name not in saved]
        if missing:
            raise KeyError(f"no tensor {missing[0]}, and {len(missing) - 1} more are missing")
        for name, tensor in saved.items():
            if places[name].shape != tensor.shape:  # copy_ would spread one row over many without a word
                raise ValueError(f"{name} is {list(tensor.shape)} in place of {list(places[name].shape)}")
            places[name].data.copy_(tensor)
        return model

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int | None:
        """FLOPs of one forward pass of the adapted, unmerged model over one sequence of ``task.max_length`` tokens.

        Computed from the sizes of the architecture and the options, never from the model: the harness compares it with
        the two counts that it takes of the model. The default None states no closed form, and the two counts are
        compared with each other alone. A method that adds no work returns ``architecture.forward_flops``.
        """
        del architecture, task
        return None

    def expert_flops(self, architecture: Architecture, task: Task) -> int:
        """The share of ``closed_form_flops`` that experts take, of which a token goes through a few; default: none."""
        del architecture, task
        return 0

    def insights(self, model: nn.Module, task: Task, examples: Examples) -> Insights:
        """What the report shows beyond the table; called once, on the model as it is deployed.

        A method that trains may have kept notes of its own training in ``self``.
        """
        del model, task, examples
        return Insights()

    def explain(self, model: nn.Module, input_ids: Tensor, attention_mask: Tensor | None) -> Trace | None:
        """What the method did with each token of one text, ids (1, L); None where it has nothing to tell."""
        del model, input_ids, attention_mask
        return None


def usable_positions(model: nn.Module) -> int | None:
    """Tokens that a sequence can have at most, or None where the architecture sets no limit.

    RoBERTa and its kin keep the first rows of their table of positions for padding.
    """
    positions: int | None = getattr(model.config, "max_position_embeddings", None)
    if positions is None:
        return None
    tables = [module for name, module in model.named_modules() if name.endswith("position_embeddings")]
    kept = [padding + 1 for table in tables if (padding := getattr(table, "padding_idx", None)) is not None]
    return positions - max(kept, default=0)


def fresh_layers(model: nn.Module) -> tuple[str, ...]:
    """Names of the layers of the body whose weights the checkpoint lacks, such as those of a pooler.

    They are drawn from the seed as the head is, so a method that trains the head trains and saves them with it: else
    what is kept would be of use with one seed alone.
    """
    return getattr(model, "fresh_layers", ())


def finds_last_token_by_id(model: nn.Module) -> bool:
    """Whether the head reads the last token of a row, which it finds by comparing token ids with that of padding.

    Such is the head that transformers puts on a decoder. Given embeddings in place of ids it reads the row's last
    column, padding or not. The library has no attribute that tells; the heads have the name of a variable in common.
    """
    code = getattr(inspect.unwrap(type(model).forward), "__code__", None)
    return code is not None and "last_non_pad_token" in code.co_varnames
