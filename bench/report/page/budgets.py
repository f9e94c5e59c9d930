"""The best macro F1 within limits of memory, time and energy, and which rows cannot be told apart from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.report.page.rows import KILOJOULES, MINUTES, Row
from bench.report.scores import F1
from bench.report.standings import Judge


@dataclass(frozen=True, slots=True)
class Limit:
    """What a reader may limit.

    Attributes:
        name: in words.
        unit: of the limit.
        column: of a row's numbers.
        scale: units of the column in one unit of the limit.
    """

    name: str
    unit: str
    column: str
    scale: float = 1


LIMITS = (
    Limit("Peak memory of training", "GB", "peak_train_mb", 1e3),
    Limit("Time of training", "min", MINUTES.centre),
    Limit("Energy of training", "kJ", KILOJOULES.centre),
)


def embedded(rows: Sequence[Row], judges: Sequence[Judge]) -> dict[str, Any]:
    """What the page's script answers from: by dataset the rows with an F1, their costs, and who is like whom.

    ``alike`` holds, for every row that can be the best within some limits, the verdict on those rows of the dataset
    that are not told apart from it.

    Args:
        rows: of the page.
        judges: of the records of each run.
    """
    groups: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(row.dataset, []).append(at)
    found = []
    for dataset, places in groups.items():
        known = [at for at in places if rows[at].f1 is not None]
        cost = {at: costs(rows[at]) for at in known}
        alike = {at: _alike(at, known, rows, judges) for at in known if _may_win(at, known, cost, rows)}
        found.append({
            "dataset": dataset,
            "without_f1": len(places) - len(known),
            "rows": [{"row": at, "f1": rows[at].f1, "seeds": rows[at].numbers["seeds"], "costs": cost[at]} for at in known],
            "alike": {str(at): verdicts for at, verdicts in alike.items()},
        })  # fmt: skip
    limits = [{"name": limit.name, "unit": limit.unit, "most": _most(found, at)} for at, limit in enumerate(LIMITS)]
    return {"limits": limits, "groups": found}


def costs(row: Row) -> list[float | None]:
    """What a row takes, in the units of LIMITS; None where unknown.

    A method that trains nothing needs the memory that its inference needs, and no time.
    """
    trains = row.numbers["trainable_params"] != 0
    found = []
    for limit in LIMITS:
        column = limit.column if trains else limit.column.replace("peak_train", "peak_inference")
        value = row.numbers[column]
        found.append(None if value is None else float(f"{value / limit.scale:.6g}"))
    return found


def _may_win(at: int, known: Sequence[int], cost: dict[int, list[float | None]], rows: Sequence[Row]) -> bool:
    """Whether no other row is as good at no more of any cost, an unknown one being beyond every limit."""

    def bounds(one: int) -> list[float]:
        return [math.inf if value is None else value for value in cost[one]]

    def beats(other: int) -> bool:
        better = (-(rows[other].f1 or 0), other) < (-(rows[at].f1 or 0), at)
        return better and all(theirs <= ours for theirs, ours in zip(bounds(other), bounds(at), strict=True))

    return not any(map(beats, known))


def _alike(best: int, known: Sequence[int], rows: Sequence[Row], judges: Sequence[Judge]) -> dict[str, str]:
    """The verdict on each row of the dataset that is not lower than the best, as far as anyone can tell."""
    judge = judges[rows[best].place.run]
    found = {}
    for at in known:
        if (-(rows[at].f1 or 0), at) <= (-(rows[best].f1 or 0), best):
            continue
        pair = [[record for record, _ in rows[one].place.cells] for one in (best, at)]
        against = judge.standings(pair, lambda _: "one group")[1].against
        if against is not None and against.verdict != "lower":
            found[str(at)] = "not known" if against.verdict == "unknown" else "not told apart"
    return found


def _most(groups: Sequence[dict[str, Any]], at: int) -> float | None:
    """The largest cost of any row; None where none is known."""
    known = [row["costs"][at] for group in groups for row in group["rows"] if row["costs"][at] is not None]
    return max(known, default=None)


#: What the page says of it.
CAPTION = (
    f"Means over the seeds of a row; {F1.replace('_', ' ')} of the evaluated split. Rows are compared as in Table 3, "
    "pair by pair, within a run; intervals are not corrected for the number of pairs. The peak is that of the training; "
    "a row that trains nothing counts with its peak of inference, no time and no energy. A row whose cost is unknown is "
    "within no limit of it."
)
