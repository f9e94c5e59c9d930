"""Display of a measurement's progress on stderr: one line that changes on a terminal, otherwise warnings only."""

from types import TracebackType

from rich.console import Console
from rich.markup import escape

from bench.ratios.estimate import Ratio
from bench.ratios.window import Task
from bench.report.console import warn_on
from bench.study.cell import Cell
from bench.text.display import printable


class RatioProgress:
    """Shows what is prepared or measured; implements ``RatioWatcher``."""

    def __init__(self, console: Console | None = None) -> None:
        """Prepare the display.

        Args:
            console: console to show it on; None: stderr.
        """
        self._console = console or Console(stderr=True)
        self._status = self._console.status("") if self._console.is_terminal else None
        self.warned = warn_on(self._console)

    def __enter__(self) -> "RatioProgress":
        """Start the display."""
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the display."""
        if self._status is not None:
            self._status.stop()

    def checking(self, what: str) -> None:
        """Show what is checked."""
        self._show(f"checking {what}")

    def preparing(self, cell: Cell) -> None:
        """Show the method that is prepared."""
        self._show(f"{_name(cell)}: prepared in a process of its own")

    def measured(self, cell: Cell, task: Task, ratio: Ratio | None) -> None:
        """Show the ratio so far."""
        said = "first blocks" if ratio is None else f"{ratio.ratio:.3f} ± {ratio.within_percent:.2f} %"
        self._show(f"{_name(cell)}: {task} ratio {said}")

    def _show(self, text: str) -> None:
        if self._status is not None:
            self._status.update(escape(text))


def _name(cell: Cell) -> str:
    return printable(f"{cell.dataset.label} / {cell.model.label} / {cell.method.label}", 200)
