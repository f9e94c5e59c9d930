"""Bounds that scores of three or more classes cannot leave, given the right answers and the class counts."""

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from itertools import product

from scipy.optimize import Bounds, LinearConstraint, milp

from bench.commands.audit.feasibility.binary import AVERAGINGS, Averaging
from bench.commands.audit.feasibility.printing import Interval
from bench.commands.audit.feasibility.right_answers import counts

#: The lower bound of F1 tries every set of classes, the integer program every class.
MOST_CLASSES = 10
#: Added on both sides of a constraint of the integer program, far above the solver's own tolerance of 1e-7.
SLACK = 1e-6
SOLVER_SECONDS = 5


def excluded(
    sizes: Sequence[int], printed: Mapping[str, Interval], averagings: Collection[Averaging] = AVERAGINGS
) -> str | None:
    """The score that no answers can give together with the accuracy: recall or f1; None if none is certain.

    Precision is not decided, nor precision, recall and F1 together.

    Args:
        sizes: texts of each class, each at least 1.
        printed: interval of accuracy, and of any of precision, recall and f1.
        averagings: ways in which recall and F1 may be averaged, each for itself.
    """
    right = counts(printed["accuracy"], sum(sizes))
    if not right:
        return None
    if "recall" in printed and not _recall_fits(sizes, right, printed, averagings):
        return "recall"
    if "f1" in printed and len(sizes) <= MOST_CLASSES and not _f1_fits(sizes, right, printed["f1"], averagings):
        return "f1"
    return None


def _recall_fits(
    sizes: Sequence[int], right: range, printed: Mapping[str, Interval], averagings: Collection[Averaging]
) -> bool:
    """Whether recall may be the accuracy, which is its weighted average, or a macro average, or that of some class."""
    low, high = printed["recall"]
    weighted = low <= Fraction(right[-1], sum(sizes)) and high >= Fraction(right[0], sum(sizes))
    return (
        ("weighted" in averagings and weighted)
        or (
            "class" in averagings
            and any(_recall_of_class_fits(size, sizes, right, printed["recall"]) for size in sizes)
        )
        or ("macro" in averagings and _macro_recall_fits(sizes, right, printed["recall"]))
    )


def _right_of_class(size: int, sizes: Sequence[int], right: range) -> tuple[int, int]:
    """The fewest and most right answers of a class of the given size."""
    return max(0, right[0] - (sum(sizes) - size)), min(size, right[-1])


def _recall_of_class_fits(size: int, sizes: Sequence[int], right: range, recall: Interval) -> bool:
    fewest, most = _right_of_class(size, sizes, right)
    return any(fewest <= hits <= most for hits in counts(recall, size))


def _macro_recall_fits(sizes: Sequence[int], right: range, recall: Interval) -> bool:
    """Whether integers tp[i] <= sizes[i] have a sum in a range and a mean tp[i] / sizes[i] in an interval.

    An integer program without an objective; a solver that gives up leaves it possible.
    """
    low, high = (float(end) * len(sizes) for end in recall)
    solved = milp(
        [0.0] * len(sizes), integrality=[1] * len(sizes), bounds=Bounds([0] * len(sizes), list(sizes)),
        constraints=[
            LinearConstraint([[1.0] * len(sizes)], right[0], right[-1]),
            LinearConstraint([[1 / size for size in sizes]], low - SLACK, high + SLACK),
        ],
        options={"time_limit": SOLVER_SECONDS},
    )  # fmt: skip
    infeasible = 2
    return bool(solved.status != infeasible)


def _f1_fits(sizes: Sequence[int], right: range, f1: Interval, averagings: Collection[Averaging]) -> bool:
    low, high = f1
    total = sum(sizes)
    accuracies = Fraction(right[0], total), Fraction(right[-1], total)
    spans: list[Interval] = [accuracies]  # the micro average is the accuracy
    for averaging in averagings:
        if averaging == "class":
            spans += [_f1_of_class(size, sizes, right) for size in sizes]
            continue
        weights = [Fraction(size, total) if averaging == "weighted" else Fraction(1, len(sizes)) for size in sizes]
        recall = accuracies[1] if averaging == "weighted" else _highest_macro_recall(sizes, right[-1])
        spans.append((_lowest_f1(sizes, right[0], weights), 2 * recall / (1 + recall)))
    return any(low <= most and high >= least for least, most in spans)


def _f1_of_class(size: int, sizes: Sequence[int], right: range) -> Interval:
    fewest, most = _right_of_class(size, sizes, right)
    return _least(fewest, size, sum(sizes) - right[0]), Fraction(2 * most, most + size)


def _highest_macro_recall(sizes: Sequence[int], right: int) -> Fraction:
    """The highest macro recall with a number of right answers: those of the smallest classes."""
    left, recalls = right, Fraction(0)
    for size in sorted(sizes):
        hits = min(left, size)
        recalls += Fraction(hits, size)
        left -= hits
    return recalls / len(sizes)


def _lowest_f1(sizes: Sequence[int], right: int, weights: Sequence[Fraction]) -> Fraction:
    """A value that no average F1 is below; so is none of the harmonic mean of averaged precision and recall.

    The F1 of a class is 2 tp / (answered + size), and the class is answered at most tp + errors times. That bound is
    concave in tp, so its sum under a fixed sum of tp is smallest where all classes but one have all or none right.
    """
    errors = sum(sizes) - right
    lowest = Fraction(1)
    for full in product((False, True), repeat=len(sizes)):
        left = right - sum(size for size, all_right in zip(sizes, full, strict=True) if all_right)
        if left < 0:
            continue
        classes = list(zip(sizes, weights, full, strict=True))
        known = sum((_least(size, size, errors) * weight for size, weight, every in classes if every), Fraction(0))
        rest = [_least(left, size, errors) * weight for size, weight, every in classes if not every and left <= size]
        if left and not rest:
            continue
        lowest = min(lowest, known + (min(rest) if left else Fraction(0)))
    return lowest


def _least(hits: int, size: int, errors: int) -> Fraction:
    return Fraction(2 * hits, hits + errors + size)
