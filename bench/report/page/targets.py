"""How long each row trains until it has most of the F1 of full training."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from bench.report.analysis.quantities.readers import train_seconds
from bench.report.charts.rows import ReportRow

SHARE = 0.95
#: What the page says of it.
CAPTION = (
    f"When the mean over the seeds had {SHARE:.0%} of the F1 that full training ended with: at the first validation "
    "point that has, in seconds of training; a row without such points is known at the end of its training alone, and "
    "says at most. F1 is that of the validation split where both rows have one, else of the evaluated split. Full "
    "training is the row that trains every parameter it stores and stores the fewest; any other may be chosen."
)
NEVER = "never reached"
UNKNOWN = "unknown"
#: Digits of a time.
DIGITS = 3


@dataclass(frozen=True, slots=True)
class Course:
    """What the training of one row came to, means over its seeds.

    Attributes:
        points: seconds of training and validation F1, at each step that all seeds have; may be none.
        end: validation F1 after the training; None where unknown.
        tested: F1 on the evaluated split; None where unknown.
        seconds: of the whole training; None where unknown.
        seeds: number of them.
    """

    points: tuple[tuple[float, float], ...]
    end: float | None
    tested: float | None
    seconds: float | None
    seeds: int


def course(row: ReportRow) -> Course:
    """The course of a row's training."""
    records = [cell.record for cell in row.place.measured]
    if row.f1 is None:  # e.g. random weights
        return Course((), None, None, _mean(list(map(train_seconds, records))), row.numbers["seeds"])
    curves = [{point.step: point for point in record.training.validation} if record.training else {}
              for record in records]  # fmt: skip
    steps = sorted(set.intersection(*map(set, curves))) if curves else []
    points = tuple(
        (fmean(curve[step].train_seconds for curve in curves), fmean(curve[step].macro_f1 for curve in curves))
        for step in steps
    )
    end = points[-1][1] if points else _mean([record.validation_macro_f1 for record in records])
    return Course(points, end, row.f1, _mean(list(map(train_seconds, records))), row.numbers["seeds"])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def reference(rows: Sequence[ReportRow]) -> int | None:
    """The row of full training: of those that train every parameter they store, the one that stores the fewest."""
    whole = {
        at: row.numbers["total_params"] for at, row in enumerate(rows)
        if row.numbers["total_params"] and row.numbers["trainable_params"] == row.numbers["total_params"]
    }  # fmt: skip
    return min(whole, key=lambda at: (whole[at], at)) if whole else None


def reached(own: Course, full: Course) -> str:
    """When a row had SHARE of the F1 of another one's whole training, in words.

    Its validation points tell, where it has any; else the end of its training is the latest that it can have been.
    On the validation split, where it is known of both; else on the evaluated one.
    """
    if own.points and full.end is not None:
        seconds = next((seconds for seconds, f1 in own.points if f1 >= SHARE * full.end), None)
        return NEVER if seconds is None else _written(seconds)
    found, wanted = (own.end, full.end) if None not in (own.end, full.end) else (own.tested, full.tested)
    if found is None or wanted is None or own.seconds is None:
        return UNKNOWN
    if found < SHARE * wanted:
        return NEVER
    return f"at most {_written(own.seconds)}" if own.seconds else "0 s: trains nothing"


def _written(seconds: float) -> str:
    if seconds < 10 ** (DIGITS - 1):
        return f"{seconds:.{DIGITS}g} s"
    return f"{seconds:,.0f} s"


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def embedded(rows: Sequence[ReportRow]) -> list[dict[str, Any]]:
    """By dataset and model: its rows, the reference, and what each row reached for every row that may be it.

    Args:
        rows: of the page.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault((row.dataset, row.numbers["model"]), []).append(at)
    found = []
    for (dataset, model), places in groups.items():
        courses = [course(rows[at]) for at in places]
        known = [n for n, one in enumerate(courses) if one.end is not None or one.tested is not None]
        if len(known) < 2:
            continue
        own, courses = [places[n] for n in known], [courses[n] for n in known]
        found.append({
            "dataset": dataset, "model": model, "rows": own, "reference": reference([rows[at] for at in own]),
            "lines": [[*map(_short, (one.seconds, one.end, one.tested)), one.seeds] for one in courses],
            "reached": [[reached(one, full) for one in courses] for full in courses],
        })  # fmt: skip
    return found
