"""The best macro F1 within limits of memory, time and energy, and which rows cannot be told apart from it."""

import math
from collections.abc import Sequence
from typing import Any

from bench.report.analysis.f1_significance import Against, F1Significance
from bench.report.analysis.quantities import QUANTITIES
from bench.report.charts.rows import ReportRow


def embedded(rows: Sequence[ReportRow], significances: Sequence[F1Significance]) -> dict[str, Any]:
    """What the page's script answers from: by dataset the rows with an F1, their costs, and who is like whom.

    ``alike`` holds, for every row that can be the best within some limits, the verdict on those rows of the dataset
    that are not told apart from it.

    Args:
        rows: of the page.
        significances: of the records of each run.
    """
    groups: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(row.dataset, []).append(at)
    found = []
    for dataset, places in groups.items():
        known = [at for at in places if rows[at].f1 is not None]
        cost = {at: costs(rows[at]) for at in known}
        alike = {at: _alike(at, known, rows, significances) for at in known if _may_win(at, known, cost, rows)}
        found.append({
            "dataset": dataset,
            "rows": [
                {"row": at, "f1": rows[at].f1, "seeds": rows[at].numbers["seeds"], "costs": cost[at]} for at in known
            ],
            "alike": {str(at): verdicts for at, verdicts in alike.items()},
        })  # fmt: skip
    limits = [
        {"name": one.limit.name, "unit": one.limit.unit, "most": _most(found, at)}
        for at, one in enumerate(QUANTITIES.of("limits"))
        if one.limit
    ]
    return {"limits": limits, "groups": found}


def costs(row: ReportRow) -> list[float | None]:
    """What a row takes, in the units of the limits; None where unknown.

    A method that trains nothing needs the memory that its inference needs, and no time.
    """
    trains = row.numbers["trainable_params"] != 0
    found = []
    for quantity in QUANTITIES.of("limits"):
        if limit := quantity.limit:
            value = row.numbers[(not trains and limit.without_training) or quantity.centre]
            found.append(None if value is None else float(f"{value / limit.scale:.4g}"))
    return found


def _may_win(at: int, known: Sequence[int], cost: dict[int, list[float | None]], rows: Sequence[ReportRow]) -> bool:
    """Whether no other row is as good at no more of any cost, an unknown one being beyond every limit."""

    def bounds(one: int) -> list[float]:
        return [math.inf if value is None else value for value in cost[one]]

    def beats(other: int) -> bool:
        better = (-(rows[other].f1 or 0), other) < (-(rows[at].f1 or 0), at)
        return better and all(theirs <= ours for theirs, ours in zip(bounds(other), bounds(at), strict=True))

    return not any(map(beats, known))


def _alike(
    best: int, known: Sequence[int], rows: Sequence[ReportRow], significances: Sequence[F1Significance]
) -> dict[str, str]:
    """The verdict on each row of the dataset that is not lower than the best, as far as anyone can tell."""
    below = [at for at in known if at != best and (rows[at].f1 or 0) <= (rows[best].f1 or 0)]
    records = [[record for record, _ in rows[at].place.cells] for at in (best, *below)]
    _, *others = significances[rows[best].place.run].of_rows(records, lambda _: "those within the limits")
    return {str(at): said for at, other in zip(below, others, strict=True) if (said := _said(other.against))}


def _said(against: Against | None) -> str:
    """What the page says of a row against the best; empty where it is lower."""
    # With repeats, the comparison uses the first of each seed and may find another row best.
    if against is None or against.best or against.verdict == "unknown":
        return "not known"
    return {"lower": "", "higher": "higher on the seeds of both"}.get(against.verdict, against.verdict)


def _most(groups: Sequence[dict[str, Any]], at: int) -> float | None:
    """The largest cost of any row; None where none is known."""
    known = [row["costs"][at] for group in groups for row in group["rows"] if row["costs"][at] is not None]
    return max(known, default=None)


#: What the page says of it.
CAPTION = (
    "Means over the seeds of a row, F1 on the evaluated split. Rows of a run are compared pair by pair, as in Table 3; "
    "intervals are not corrected for the number of pairs. The peak is that of the training; a row that trains nothing "
    "counts with its peak of inference, no time and no energy. A row whose cost is unknown is within no limit of it."
)
