"""Which peaks of memory an audit predicts: those that its tables let it check, and one of several that are equal.

Predictions take most of an audit's time.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.commands.audit.published.printed import Published, PublishedRow, normalised
from bench.plan.row import PlanRow
from bench.study.cell import Cell

#: Fields of a row that are shared with rows that differ in their dataset alone.
PEAKS = ("train_memory", "inference_memory")


@dataclass(frozen=True, slots=True)
class CheckedPeaks:
    """The cells whose peaks are predicted. A class, because processes that plan receive it pickled.

    Attributes:
        shapes: key of the peaks, by row of the study, of every cell whose peak may be compared.
        predicted: rows of the study whose peaks are predicted, one for each key.
    """

    shapes: dict[str, str]
    predicted: frozenset[str]

    @classmethod
    def of(cls, published: Published, cells: Sequence[Cell]) -> "CheckedPeaks":
        """The rule for published tables.

        Args:
            published: tables from ``load``.
            cells: cells of the plan.
        """
        rows = [row for table in published.tables if table.compare for row in table.rows]
        checked = [row for row in rows if "peak_memory" in row.numbers and _conditions_known(row)]
        models = {normalised(row.named[1] or "") for row in checked}
        shapes = {
            cell.row_id: peak_key(cell)
            for cell in cells
            if not models.isdisjoint({normalised(cell.model.name), normalised(cell.model.label)})
        }
        first = {key: row_id for row_id, key in reversed(shapes.items())}
        return cls(shapes, frozenset(first.values()))

    def __call__(self, cell: Cell) -> bool:
        """Whether the peak of a cell is predicted."""
        return cell.row_id in self.predicted

    def shared(self, rows: Sequence[PlanRow], cells: Sequence[Cell]) -> list[PlanRow]:
        """The rows of a plan, each with the peaks that were predicted for its key.

        Args:
            rows: rows of the plan.
            cells: their cells.
        """
        found = {self.shapes[cell.row_id]: row for row, cell in zip(rows, cells, strict=True) if self(cell)}
        return list(self._with_peaks(rows, cells, found))

    def _with_peaks(
        self, rows: Sequence[PlanRow], cells: Sequence[Cell], found: dict[str, PlanRow]
    ) -> Iterator[PlanRow]:
        for row, cell in zip(rows, cells, strict=True):
            known = found.get(self.shapes.get(cell.row_id, ""))
            if known is None or known is row or row.unsupported is not None:
                yield row
                continue
            reasons = {name: why for name, why in row.unknown.items() if name not in PEAKS}
            reasons |= {name: known.unknown[name] for name in PEAKS if name in known.unknown}
            yield row.model_copy(update={name: getattr(known, name) for name in PEAKS} | {"unknown": reasons})


def peak_key(cell: Cell, any_batch: bool = False) -> str:
    """A key that is equal for cells of equal peaks, but for their numbers of classes, which are some kilobytes.

    Args:
        cell: cell of a study.
        any_batch: whether the key is the same for all batch sizes.
    """
    train = cell.train.model_dump(mode="json", exclude={"batch_size"} if any_batch else None)
    method = cell.method.model_dump(mode="json", exclude={"label"})
    facts = {"model": cell.model.model_dump(mode="json"), "method": method, "length": cell.data.max_length}
    return json.dumps(facts | {"train": train}, sort_keys=True)


def _conditions_known(row: PublishedRow) -> bool:
    stated = row.stated
    return row.inferred or None not in (stated.sequence_length, stated.batch_size, stated.precision_mode)
