"""What a page calls its rows and cells in its addresses."""

from dataclasses import dataclass

from bench.record.run_folder import CELL_ID
from bench.report.results.measured import Measured, by_row
from bench.report.results.run import Results


@dataclass(frozen=True, slots=True)
class Place:
    """One row of the tables and where it stands in a page.

    Attributes:
        key: of the row; safe in an address.
        run: that it is of, from 0.
        cells: a seed each; failed ones too.
        cell_keys: of the cells, in their order; a cell's id, where it is one and no other run has it.
    """

    key: str
    run: int
    cells: tuple[Measured, ...]
    cell_keys: tuple[str, ...]

    @property
    def measured(self) -> list[Measured]:
        """The cells that succeeded."""
        return [cell for cell in self.cells if cell.record.status == "ok"]


def places(results: Results) -> list[Place]:
    """The rows of all runs, run by run, as the studies have them."""
    found: list[Place] = []
    cells: set[str] = set()
    rows: set[str] = set()
    for number, run in enumerate(results.runs):
        for row in by_row(run.cells):
            keys = [_free(record.cell_id, cells) for record, _ in row]
            found.append(Place(_free(row[0].record.cell.row_id, rows), number, tuple(row), tuple(keys)))
    return found


def _free(name: str, taken: set[str]) -> str:
    """A key that nothing has yet: the name where it can be one, with a number where several have it."""
    # Records of a report that comes from elsewhere may be of any name.
    known = name if CELL_ID.fullmatch(name) else "unnamed"
    key, number = known, 2
    while key in taken:
        key, number = f"{known}@{number}", number + 1
    taken.add(key)
    return key
