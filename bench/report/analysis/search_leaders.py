"""Which method has the highest expected best validation F1 at which number of trials."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from bench.report.analysis.expected_best import ExpectedBest
from bench.report.analysis.significance import Interval, lies_above

Curves = Mapping[str, Sequence[ExpectedBest]]
"""Curve of each method by its name."""


def leaders(curves: Curves) -> list[str | None]:
    """The method that leads with 1, 2, ... trials, up to the fewest that a method has.

    A method leads if its interval lies wholly above those of all other methods; None: no method does.
    """
    if len(curves) < 2:
        return []
    return [_leader({name: points[at] for name, points in curves.items()}) for at in range(_fewest(curves))]


def sentence(curves: Curves) -> str:
    """Who leads with how many trials; empty for fewer than two methods.

    Args:
        curves: curve of each method of one dataset and model.
    """
    found = leaders(curves)
    if not found:
        return ""
    of = "the highest expected best validation F1"
    if not any(found):
        return f"with {_range(1, len(found))}, the intervals tell no method apart as the one with {of}"
    parts, start = [], 1
    for name, run in groupby(found):
        end = start + len(list(run)) - 1
        has = "no method is told apart" if name is None else f"{name} has {of}"
        parts.append(f"with {_range(start, end)}, {has}")
        start = end + 1
    return "; ".join(parts)


def _leader(points: Mapping[str, ExpectedBest]) -> str | None:
    best = max(points, key=lambda name: points[name].value)
    others = (point for name, point in points.items() if name != best)
    return best if all(lies_above(_interval(points[best]), _interval(other)) for other in others) else None


def _interval(point: ExpectedBest) -> Interval | None:
    return None if point.low is None or point.high is None else (point.low, point.high)


def _fewest(curves: Curves) -> int:
    return min(map(len, curves.values()))


def _range(start: int, end: int) -> str:
    return f"{start} to {end} trials" if start < end else f"{start} trial{'s' if start > 1 else ''}"
