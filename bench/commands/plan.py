"""``tunebench plan``: predict what a study will cost, without weights."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench.commands import options

if TYPE_CHECKING:
    from bench.plan.fits import Fit
    from bench.plan.plan import Plan
    from bench.plan.row import PlanRow
    from bench.study.request import Request
    from bench.study.study import Study
    from bench.text.tables.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``plan``."""
    options.add_study(parser)
    parser.add_argument(
        "--model", dest="models", action="append", default=[], metavar="MODEL",
        help="replaces the study's models: a name, a hub id, a folder or a config.json",
    )  # fmt: skip
    options.add_data_root(parser)
    options.add_plugins(parser)
    parser.add_argument(
        "--device", metavar="DEVICE",
        help="device to predict memory for, replacing the study's: auto, cpu, cuda or cuda:N",
    )  # fmt: skip
    options.add_no_memory(parser)
    parser.add_argument(
        "--fits", metavar="SIZE",
        help="mark rows that fit a GPU of this size, e.g. 24GB, or the batch size that would; predicts for cuda",
    )  # fmt: skip
    parser.add_argument(
        "--run", dest="run_folder", type=Path, metavar="DIR",
        help="run folder of the study, whose measured peaks are printed beside the predicted ones",
    )  # fmt: skip
    options.add_format(parser, "csv", "json")
    parser.set_defaults(act=plan)


def plan(
    *, study: str, only: Sequence[str], scale: Literal["tiny"] | None, models: Sequence[str], data_root: Path | None,
    plugin_files: Sequence[Path], device: str | None, with_memory: bool, fits: str | None, run_folder: Path | None,
    format: str,
) -> int:  # fmt: skip
    """Print a plan; the exit code says whether every method can adapt its model."""
    with options.importing():
        from bench.errors import StudyError
        from bench.plan.fits import parse_size
        from bench.plan.plan import Plan
        from bench.plan.render import plan_table, to_json
        from bench.study.request import Request, parse_only
        from bench.study.study import load_study
        from bench.text.tables import csv_text

    limit_bytes = None if fits is None else parse_size(fits)
    if limit_bytes is not None and not with_memory:
        raise StudyError("--fits needs predicted memory; leave --no-memory out")
    request = Request(
        study=_with_models(load_study(study), models), data_root=data_root, plugin_files=plugin_files,
        only=parse_only(only), scale=scale,
    )  # fmt: skip
    if device is not None:
        _check_device(device)
    if run_folder is not None:
        if fits is not None or device is not None or not with_memory or format == "json":
            raise StudyError("--run compares peaks on the machine of the run: no --fits, --device, --no-memory or json")
        return _beside_run(request, run_folder, format)
    # A card is asked about, so it is the card's memory that counts.
    device = device or ("cuda" if limit_bytes is not None else None)
    planned = Plan(request, device=device, with_memory=with_memory)
    rows = rows_with_progress(planned)
    fitting = {} if limit_bytes is None else _fits(planned, rows, limit_bytes)
    table = plan_table(f"Plan: {_title(request)}", rows, fitting, planned.left_out())
    if format == "csv":
        sys.stdout.write(csv_text.to_csv(table))
    elif format == "json":
        sys.stdout.write(to_json(request.study.name, table))
    else:
        _show(table)
    return options.OK if all(row.unsupported is None for row in rows) else options.CELLS_FAILED


def _title(request: "Request") -> str:
    return request.study.title or request.study.name


def _show(table: "Table") -> None:
    from rich.console import Console

    from bench.text.tables import terminal

    console = Console()
    terminal.unfold(console)
    terminal.show(table, console)


def _beside_run(request: "Request", run_folder: Path, format: str) -> int:
    """Print predicted and measured peaks; the exit code says whether every row was measured."""
    from bench.plan.against import against_table, compare_peaks, measured_device, read_run, to_csv
    from bench.plan.plan import Plan

    measured = read_run(run_folder)
    rows = compare_peaks(rows_with_progress(Plan(request, resolved=measured_device(measured))), measured)
    if format == "csv":
        sys.stdout.write(to_csv(rows))
    else:
        _show(against_table(f"Predicted and measured: {_title(request)}", rows))
    return options.OK if all(row.status == "ok" for row in rows) else options.CELLS_FAILED


def _check_device(device: str) -> None:
    from bench.errors import StudyError
    from bench.study.values import a_device

    try:
        a_device(device)
    except ValueError as error:
        raise StudyError(f"--device {error}, got {device!r:.60}") from None


def rows_with_progress(planned: "Plan") -> list["PlanRow"]:
    """The rows of a plan; a progress bar is shown if stderr is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("planning", total=None)
        return planned.rows(lambda done, of: bar.update(task, completed=done, total=of))


def _with_models(study: "Study", models: Sequence[str]) -> "Study":
    """The study with its models replaced in every grid; unchanged if none are given."""
    if not models:
        return study
    names = tuple(dict.fromkeys(_from_here(model, study) for model in models))
    return study.model_copy(update={"grid": tuple(grid.model_copy(update={"models": names}) for grid in study.grid)})


def _from_here(model: str, study: "Study") -> str:
    """A model given on the command line; a path is relative to the current folder, not to the study's."""
    from bench.study.catalog import catalog

    named = model in study.models or model in catalog("models")
    is_path = model.startswith((".", "~")) or model.endswith(".json") or Path(model).is_dir()
    return str(Path(model).expanduser().resolve()) if is_path and not named else model


def _fits(planned: "Plan", rows: Sequence["PlanRow"], limit_bytes: int) -> dict[int, "Fit"]:
    from bench.plan.fits import fit

    found = {}
    for at, (cell, row) in enumerate(zip(planned.cells, rows, strict=True)):
        found[at] = fit(row, limit_bytes, lambda batch, cell=cell: planned.at_batch(cell, batch))  # type: ignore[misc]
    return found
