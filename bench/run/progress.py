"""Display of a run's progress: live on a terminal, a few lines otherwise."""

from collections.abc import Sequence
from types import TracebackType

from rich import progress
from rich.console import Console
from rich.markup import escape

from bench.clocks import monotonic_seconds
from bench.record.record import Record
from bench.study.cell import Cell
from bench.text.display import printable
from bench.text.message import message as fit

#: Interval of progress lines without a live display.
QUIET_SECONDS = 60.0


def _name(cell: Cell) -> str:
    run = f"seed {cell.seed}" + (f", repeat {cell.repeat}" if cell.repeat else "")
    if cell.searching:
        tried = {**cell.method.given, "epochs": cell.train.epochs}
        run = ", ".join(f"{name} {value}" for name, value in tried.items()) + f", {run}"
    return printable(f"{cell.dataset.label} / {cell.model.label} / {cell.method.label} / {run}", 300)


def _result(record: Record) -> str:
    if record.failure is not None:
        first = record.failure.message.splitlines()[0] if record.failure.message else ""
        return printable(fit(f"{record.status} in {record.failure.phase}: {record.failure.type}: {first}", 1000))
    f1 = f"macro F1 {record.quality.macro_f1:.4f}" if record.quality else "no quality (random weights)"
    return f"{f1}, {record.wall_seconds:.1f} s"


class ProgressDisplay:
    """Bars for the study and the current cell, or one line a minute without a terminal; one line per failed cell."""

    def __init__(self, console: Console) -> None:
        """Prepare the display on a console."""
        self._console = console
        self._live = console.is_terminal
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(), progress.TextColumn("eta"), progress.TimeRemainingColumn(), console=console,
            transient=True, disable=not self._live,
        )  # fmt: skip
        self._study: progress.TaskID | None = None
        self._cell: progress.TaskID | None = None
        self._count = self._total = 0
        self._said_at = monotonic_seconds()

    def __enter__(self) -> "ProgressDisplay":
        """Start the display."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the display."""
        self._bars.stop()

    def started(self, pending: Sequence[Cell], finished: int) -> None:
        """Print the number of cells."""
        searching = any(cell.searching for cell in pending)
        self._count, self._total = 0, len(pending)
        what = "trials to run" if searching else "cells to measure"
        self._console.print(f"{len(pending)} {what}, {finished} finished before")
        if self._study is not None:
            self._bars.remove_task(self._study)
        self._study = self._bars.add_task("search" if searching else "study", total=len(pending))

    def checking(self, what: str) -> None:
        """Print what is checked."""
        self._console.print(f"checking {what}")

    def warned(self, message: str) -> None:
        """Print a warning."""
        self._console.print(f"warning: {escape(printable(fit(message, 2000)))}", style="yellow")

    def cell_started(self, cell: Cell) -> None:
        """Show the cell's name."""
        self._count += 1
        self._total = max(self._total, self._count)  # a cell may be measured again
        if self._live:
            self._cell = self._bars.add_task(escape(_name(cell)), total=None)

    def cell_progress(self, cell: Cell, phase: str, done: int, of: int) -> None:
        """Show phase and step."""
        if self._cell is not None:
            self._bars.update(
                self._cell, description=f"{escape(_name(cell))}: {phase}", completed=done, total=of or None
            )

    def cell_ended(self, cell: Cell, record: Record) -> None:
        """Print the result of a failed cell, and now and then that of another one."""
        if self._cell is not None:
            self._bars.remove_task(self._cell)
            self._cell = None
        if self._study is not None:
            self._bars.advance(self._study)
        failed = record.status != "ok"
        if failed or (not self._live and monotonic_seconds() - self._said_at >= QUIET_SECONDS):
            self._said_at = monotonic_seconds()
            line = f"[{self._count}/{self._total}] {_name(cell)}: {_result(record)}"
            self._console.print(line, style="red" if failed else None, markup=False)
