"""The plan that was asked for: worked out, then printed as asked."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.errors import StudyError
from bench.plan.against import against, against_table, read_run, settled_of, to_csv
from bench.plan.fits import Fit, fit, parse_size
from bench.plan.render import plan_table, to_json
from bench.plan.row import PlanRow
from bench.plan.rows import Plan, PlanRequest
from bench.study.catalog import catalog
from bench.study.study import Study, a_device
from bench.text.tables import csv_text, terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What the command line says; see ``PlanRequest`` for what is not explained here.

    Attributes:
        models: in place of the study's.
        fits: size of a card, e.g. ``24GB``.
        layout: ``table``, ``csv`` or ``json``.
        run_folder: a run of the study, whose measured peaks stand beside the predicted ones.
    """

    study: Study
    base: Path
    models: Sequence[str] = ()
    data_root: Path | None = None
    plugin_files: Sequence[Path] = ()
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    device: str | None = None
    with_memory: bool = True
    fits: str | None = None
    layout: str = "table"
    scale: Literal["tiny"] | None = None
    run_folder: Path | None = None


def plan(options: PlanOptions, console: Console) -> bool:
    """Print a plan; True if every method can adapt its model.

    Raises:
        RequestError: the request is wrong; the message says how.
    """
    limit_bytes = None if options.fits is None else parse_size(options.fits)
    if limit_bytes is not None and not options.with_memory:
        raise StudyError("--fits needs predicted memory; leave --no-memory out")
    study = with_models(options.study, [from_here(model, options.study) for model in options.models])
    if options.device is not None:
        _check_device(options.device)
    if options.run_folder is not None:
        return _beside_run(options, study, options.run_folder, console)
    # A card is asked about, so it is the card's memory that counts.
    device = options.device or ("cuda" if limit_bytes is not None else None)
    planned = Plan(
        PlanRequest(
            study=study, base=options.base, data_root=options.data_root,
            plugin_files=options.plugin_files, only=options.only, device=device, with_memory=options.with_memory,
            scale=options.scale,
        )
    )  # fmt: skip
    rows = show_progress(planned)
    fits = {} if limit_bytes is None else _fits(planned, rows, limit_bytes)
    table = plan_table(f"Plan: {study.title or study.name}", rows, fits, planned.left_out())
    if options.layout == "csv":
        sys.stdout.write(csv_text.to_csv(table))
    elif options.layout == "json":
        sys.stdout.write(to_json(study.name, table))
    else:
        terminal.unfold(console)
        terminal.show(table, console)
    return all(row.unsupported is None for row in rows)


def _beside_run(options: PlanOptions, study: Study, folder: Path, console: Console) -> bool:
    """Print predicted peaks beside measured ones; True if every row was measured."""
    if options.fits is not None or options.device is not None or not options.with_memory or options.layout == "json":
        raise StudyError("--run compares peaks on the machine of the run: no --fits, --device, --no-memory or json")
    measured = read_run(folder)
    planned = Plan(
        PlanRequest(
            study=study, base=options.base, data_root=options.data_root, plugin_files=options.plugin_files,
            only=options.only, settled=settled_of(measured), scale=options.scale,
        )
    )  # fmt: skip
    rows = against(show_progress(planned), measured)
    if options.layout == "csv":
        sys.stdout.write(to_csv(rows))
    else:
        terminal.unfold(console)
        terminal.show(against_table(f"Predicted and measured: {study.title or study.name}", rows), console)
    return all(row.status == "ok" for row in rows)


def _check_device(text: str) -> None:
    try:
        a_device(text)
    except ValueError as error:
        raise StudyError(f"--device {error}, got {text!r:.60}") from None


def show_progress(planned: Plan) -> list[PlanRow]:
    """The rows, with a bar on the error stream while they are worked out, where someone watches it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("planning", total=None)
        return planned.rows(lambda done, of: bar.update(task, completed=done, total=of))


def from_here(model: str, study: Study) -> str:
    """A model given on the command line: a path starts from the current folder there, not from the study's."""
    named = model in study.models or model in catalog("models")
    is_path = model.startswith((".", "~")) or model.endswith(".json") or Path(model).is_dir()
    return str(Path(model).expanduser().resolve()) if is_path and not named else model


def with_models(study: Study, models: Sequence[str]) -> Study:
    """The study with other models in every grid; unchanged where none is given."""
    if not models:
        return study
    grids = tuple(grid.model_copy(update={"models": tuple(dict.fromkeys(models))}) for grid in study.grid)
    return study.model_copy(update={"grid": grids})


def _fits(planned: Plan, rows: Sequence[PlanRow], limit_bytes: int) -> dict[int, Fit]:
    found = {}
    for at, (cell, row) in enumerate(zip(planned.cells, rows, strict=True)):
        found[at] = fit(row, limit_bytes, lambda batch, cell=cell: planned.at_batch(cell, batch))  # type: ignore[misc]
    return found
