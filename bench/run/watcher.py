"""Who is told how a run goes."""

from collections.abc import Sequence
from typing import Protocol

from bench.record.record import Record
from bench.study.cell import Cell


class Watcher(Protocol):
    """Is told how a run goes; the terminal's progress display is one."""

    def started(self, pending: Sequence[Cell], finished: int) -> None:
        """The run begins: these cells are to be measured, so many are there already."""

    def checking(self, what: str) -> None:
        """Something is checked before any work."""

    def warned(self, message: str) -> None:
        """Something the user should know."""

    def cell_started(self, cell: Cell) -> None:
        """A worker takes this cell."""

    def cell_progress(self, cell: Cell, phase: str, done: int, of: int) -> None:
        """Where the worker is."""

    def cell_ended(self, cell: Cell, record: Record) -> None:
        """The cell has its record."""
