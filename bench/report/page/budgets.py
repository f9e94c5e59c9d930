"""The best macro F1 within limits of memory, time and energy, and the rows that do not differ significantly."""

import math
from collections.abc import Sequence
from typing import Any

from bench.report.analysis.f1_significance import Against, F1Significance
from bench.report.analysis.quantities import QUANTITIES
from bench.report.charts.rows import ReportRow
from bench.report.tables import scores


def embedded(rows: Sequence[ReportRow], significances: Sequence[F1Significance]) -> dict[str, Any]:
    """Data for the budget form: rows with an F1 by dataset, their costs, and rows that do not differ significantly.

    ``same`` maps each row that can be the best within some limits to the rows of its dataset that are not
    significantly lower, each with its verdict and the rest of the sentence.

    Args:
        rows: rows of the page.
        significances: F1 significance of each run.
    """
    groups: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(row.dataset, []).append(at)
    found = []
    for dataset, places in groups.items():
        known = [at for at in places if rows[at].f1 is not None]
        cost = {at: costs(rows[at]) for at in known}
        same = {at: _same(at, known, rows, significances) for at in known if _may_win(at, known, cost, rows)}
        found.append({
            "dataset": dataset,
            "rows": [
                {"row": at, "f1": rows[at].f1, "seeds": rows[at].numbers["seeds"], "costs": cost[at]} for at in known
            ],
            "same": {str(at): verdicts for at, verdicts in same.items()},
        })  # fmt: skip
    limits = [
        {"name": one.limit.name, "unit": one.limit.unit, "most": _most(found, at)}
        for at, one in enumerate(QUANTITIES.of("limits"))
        if one.limit
    ]
    return {"limits": limits, "groups": found}


def costs(row: ReportRow) -> list[float | None]:
    """Costs of a row in the units of the limits; None where unknown.

    A method that trains nothing costs the peak memory of its inference and no time.
    """
    trains = row.numbers["trainable_params"] != 0
    found = []
    for quantity in QUANTITIES.of("limits"):
        if limit := quantity.limit:
            value = row.numbers[(not trains and limit.without_training) or quantity.centre]
            found.append(None if value is None else float(f"{value / limit.scale:.4g}"))
    return found


def _may_win(at: int, known: Sequence[int], cost: dict[int, list[float | None]], rows: Sequence[ReportRow]) -> bool:
    """Whether no other row has an F1 as high at costs as low; an unknown cost exceeds every limit."""

    def bounds(one: int) -> list[float]:
        return [math.inf if value is None else value for value in cost[one]]

    def beats(other: int) -> bool:
        better = (-(rows[other].f1 or 0), other) < (-(rows[at].f1 or 0), at)
        return better and all(theirs <= ours for theirs, ours in zip(bounds(other), bounds(at), strict=True))

    return not any(map(beats, known))


def _same(
    best: int, known: Sequence[int], rows: Sequence[ReportRow], significances: Sequence[F1Significance]
) -> dict[str, tuple[str, str]]:
    """The verdict on each row of the dataset that is not significantly lower than the best."""
    below = [at for at in known if at != best and (rows[at].f1 or 0) <= (rows[best].f1 or 0)]
    records = [[record for record, _ in rows[at].place.cells] for at in (best, *below)]
    _, *others = significances[rows[best].place.run].of_rows(records, lambda _: "those within the limits")
    return {str(at): said for at, other in zip(below, others, strict=True) if (said := _said(other.against))}


def _said(against: Against | None) -> tuple[str, str] | None:
    """The verdict on a row compared with the best, and the rest of the sentence; None if the row is lower."""
    # With repeats another row may be best here: significance uses the first repeat of each seed.
    if against is None or against.best:
        return "not known", ""
    if against.verdict == "unknown":
        return "not known", f": {against.reason}"
    if against.verdict == "higher":
        return "higher on the seeds of both", ""
    return None if against.verdict == "lower" else (against.verdict, scores.detectable(against.detectable))


def _most(groups: Sequence[dict[str, Any]], at: int) -> float | None:
    """The largest known cost of a row; None if no cost is known."""
    known = [row["costs"][at] for group in groups for row in group["rows"] if row["costs"][at] is not None]
    return max(known, default=None)


#: Caption of the budget form.
CAPTION = (
    "Means over the seeds of a row; F1 on the evaluated split. Rows of a run are compared as in Table 3, by Holm's "
    "method over all pairs of rows of the dataset that are not above the best. Peak memory is that of training; a row "
    "that trains nothing has the peak memory of its inference, no time and no energy. A row with an unknown cost "
    "exceeds any limit on it."
)
