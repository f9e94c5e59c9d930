"""Compute the rows of a plan: once for cells of equal shape, and in parallel for different shapes."""

import gc
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import Any, TypeAlias

import torch

from bench.errors import PluginError, RequestError, StudyError, UnsupportedError
from bench.measure.hidden_gpus import gpus_hidden
from bench.measure.resolved_device import ResolvedDevice, built_for_accelerator
from bench.method import registry
from bench.plan.depth import Costs
from bench.plan.quiet import silence_libraries
from bench.plan.row import PlanRow
from bench.plan.shape import Facts, Shape
from bench.plan.text_row import text_row
from bench.study.cell import Cell
from bench.study.grid import misfit

#: Whether peaks are predicted: of all cells, or by cell.
WithMemory: TypeAlias = bool | Callable[[Cell], bool]


class Rows:
    """Computes the rows of cells whose methods are known.

    Attributes:
        resolved: device and precision of the prediction.
        says: description of each plugin, see ``registry.describe``.
        with_memory: whether peaks are predicted; may be set until the first row is computed.
        with_trace: whether forward FLOPs are counted a second time, on the trace.
    """

    def __init__(
        self, plugins: Mapping[str, registry.Plugin], resolved: ResolvedDevice, *, with_memory: WithMemory = True,
        with_trace: bool = True,
    ) -> None:  # fmt: skip
        """Import the plugins.

        Args:
            plugins: plugins by name.
            resolved: device and precision of the prediction.
            with_memory: whether peaks are predicted, which takes most of the time; of all cells or by cell.
            with_trace: whether forward FLOPs are counted a second time, on the trace.
        """
        silence_libraries()
        self.resolved = resolved
        self.with_memory, self.with_trace = with_memory, with_trace
        self._unseen, self.says = _described(plugins)
        self._facts: dict[str, Facts] = {}
        self._parameters: dict[str, Costs] = {}

    def row(self, cell: Cell) -> PlanRow:
        """The row of a cell.

        Raises:
            RequestError: options or the model's config are wrong, or the plugin does not import.
        """
        with self._unseen():
            if cell.model.kind == "none":
                return self._text_row(cell)
            shape = self._shape(cell)
            key = shape.key()
            if key not in self._facts:
                self._facts[key] = self._work_out(shape)
        return PlanRow.model_validate(shape.names() | self._facts[key])

    def _text_row(self, cell: Cell) -> PlanRow:
        said = self.says[cell.method.plugin]
        if "error" in said:
            raise PluginError(said["error"])
        return text_row(cell)

    def at_batch(self, cell: Cell, batch_size: int) -> PlanRow:
        """The row of a cell with another batch size for training and inference."""
        sizes = {"batch_size": batch_size, "inference_batch_size": min(batch_size, cell.train.inference_batch_size)}
        return self.row(cell.model_copy(update={"train": cell.train.model_copy(update=sizes)}))

    def closed_form_flops(self, cell: Cell, tokens: int) -> int | None:
        """Forward FLOPs of a cell's model on one sequence of another length; None without a closed form."""
        if cell.model.kind == "none":
            return None
        with self._unseen():
            return self._shape(cell).closed_form(tokens).adapted

    def work_out(self, cells: Sequence[Cell], on_row: Callable[[int, int], None] | None = None) -> None:
        """Compute the rows of the given cells on all cores of this machine.

        Args:
            cells: cells whose rows will be needed.
            on_row: called with the number of finished shapes and their total.

        Raises:
            RequestError: options or a model's config are wrong.
        """
        with self._unseen():
            jobs = self._jobs(cells)
            # If a plugin has initialised CUDA, a forked process could not use it.
            workers = 1 if torch.cuda.is_initialized() else min(len(jobs), len(os.sched_getaffinity(0)))
            if workers > 1:
                self._work_out_in_parallel(jobs, workers, on_row)

    def _jobs(self, cells: Sequence[Cell]) -> list[list[Cell]]:
        """One cell for each missing shape, in groups that share their parameters."""
        shapes = [self._shape(cell) for cell in cells if cell.model.kind != "none"]
        groups: dict[str, dict[str, Cell]] = {}
        for shape in shapes:
            if shape.key() not in self._facts:
                groups.setdefault(shape.key(length_matters=False), {})[shape.key()] = shape.cell
        # Longest job first, so that all cores finish at about the same time.
        layers = {shape.key(length_matters=False): shape.config.num_hidden_layers for shape in shapes}
        in_order = sorted(groups, key=lambda key: len(groups[key]) * layers[key], reverse=True)
        return [list(groups[key].values()) for key in in_order]

    def _work_out_in_parallel(
        self, jobs: Sequence[Sequence[Cell]], workers: int, on_row: Callable[[int, int], None] | None
    ) -> None:
        # Forked, because importing the libraries again would take longer than most jobs.
        context = multiprocessing.get_context("fork")
        gc.freeze()  # objects of libraries stay, so collections can skip them
        done, total = 0, sum(map(len, jobs))
        try:
            with ProcessPoolExecutor(workers, context, initializer=_one_of_several) as pool:
                for found in pool.map(self._work_out_all, jobs):
                    self._facts |= found
                    done += len(found)
                    if on_row is not None:
                        on_row(done, total)
        except BrokenProcessPool:
            raise StudyError(
                "a process that computed rows ended early: it was killed for lack of memory, or ended by a method's "
                "own code; find the row with --only method=NAME"
            ) from None

    def _work_out_all(self, cells: Sequence[Cell]) -> dict[str, Facts]:
        shapes = [self._shape(cell) for cell in cells]
        found = {shape.key(): self._work_out(shape) for shape in shapes}
        gc.collect()
        return found

    def _shape(self, cell: Cell) -> Shape:
        wanted = self.with_memory
        return Shape(cell, wanted if isinstance(wanted, bool) else wanted(cell), self.resolved, self.with_trace)

    def _work_out(self, shape: Shape) -> Facts:
        said = self.says[shape.cell.method.plugin]
        if "error" in said:
            raise PluginError(said["error"])
        why = misfit(shape.cell.method.name, said["kinds"], shape.cell.model)
        if why is not None:
            return {"unsupported": why}
        try:
            with redirect_stdout(sys.stderr):  # keeps a plugin's output out of a csv on stdout
                return shape.facts(self._parameters)
        except RequestError:
            raise
        except UnsupportedError as error:
            return {"unsupported": str(error)}
        except (Exception, SystemExit) as error:  # a plugin may raise anything; the other rows go on
            return {"unsupported": f"{type(error).__name__}: {str(error)[:400]}"}


def _described(
    plugins: Mapping[str, registry.Plugin],
) -> tuple[Callable[[], AbstractContextManager[None]], dict[str, dict[str, Any]]]:
    """The description of each plugin, and the context for imports: with GPUs hidden, if all plugins allow it.

    A process in which an import has initialised CUDA cannot be forked.
    """
    with gpus_hidden():
        says = {name: registry.describe(plugin) for name, plugin in plugins.items()}
    failed = [name for name, said in says.items() if "error" in said] if built_for_accelerator() else []
    again = {name: registry.describe(plugins[name]) for name in failed}
    needs_gpu = any("error" not in said for said in again.values())
    return nullcontext if needs_gpu else gpus_hidden, says | again


def _one_of_several() -> None:
    """Set up a process of the pool: one thread, and garbage collection only between jobs."""
    torch.set_num_threads(1)
    gc.disable()
