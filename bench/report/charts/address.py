"""Keys of rows and cells in the addresses of a page."""

from dataclasses import dataclass

from bench.record.run_folder import CELL_ID
from bench.report.results.measured import Measured, by_row
from bench.report.results.run import Results


@dataclass(frozen=True, slots=True)
class Place:
    """One row of the tables and its address in a page.

    Attributes:
        key: key of the row, safe in a URL.
        run: index of its run.
        cells: cells of the row, failed ones included.
        cell_keys: keys of the cells in order: the cell id if valid and unique among runs.
    """

    key: str
    run: int
    cells: tuple[Measured, ...]
    cell_keys: tuple[str, ...]

    @property
    def measured(self) -> list[Measured]:
        """The successful cells."""
        return [cell for cell in self.cells if cell.record.status == "ok"]


def places(results: Results) -> list[Place]:
    """The rows of all runs, in the order of runs and studies."""
    found: list[Place] = []
    cells: set[str] = set()
    rows: set[str] = set()
    for number, run in enumerate(results.runs):
        for row in by_row(run.cells):
            keys = [_free(record.cell_id, cells) for record, _ in row]
            found.append(Place(_free(row[0].record.cell.row_id, rows), number, tuple(row), tuple(keys)))
    return found


def _free(name: str, taken: set[str]) -> str:
    """A free key: the name if valid, with a number if it is taken."""
    # Records of a foreign report may have any name.
    known = name if CELL_ID.fullmatch(name) else "unnamed"
    key, number = known, 2
    while key in taken:
        key, number = f"{known}@{number}", number + 1
    taken.add(key)
    return key
