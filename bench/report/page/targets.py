"""Training time of each row until it reaches most of the F1 of full training."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from bench.report.analysis.quantities.readers import train_seconds
from bench.report.charts.rows import ReportRow

SHARE = 0.95
#: Caption of the section.
CAPTION = (
    f"Training time until the mean validation F1 first reached {100 * SHARE:g} % of the final F1 of full training. "
    "Rows without validation points show an upper bound (at most). F1 is on the validation split if both rows have it, "
    "else on the evaluated split. Full training is the row with the fewest stored parameters among those that train "
    "all of them; you can choose another."
)
NEVER = "never reached"
UNKNOWN = "unknown"
#: Significant digits of a time.
DIGITS = 3


@dataclass(frozen=True, slots=True)
class Course:
    """Training of one row; means over its seeds.

    Attributes:
        points: training time in seconds and validation F1, at each step that all seeds have; may be empty.
        end: validation F1 after training; None where unknown.
        tested: F1 on the evaluated split; None where unknown.
        seconds: training time in seconds; None where unknown.
        seeds: number of seeds.
    """

    points: tuple[tuple[float, float], ...]
    end: float | None
    tested: float | None
    seconds: float | None
    seeds: int


def course(row: ReportRow) -> Course:
    """The training of a row."""
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
    """The row of full training: the fewest stored parameters among rows that train all of them; None without one."""
    whole = {
        at: row.numbers["total_params"] for at, row in enumerate(rows)
        if row.numbers["total_params"] and row.numbers["trainable_params"] == row.numbers["total_params"]
    }  # fmt: skip
    return min(whole, key=lambda at: (whole[at], at)) if whole else None


def reached(own: Course, full: Course) -> str:
    """Training time until a row reached SHARE of another row's final F1, as text.

    Uses validation points if the row has any; else its total training time is an upper bound. F1 is on the validation
    split if it is known for both rows, else on the evaluated split.

    Args:
        own: training of the row.
        full: training of the reference row.
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
    """Rows by dataset and model, the row of full training, and times of each row for every choice of that row.

    Args:
        rows: rows of the page.
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
