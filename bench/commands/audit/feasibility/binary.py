"""Binary confusion matrices that print given scores: every one is tried, over all ways of averaging."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.commands.audit.feasibility.printing import Interval
from bench.commands.audit.feasibility.right_answers import counts

#: ``class``: of one of the two classes, the same for every score of a row.
Averaging = Literal["class", "macro", "weighted"]
AVERAGINGS: tuple[Averaging, ...] = ("class", "macro", "weighted")
Values: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
#: Matrices tried at a time, and in all; more, which would take above a quarter of a minute, are not decided.
CHUNK, MOST = 500_000, 5_000_000
#: Far above the error of float64 and far below any printed digit; it only ever adds matrices.
TOLERANCE = 1e-9


def within(values: Values, span: Interval) -> Flags:
    """Which values lie in an interval."""
    low, high = map(float, span)
    return (values >= low - TOLERANCE) & (values <= high + TOLERANCE)


@dataclass(frozen=True, slots=True)
class Matrices:
    """Confusion matrices of one split, all of the same class counts.

    Attributes:
        right: right answers of each class, [matrices, 2].
        sizes: texts of each class, [2] or [matrices, 2].
    """

    right: Integers
    sizes: Integers

    @property
    def answered(self) -> Integers:
        """How often each class was answered, [matrices, 2]: its right answers and the other class's errors."""
        return self.right + (self.sizes - self.right)[:, ::-1]

    def of_classes(self, score: str, undefined: float) -> Values:
        """Precision, recall or F1 of each class, [matrices, 2].

        Args:
            score: which one.
            undefined: precision of a class that is never answered.
        """
        if score == "recall":
            return self.right / self.sizes
        answered = self.answered
        if score == "f1":
            return 2 * self.right / (answered + self.sizes)
        return np.where(answered > 0, self.right / np.maximum(answered, 1), undefined)

    def averages(
        self, score: str, undefined: float, averagings: Collection[Averaging], positive: int
    ) -> Iterator[Values]:
        """A score in each of the ways it may be averaged, each [matrices].

        The F1 of an average is the average of the classes' F1, or the harmonic mean of averaged precision and recall.
        """
        weights = {"macro": np.array([0.5, 0.5]), "weighted": self.sizes / self.sizes.sum()}
        of_classes = self.of_classes(score, undefined)
        if "class" in averagings:
            yield of_classes[:, positive]
        for name in weights.keys() & set(averagings):
            yield of_classes @ weights[name]
            if score == "f1":
                precision, recall = (
                    self.of_classes(part, undefined) @ weights[name] for part in ("precision", "recall")
                )
                yield 2 * precision * recall / np.maximum(precision + recall, TOLERANCE)

    def that_print(
        self, printed: Mapping[str, Interval], averagings: Collection[Averaging], positive: int
    ) -> "Matrices":
        """Those whose precision, recall and F1 lie in the given intervals, each averaged in any of the ways."""
        kept = self
        for score in ("recall", "precision", "f1"):
            if score not in printed or not len(kept.right):
                continue
            fits = np.zeros(len(kept.right), bool)
            for undefined in (0.0, 1.0):
                for values in kept.averages(score, undefined, averagings, positive):
                    fits |= within(values, printed[score])
            kept = Matrices(kept.right[fits], kept.sizes)
        return kept


def feasible(
    sizes: Sequence[int], printed: Mapping[str, Interval], averagings: Collection[Averaging] = AVERAGINGS
) -> bool | None:
    """Whether some confusion matrix prints all the given scores; None if there are too many to try.

    Args:
        sizes: texts of the two classes, each at least 1.
        printed: interval of accuracy, and of any of precision, recall and f1.
        averagings: ways in which precision, recall and F1 may be averaged, each for itself.

    Raises:
        ValueError: the class counts are not two positive numbers.
    """
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"sizes must be two positive class counts, got {list(sizes)}")
    right = counts(printed["accuracy"], sum(sizes))
    if len(right) * (min(sizes) + 1) > MOST:
        return None
    together = max(1, CHUNK // (min(sizes) + 1))
    # The middle first: a sound row is then found in the first chunk.
    ordered = sorted(right, key=lambda k: abs(k - right[len(right) // 2]))
    chunks = (ordered[start : start + together] for start in range(0, len(ordered), together))
    return any(
        len(matrices.that_print(printed, averagings, positive).right)
        for chunk in chunks
        for matrices in [_with_right(sizes, chunk)]
        for positive in ((0, 1) if "class" in averagings else (0,))
    )


def _with_right(sizes: Sequence[int], right: Sequence[int]) -> Matrices:
    """Every matrix whose number of right answers is one of the given."""
    first = np.arange(sizes[0] + 1)[None, :]
    second = np.asarray(right)[:, None] - first
    possible = (second >= 0) & (second <= sizes[1])
    pairs = np.stack([np.broadcast_to(first, second.shape)[possible], second[possible]], axis=1)
    return Matrices(pairs, np.asarray(sizes))
