"""``tunebench explain``: show what a cell's method does with each token of a text."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from bench.commands import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``explain``."""
    parser.add_argument("run_folder", type=Path, metavar="RUN_DIR", help="runs/<study>")
    parser.add_argument("cell", metavar="CELL", help="id of a cell, or a part of it that is unique")
    parser.add_argument("text", metavar="TEXT", help="text to explain")
    options.add_plugins(parser)
    parser.add_argument("--html", type=Path, metavar="FILE", help="file for the page (in the cell's folder)")
    parser.set_defaults(act=explain)


def explain(*, run_folder: Path, cell: str, text: str, plugin_files: Sequence[Path], html: Path | None) -> int:
    """Explain a text, print the explanation and write it as a page; returns the exit code."""
    from rich.console import Console

    from bench.commands.explain import render
    from bench.commands.explain.measured_cell import explain as explain_text
    from bench.commands.explain.measured_cell import find
    from bench.measure.hidden_gpus import gpus_hidden
    from bench.record.files import write_text
    from bench.record.run_folder import RunFolder

    folder, record = find(RunFolder(run_folder), cell)
    page = html or folder.explanation
    _require_place(page)
    with gpus_hidden():  # a model is explained on the CPU
        explanation = explain_text(folder, record, text, plugin_files)
    console = Console()
    render.show(explanation, console)
    write_text(page, render.to_html(explanation))
    console.print(f"wrote {page}", highlight=False, markup=False, soft_wrap=True)
    return options.OK


def _require_place(page: Path) -> None:
    """Check before the model is loaded that the page can be written.

    Raises:
        RunFolderError: it cannot be written.
    """
    from bench.errors import RunFolderError

    reason = None
    if page.is_dir():
        reason = "it is a folder"
    elif not page.parent.is_dir():
        reason = f"there is no folder {page.parent}"
    elif not os.access(page.parent, os.W_OK):
        reason = f"{page.parent} is read-only"
    if reason is not None:
        raise RunFolderError(f"{page} cannot be written: {reason}; give --html another file")
