"""Infer conditions with a progress bar."""

from collections.abc import Collection, Sequence
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.commands.audit.infer.inference import Inference, infer
from bench.commands.audit.infer.peaks import predict_peaks
from bench.commands.audit.match import match
from bench.commands.audit.published import Published
from bench.plan.plan import Plan
from bench.plan.row import PlanRow


def infer_with_progress(
    published: Published, rows: Sequence[PlanRow], causal: Collection[str], planned: Plan
) -> tuple[Inference, ...]:
    """The inferences of all tables; a progress bar is shown if stderr is a terminal.

    Args:
        published: printed tables.
        rows: rows of the plan.
        causal: study names of the causal language models.
        planned: plan of the rows.
    """
    cells = {(cell.dataset.name, cell.model.name, cell.method.name): cell for cell in planned.cells}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("inferring", total=None)
        predict = partial(
            predict_peaks, resolved=planned.resolved,
            on_job=lambda done, of: bar.update(task, completed=done, total=of),
        )  # fmt: skip
        return infer(published, match(published, rows, causal), cells, predict, planned.resolved.device)
