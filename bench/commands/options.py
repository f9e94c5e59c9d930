"""What several verbs share: exit codes, arguments, and imports that cost time.

A verb's file imports libraries inside its functions: ``--help`` must answer without loading a table library or torch.
"""

import argparse
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: All cells ok; some cells failed, and their rows say how; the request was wrong; a comparison found a regression;
#: nobody reads the output any more. A signal gives 128 plus its number.
OK, CELLS_FAILED, WRONG_REQUEST, REGRESSED, UNHEARD = 0, 1, 2, 3, 141


def add_study(verb: argparse.ArgumentParser) -> None:
    """The study to work on, and which of its cells."""
    verb.add_argument("study", help="name of a shipped study, or path of a .toml file")
    verb.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only cells with this dataset, model, method or seed",
    )
    verb.add_argument(
        "--scale", choices=("tiny",), help="tiny: models of random weights with few, narrow layers, to try the wiring"
    )


def add_data_root(verb: argparse.ArgumentParser, what: str = "read datasets from") -> None:
    """A folder of datasets, read in place of the hub."""
    verb.add_argument("--data-root", type=Path, metavar="DIR", help=f"{what} DIR/<name>/<split>.jsonl.gz")


def add_plugins(verb: argparse.ArgumentParser) -> None:
    """Method files of the user's own."""
    verb.add_argument(
        "--plugin",
        dest="plugin_files",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a method file of your own",
    )


def add_no_memory(verb: argparse.ArgumentParser) -> None:
    """Whether peaks are predicted."""
    verb.add_argument(
        "--no-memory",
        dest="with_memory",
        action="store_false",
        help="leave predicted memory out, which takes most of the time",
    )


def add_format(verb: argparse.ArgumentParser, *formats: str) -> None:
    """How the answer is printed: as a table, or for programs."""
    choices = ("table", *formats)
    listed = f"table (default){', ' if len(formats) > 1 else ''}{', '.join(formats[:-1])} or {formats[-1]}"
    verb.add_argument("--format", choices=choices, default="table", help=listed)


def add_reports(verb: argparse.ArgumentParser) -> None:
    """The folder of reports."""
    verb.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR", help="where files go (reports)")


def add_report_options(verb: argparse.ArgumentParser) -> None:
    """What a verb that draws a report can be told of it."""
    add_reports(verb)
    verb.add_argument(
        "--format",
        dest="formats",
        action="append",
        choices=("md", "csv", "tex", "html", "png", "all"),
        help="write these alone; may be given several times (all)",
    )
    verb.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="TARGET",
        help="log every cell to tensorboard=DIR or mlflow=URI as well; may be given several times",
    )
    verb.add_argument("--wide", action="store_true", help="print every column of the table, with its notes")


@contextmanager
def importing() -> Iterator[None]:
    """Keep the collector from looking, a quarter of the time, for garbage that torch and its like do not leave."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
