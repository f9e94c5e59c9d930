"""Which peaks of memory a table lets the audit check; the others are not predicted, which saves most of its time."""

from collections.abc import Callable

from bench.commands.audit.published.printed import Published, PublishedRow, normalised
from bench.study.cell import Cell


def peaks_checked(published: Published) -> Callable[[Cell], bool]:
    """Whether the peak of a cell may be compared: a row on its model prints a peak and its conditions are known.

    Args:
        published: the tables.
    """
    rows = [row for table in published.tables if table.compare for row in table.rows]
    models = {normalised(row.named[1] or "") for row in rows if "peak_memory" in row.numbers and _conditions_known(row)}

    def checked(cell: Cell) -> bool:
        return not models.isdisjoint({normalised(cell.model.name), normalised(cell.model.label)})

    return checked


def _conditions_known(row: PublishedRow) -> bool:
    stated = row.stated
    return row.inferred or None not in (stated.sequence_length, stated.batch_size, stated.precision_mode)
