"""The second kind of method: it has no torch model, and is fitted on texts and labels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench.method.architecture import ModelKind
from bench.method.base import BaseMethod, BaseOptions

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Texts without labels.

    Attributes:
        first: single texts, or the first text of each pair; a text may be empty.
        second: second text of each pair; None for single texts.
    """

    first: Sequence[str]
    second: Sequence[str] | None = None

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.first)

    @property
    def joined(self) -> list[str]:
        """Each text as one string; the two texts of a pair are separated by a line break."""
        if self.second is None:
            return list(self.first)
        return [f"{one}\n{other}" for one, other in zip(self.first, self.second, strict=True)]

    def part(self, start: int, end: int) -> Texts:
        """The texts from ``start`` to before ``end``."""
        return Texts(first=self.first[start:end], second=None if self.second is None else self.second[start:end])


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledTexts:
    """Texts with labels.

    Attributes:
        texts: N texts, one or more.
        labels: class index of each text; some classes may have no text.
    """

    texts: Texts
    labels: Sequence[int]


class TextMethod(BaseMethod):
    """A method without a torch model, such as a linear classifier on word counts.

    The same texts must give the same result: such a method has no seed, and a study measures it once.
    """

    options_class: ClassVar[type[BaseOptions]] = BaseOptions

    @classmethod
    def supports(cls, kind: ModelKind) -> bool:
        """No model at all; a study runs the method on the model ``none``."""
        return kind == "none"

    @abstractmethod
    def fit(self, train: LabelledTexts, validation: LabelledTexts, labels: Sequence[str]) -> None:
        """Learn from texts.

        Args:
            train: texts to learn from.
            validation: texts to choose settings by; no text of the evaluated split is among them.
            labels: class names by index.
        """

    @abstractmethod
    def predict(self, texts: Texts) -> ArrayLike:
        """Class scores, shape (N, C), finite; the highest one is the answer. A text's scores depend on it alone."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the files that are needed to predict: safetensors, JSON or Markdown."""

    def num_parameters(self) -> int | None:
        """Number of fitted coefficients; None if they are not counted."""
        return None

    def remarks(self) -> Sequence[str]:
        """Sentences that a reader of the row must know, such as the chosen settings."""
        return ()
