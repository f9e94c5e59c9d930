"""The plan of a study: its cells and their rows."""

from collections.abc import Callable

from bench.errors import PluginError, StudyError
from bench.measure.resolved_device import ResolvedDevice, resolve_device
from bench.method import registry
from bench.plan.row import PlanRow
from bench.plan.rows import Rows, WithMemory
from bench.study.cell import Cell
from bench.study.grid import expand, misfit, needed_plugins
from bench.study.request import Request, filtered
from bench.study.sources import locate


class Plan(Rows):
    """The cells of a study and their rows.

    Attributes:
        cells: one cell per row; of cells that differ only in their seed, the first.
    """

    def __init__(
        self, request: Request, *, device: str | None = None, resolved: ResolvedDevice | None = None,
        with_memory: WithMemory = True, with_trace: bool = True,
    ) -> None:  # fmt: skip
        """Expand the study.

        Args:
            request: the user's request; only datasets with unknown labels are read.
            device: device to predict memory for: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; None: the study's.
            resolved: resolved device and precision; None: resolved from ``device``.
            with_memory: whether peaks are predicted, which takes most of the time; of all cells or by cell.
            with_trace: whether forward FLOPs are counted a second time, on the trace.

        Raises:
            RequestError: the request is wrong.
        """
        study = request.study
        found = registry.find(request.plugin_files)
        needed = needed_plugins(study, found)
        resolved = resolved or resolve_device(device or study.device)
        super().__init__(needed, resolved, with_memory=with_memory, with_trace=with_trace)
        for name, plugin in needed.items():
            if plugin.origin == "--plugin" and "error" in self.says[name]:
                raise PluginError(self.says[name]["error"])
        sources = locate(study, request.data_root, request.scale, weights_needed=False)
        cells = expand(study, found, self.says, sources, to_plan=True)
        if not cells:
            raise StudyError(f"study {study.name} has no cells: no method fits its models")
        rows = {cell.row_id: cell for cell in reversed(filtered(cells, request.only))}
        self.cells = list(reversed(rows.values()))
        self._worked_out: list[tuple[PlanRow, Cell]] = []
        self._flops_at: dict[tuple[str, int], int | None] = {}

    def rows(self, on_row: Callable[[int, int], None] | None = None) -> list[PlanRow]:
        """The row of each cell, in the study's order; see ``Rows.work_out``."""
        self.work_out(self.cells, on_row)
        self._worked_out = [(self.row(cell), cell) for cell in self.cells]
        return [row for row, _ in self._worked_out]

    def flops_at(self, row: PlanRow, tokens: int) -> int | None:
        """Forward FLOPs of a row's model on one sequence of another length; None without a closed form.

        Args:
            row: row returned by ``rows``, or a copy of one.
            tokens: length of the sequence.
        """
        names = (row.dataset, row.model, row.method)
        cell = next(cell for known, cell in self._worked_out if (known.dataset, known.model, known.method) == names)
        key = (cell.row_id, tokens)
        if key not in self._flops_at:  # loading the method takes far longer than the sum
            self._flops_at[key] = self.closed_form_flops(cell, tokens)
        return self._flops_at[key]

    def left_out(self) -> list[str]:
        """One sentence for each method selected by ``*`` that fits no model or does not import."""
        planned = {cell.method.plugin for cell in self.cells}
        models = {cell.model.name: cell.model for cell in self.cells}.values()
        sentences = []
        for name, says in self.says.items():
            if "error" in says:
                sentences.append(f"left out: {says['error']}")
            elif name not in planned and "none" not in says["kinds"]:
                sentences += [f"left out: {why}" for model in models if (why := misfit(name, says["kinds"], model))]
        return sentences
