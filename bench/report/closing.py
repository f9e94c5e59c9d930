"""The last lines of a report on the terminal: how many cells there are, which failed or are suspect, and the files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from bench.printable import one_line, printable
from bench.record import Record
from bench.report.results.run import Results
from bench.report.tables.stamp import stamp_of

#: Lines of failed and of suspect rows; the tables name them all.
MOST_LINES = 8
LONGEST_LINE = 200
#: Files that a reader opens first.
FIRST = ("report.html", "table3.md", "table3.csv", "tables.tex")


def show(results: Results, written: Sequence[Path], target: Path, console: Console) -> None:
    """Print the closing summary.

    Args:
        results: that were drawn.
        written: files of the report.
        target: its folder.
        console: to print on.
    """
    console.print()
    console.print(printable(results.counts, console), style="bold")
    for lines, style in ((list(_failed(results)), "red"), (list(_suspect(results)), "yellow")):
        for line in lines[:MOST_LINES]:
            console.print("  ", printable(line, console), sep="", style=style, soft_wrap=True)
        if len(lines) > MOST_LINES:
            console.print(f"  and {len(lines) - MOST_LINES} more; the tables name them", style=style)
    first = [target / name for name in FIRST if target / name in written]
    for path in first:
        console.print(printable(f"wrote {path}", console), highlight=False, soft_wrap=True)
    if more := len(written) - len(first):
        console.print(printable(f"wrote {more} more into {target}", console), highlight=False, soft_wrap=True)


def _failed(results: Results) -> Iterator[str]:
    for record in (record for record, _ in results.cells if record.status != "ok"):
        why = f"{record.failure.phase}: {record.failure.message}" if record.failure else "the record gives no reason"
        yield one_line(f"{record.status}: {_name(record)}: {why}", LONGEST_LINE)


def _suspect(results: Results) -> Iterator[str]:
    for record in (record for record, _ in results.cells if record.status == "ok"):
        stamp = stamp_of([record])
        if stamp.verdict == "suspect":
            yield one_line(f"suspect: {_name(record)}: {'; '.join(stamp.reasons)}", LONGEST_LINE)


def _name(record: Record) -> str:
    cell = record.cell
    names = " / ".join((cell.dataset.name, cell.model.name, cell.method.name))
    return f"{names}, seed {cell.seed}" + (f", repeat {cell.repeat}" if cell.repeat else "")
