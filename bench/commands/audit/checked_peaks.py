"""Which peaks of memory a table lets the audit check; the others are not predicted, which saves most of its time."""

from dataclasses import dataclass

from bench.commands.audit.published.printed import Published, PublishedRow, normalised
from bench.study.cell import Cell


@dataclass(frozen=True, slots=True)
class ChecksPeak:
    """Whether the peak of a cell may be compared. A class, because processes that plan receive it pickled.

    Attributes:
        models: normalised names of the models with a row that prints a peak and whose conditions are known.
    """

    models: frozenset[str]

    @classmethod
    def of(cls, published: Published) -> "ChecksPeak":
        """The rule for published tables."""
        rows = [row for table in published.tables if table.compare for row in table.rows]
        checked = [row for row in rows if "peak_memory" in row.numbers and _conditions_known(row)]
        return cls(frozenset(normalised(row.named[1] or "") for row in checked))

    def __call__(self, cell: Cell) -> bool:
        """Whether a row of the cell's model is checked."""
        return not self.models.isdisjoint({normalised(cell.model.name), normalised(cell.model.label)})


def _conditions_known(row: PublishedRow) -> bool:
    stated = row.stated
    return row.inferred or None not in (stated.sequence_length, stated.batch_size, stated.precision_mode)
