"""Lines of a table, as its readers give them to ``grid``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table.

    Attributes:
        number: its number in the file, from 1; of the last line of the file that it takes.
        cells: its cells without markup.
        is_title: whether it is one cell over all columns, which is no row.
    """

    number: int
    cells: tuple[str, ...]
    is_title: bool = False


class TableError(ValueError):
    """A text does not hold one table.

    Attributes:
        line: number of the line concerned, from 1; None for the whole text.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line
