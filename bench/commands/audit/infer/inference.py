"""The conditions that the peaks of a printed table imply, as text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.commands.audit.infer.conditions import Conditions, all_conditions, dropout_option
from bench.commands.audit.infer.fit import MARGIN, Figures, Fit, batches_of_row
from bench.commands.audit.infer.judge import FEWEST_DISTINCT, Judged, judge
from bench.commands.audit.infer.peaks import LARGEST_BATCH, Peaks
from bench.commands.audit.infer.rows import QUANTITY, Key, PeakRow, peak_rows
from bench.commands.audit.match import Matched
from bench.commands.audit.published import Published, PublishedTable
from bench.commands.audit.published.quantities import COLUMNS, PrintedColumn
from bench.commands.audit.published.units import UNITS
from bench.errors import DataError
from bench.method import registry
from bench.study.cell import Cell

Verdict = Literal["identified", "not run alike", "not identifiable"]
Predict = Callable[[Sequence[Cell], Sequence[Conditions]], tuple[Peaks, tuple[str, ...]]]
"""Predicted peaks of cells under conditions, and reasons for missing ones; see ``predict_peaks``."""
#: Number of rivals that are listed.
MOST_RIVALS = 12


@dataclass(frozen=True, slots=True)
class Inference:
    """What the peaks of one table imply about the conditions of its rows.

    Attributes:
        table: title of the table.
        verdict: whether the conditions are identified, differ between rows, or cannot be identified.
        text: the verdict in one or two sentences.
        rows: one line per row: predicted over printed, or the batch sizes at which it fits.
        rivals: one line per further explanation within the margin.
        left_out: one line per reason why rows are not used.
    """

    table: str
    verdict: Verdict
    text: str
    rows: tuple[str, ...]
    rivals: tuple[str, ...]
    left_out: tuple[str, ...]

    def lines(self) -> list[str]:
        """Everything as lines of text."""
        rivals = [f"rival within {MARGIN:.1%}: {rival}" for rival in self.rivals]
        if self.verdict != "not identifiable" and not rivals:
            rivals = [f"no rival within {MARGIN:.1%}"]
        return [f"{self.table}: {self.verdict}: {self.text}", *self.rows, *rivals, *self.left_out]


def infer(
    published: Published, matched: Sequence[Matched], cells: Mapping[Key, Cell], predict: Predict, device: str
) -> tuple[Inference, ...]:
    """Infer the conditions of each compared table that has a column of peak memory.

    Args:
        published: printed tables.
        matched: their rows, from ``match``.
        cells: cells of the study by dataset, model and method.
        predict: function that predicts peaks.
        device: ``cpu`` or ``cuda``: device that they are predicted for.

    Raises:
        DataError: no compared table has such a column.
    """
    return tuple(
        _of_table(table, *peak_rows([row for row in matched if row.table == table.name], cells), predict, device)
        for table in require_peak_memory(published)
    )


def require_peak_memory(published: Published) -> list[PublishedTable]:
    """The compared tables that have a column of peak memory.

    Raises:
        DataError: no compared table has one.
    """
    tables = [
        table
        for table in published.tables
        if table.compare and any(column.quantity == QUANTITY for column in table.columns)
    ]
    if not tables:
        known = ", ".join(name for name, column in COLUMNS.items() if column.quantity == QUANTITY)
        raise DataError(f"--infer needs a column of peak memory, and no compared table has one; known: {known}")
    return tables


def _of_table(
    table: PublishedTable, rows: Sequence[PeakRow], left_out: Mapping[str, Sequence[str]],
    predict: Predict, device: str,
) -> Inference:  # fmt: skip
    not_used = [
        f"not identifiable: {len(labels)} row{'s' * (len(labels) > 1)}, {_first(labels)}: {reason}"
        for reason, labels in left_out.items()
    ]
    shapes = list(dict.fromkeys(row.shape for row in rows))
    if len(shapes) < FEWEST_DISTINCT:
        text = (
            f"needs the peaks of at least {FEWEST_DISTINCT} rows that differ in model or method and state no batch "
            f"size, got {len(shapes)}: any of many conditions reproduces fewer"
        )
        return Inference(table.title, "not identifiable", text, (), (), tuple(not_used))
    conditions = all_conditions(_dropouts(rows), device)
    peaks, reasons = predict([next(row.cell for row in rows if row.shape == shape) for shape in shapes], conditions)
    figures = Figures(
        np.array([float(row.number.value / row.number.column.factor) for row in rows]),
        np.array([shapes.index(row.shape) for row in rows]), _units(rows[0].number.column), peaks,
    )  # fmt: skip
    return _said(table.title, rows, figures, conditions, [*not_used, *(f"not predicted: {each}" for each in reasons)])


def _first(labels: Sequence[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{labels[0]} to {labels[-1]}"


def _dropouts(rows: Sequence[PeakRow]) -> tuple[bool | None, ...]:
    methods = [row.cell.method for row in rows]
    has_option = any(dropout_option(registry.load_planned(method)) for method in methods)
    return (True, False) if has_option else (None,)


def _units(column: PrintedColumn) -> dict[str, float]:
    """The decimal and the binary unit of a column's size, in bytes: people print MB for both."""
    return {unit.name: float(unit.factor) for unit in UNITS["bytes"].values() if unit.name[0] == column.unit[0]}


def _said(
    title: str, rows: Sequence[PeakRow], figures: Figures, conditions: Sequence[Conditions], left_out: Sequence[str]
) -> Inference:
    units = tuple(figures.units)

    def factors(fit: Fit) -> dict[str, str]:
        return {"batch size": str(fit.batch), **conditions[fit.condition].factors(), "unit": units[fit.unit]}

    def text(fit: Fit, batches: Sequence[int]) -> str:
        return f"batch size {_batches(batches)}, {conditions[fit.condition].text()}, {units[fit.unit]}"

    judged = judge(figures, factors)
    best, used = judged.best, int(judged.fitting.sum())
    verdict, lines = _rows(rows, figures, judged)
    if judged.why_not is not None:
        verdict, said = "not identifiable", judged.why_not
        if judged.fits:
            said += f". The best of them: {text(best, [best.batch])}, {used} of {len(rows)} rows"
    else:
        said = f"{text(best, [best.batch])}: reproduces {used} of {len(rows)} rows within {best.error:.1%}"
        if judged.open:
            said += f"; equally good explanations differ in {', '.join(judged.open)}"
    groups: dict[tuple[int, int], list[Fit]] = {}
    for fit in judged.fits:
        if fit != best:
            groups.setdefault((fit.unit, fit.condition), []).append(fit)
    rivals = [f"{text(fits[0], [fit.batch for fit in fits])}: within {fits[0].error:.1%}" for fits in groups.values()]
    if len(rivals) > MOST_RIVALS:
        rivals[MOST_RIVALS:] = [f"and {len(rivals) - MOST_RIVALS} more"]
    return Inference(title, verdict, said, lines, tuple(rivals), tuple(left_out))


def _rows(rows: Sequence[PeakRow], figures: Figures, judged: Judged) -> tuple[Verdict, tuple[str, ...]]:
    """Whether all rows were run alike, and one line per row under the best conditions."""
    errors, best = figures.errors(), judged.best
    scale = list(figures.units.values())[best.unit]
    verdict: Verdict = "identified"
    lines = []
    for index, row in enumerate(rows):
        if judged.fitting[index]:
            ratio = figures.peaks[best.condition, figures.columns[index], best.batch] / (figures.printed[index] * scale)
            lines.append(f"{row.label}: predicted over printed {ratio:.3f}")
            continue
        alone = batches_of_row(errors, index, best)
        if alone:
            verdict = "not run alike"
        where = f"batch size {_batches(alone)} alone" if alone else f"no batch size up to {LARGEST_BATCH}"
        lines.append(f"{row.label}: under these conditions it fits at {where}")
    return verdict, tuple(lines)


def _batches(batches: Sequence[int]) -> str:
    """``8``, ``31 to 33``, or ``7, 9`` if they have gaps."""
    low, high = min(batches), max(batches)
    if high - low + 1 == len(batches):
        return str(low) if low == high else f"{low} to {high}"
    return ", ".join(map(str, sorted(batches)))
