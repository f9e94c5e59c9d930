"""Exit codes and arguments that several commands share, and slow imports.

A command's module imports libraries inside its functions, so that ``--help`` loads neither rich nor torch.
"""

import argparse
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: All cells ok; some cells failed; the request was wrong; a comparison found a regression; it found none, but could not
#: judge everything that moved; the reader of the output has closed it. A signal gives 128 plus its number.
OK, CELLS_FAILED, WRONG_REQUEST, REGRESSED, NOT_JUDGED, OUTPUT_CLOSED = 0, 1, 2, 3, 4, 141


def add_study(parser: argparse.ArgumentParser, more: str = "") -> None:
    """Arguments for the study and the choice of its cells; ``more`` ends the help of the first."""
    parser.add_argument("study", help=f"name of a shipped study, or path of a .toml file{more}")
    parser.add_argument(
        "--only", action="append", default=[], metavar="KEY=VALUE",
        help="only cells with this dataset, model, method or seed",
    )  # fmt: skip
    parser.add_argument("--scale", choices=("tiny",), help="tiny: small models with random weights, to test the setup")


def add_data_root(parser: argparse.ArgumentParser, what: str = "read datasets from") -> None:
    """Argument for a local folder of datasets, read in place of the hub."""
    parser.add_argument("--data-root", type=Path, metavar="DIR", help=f"{what} DIR/<name>/<split>.jsonl.gz")


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """Argument for the user's own method files."""
    parser.add_argument(
        "--plugin", dest="plugin_files", type=Path, action="append", default=[], metavar="FILE",
        help="a method file of your own",
    )  # fmt: skip


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Argument for the folder of the run folders."""
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of the run folders (runs)"
    )


def add_no_memory(parser: argparse.ArgumentParser) -> None:
    """Argument that turns the prediction of peak memory off."""
    parser.add_argument(
        "--no-memory", dest="with_memory", action="store_false",
        help="do not predict memory, which takes most of the time",
    )  # fmt: skip


def add_format(parser: argparse.ArgumentParser, *formats: str) -> None:
    """Argument for the output format: a table, or a format for programs."""
    choices = ("table", *formats)
    listed = f"table (default){', ' if len(formats) > 1 else ''}{', '.join(formats[:-1])} or {formats[-1]}"
    parser.add_argument("--format", choices=choices, default="table", help=listed)


def add_reports(parser: argparse.ArgumentParser) -> None:
    """Argument for the folder of reports."""
    parser.add_argument(
        "--reports", type=Path, default=Path("reports"), metavar="DIR", help="folder for the files (reports)"
    )


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Arguments of a command that writes a report."""
    add_reports(parser)
    parser.add_argument(
        "--format", dest="formats", action="append", choices=("md", "csv", "tex", "html", "png", "all"),
        help="write only this format; may be given several times (all)",
    )  # fmt: skip
    parser.add_argument(
        "--log", action="append", default=[], metavar="TARGET",
        help="log every cell to tensorboard=DIR or mlflow=URI as well; may be given several times",
    )  # fmt: skip
    parser.add_argument("--wide", action="store_true", help="print every column of the table, with its notes")


@contextmanager
def importing() -> Iterator[None]:
    """Disable garbage collection during imports; it would take a quarter of their time and free nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
