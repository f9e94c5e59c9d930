"""The interfaces of a display: of the checks before a measurement, and of a run's progress."""

from collections.abc import Sequence
from typing import Protocol

from bench.record.record import Record
from bench.study.cell import Cell


class CheckWatcher(Protocol):
    """Receiver of the checks before a measurement, and of warnings."""

    def checking(self, what: str) -> None:
        """A check before the measurements begins."""

    def warned(self, message: str) -> None:
        """There is a warning for the user."""


class Watcher(CheckWatcher, Protocol):
    """Receiver of a run's progress and warnings, such as the terminal's display."""

    def started(self, pending: Sequence[Cell], finished: int) -> None:
        """The run begins with these pending cells and this number of finished ones."""

    def cell_started(self, cell: Cell) -> None:
        """A worker starts this cell."""

    def cell_progress(self, cell: Cell, phase: str, done: int, of: int) -> None:
        """The worker is in this phase, at this step."""

    def cell_ended(self, cell: Cell, record: Record) -> None:
        """The cell has its record."""
