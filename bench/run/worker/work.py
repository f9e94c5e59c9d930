"""The state of a cell's measurement: known facts, and the measuring instruments."""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Literal

from bench.measure import machine, matmul, nvml
from bench.measure.flops.lengths import FlopsByLength
from bench.record.record import RANDOM_WEIGHTS, Check, CpuKernel, PhaseName, Speed
from bench.record.run_folder import CellFolder
from bench.run.marks import Marks
from bench.run.worker import checks as validity
from bench.run.worker import lost_time
from bench.run.worker.facts import Facts
from bench.run.worker.memory_record import MemoryRecord
from bench.run.worker.phases import Phases
from bench.run.worker.speed import Cost, speed
from bench.run.worker.utilisation import MatmulReadings, plausible, utilisation
from bench.study.cell import Cell
from bench.train.loop import DTYPES, StepLog


class Work:
    """A cell in work; ``facts`` is filled step by step, so that a failure keeps the known ones.

    Attributes:
        cell: cell to be measured.
        paths: paths of its folder.
        facts: known fields of the record.
        unknown: reasons for null fields of the record.
        logs: log of each timed pass, by its name.
        checks: validity checks.
        device: device of the cell.
        precision: precision of matmuls.
        dtype: precision as a torch dtype.
        phases: phases of the cell.
        memory: peaks and their breakdowns.
        matmul: readings of a large matmul.
        files: files that stay open until the end.
    """

    def __init__(self, cell: Cell, paths: CellFolder) -> None:
        """Resolve device and precision; nothing is loaded."""
        self.cell, self.paths = cell, paths
        self.facts: Facts = {}
        self.unknown: dict[str, str] = {}
        self.logs: dict[str, StepLog] = {}
        self.checks: list[Check] = []
        before_cuda = {} if cell.device == "cpu" else nvml.use_by_uuid()  # the next lines initialise CUDA
        self.device = machine.device_for(cell.device)
        self.precision: Literal["bf16", "fp16", "fp32"] = machine.precision_for(cell.train.precision, self.device)
        self.dtype = DTYPES[self.precision]
        self.phases = Phases(self.device, paths.progress, Marks(paths.marks))
        self.memory = MemoryRecord(self.device, self.phases, before_cuda)
        self.matmul = MatmulReadings()
        self.files = ExitStack()

    @property
    def on_cuda(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.type == "cuda"

    @property
    def has_fast_kernels(self) -> bool:
        """Whether tunebench's own CPU kernels are used."""
        return self.device.type == "cpu" and self.cell.train.kernels == "fast"

    def random_weights(self, *fields: str) -> bool:
        """Whether the model has random weights; if so, they become the reason for the given null fields."""
        if self.cell.model.weights == "random":
            self.unknown |= dict.fromkeys(fields, RANDOM_WEIGHTS)
            return True
        return False

    def attended_by(self, kernels: Iterable[str]) -> None:
        """Add the attention kernels of a pass to the facts."""
        self.facts["attention_kernels"] = tuple(sorted({*self.facts.get("attention_kernels", ()), *kernels}))

    def used_cpu_kernels(self, kernels: Iterable[CpuKernel]) -> None:
        """Add this project's CPU kernels that a pass uses to the facts."""
        self.facts["cpu_kernels"] = tuple(sorted({*self.facts.get("cpu_kernels", ()), *kernels}))

    def speed(
        self, field: str, log: StepLog, batch_size: int, phase: PhaseName, flops: FlopsByLength | None, skip: int = 0
    ) -> Speed | None:
        """The speed of a finished pass; reasons for its null fields go into ``unknown``.

        Args:
            field: name of the record's field.
            log: log of the pass.
            batch_size: number of sequences in a full batch.
            phase: phase of its timed steps.
            flops: FLOPs of one sequence by its length; None if unknown.
            skip: number of warm-up steps at the start.
        """
        ran = self.phases.named(phase)
        energy = ran[-1].energy_joules if ran else None
        found = speed(log, skip, batch_size, Cost(energy, flops))
        if found is not None and found.energy_joules_per_sample is None:
            self.unknown[f"{field}.energy_joules_per_sample"] = self.phases.energy.why_not or "the counter failed"
        if found is not None and found.model_flops_per_second is None:
            _, self.unknown[f"{field}.mfu_fraction"] = utilisation(None, self.matmul)
        return found

    def read_matmul(self, at: PhaseName) -> None:
        """Read a large matmul inside the open phase, and set the record's fields about it.

        Args:
            at: phase that the reading is part of or follows.
        """
        self.matmul.by_phase[at] = matmul.matmul_rate(self.device, self.dtype)
        self.facts["matmul_flops_per_second"] = self.matmul.highest
        self.facts["matmul_readings_flops_per_second"] = {
            name: rate.flops_per_second for name, rate in self.matmul.by_phase.items()
        }

    def read_matmul_after(self, finished: PhaseName) -> None:
        """Read a large matmul in a phase of its own, so that no peak or time of the finished pass includes it."""
        with self.phases.timed("calibrate"):
            self.read_matmul(finished)

    def _use_device(self) -> None:
        """Add the utilisation of each pass and its check, once every reading of the matmul is known."""
        self.unknown |= self.matmul.why_unknown
        training = self.facts.get("training")
        if training is not None:
            used = self._used("training", training.speed)
            self.facts["training"] = training.model_copy(update={"speed": used})
        if "inference" in self.facts:
            self.facts["inference"] = self._used("inference", self.facts["inference"])

    def _used(self, of: str, timed: Speed | None) -> Speed | None:
        """The speed of a pass with its utilisation."""
        if timed is None or timed.model_flops_per_second is None:
            return timed
        self.checks += plausible(of, timed, self.matmul)
        share, why = utilisation(timed.model_flops_per_second, self.matmul)
        if share is None:
            self.unknown[f"{'training.speed' if of == 'training' else of}.mfu_fraction"] = why
        return timed.model_copy(update={"mfu_fraction": share})

    def close(self) -> None:
        """Close the open phase, and add peaks, their breakdowns and checks of the conditions."""
        self.files.close()
        self.phases.finish()
        self._use_device()
        facts, unknown = self.memory.facts()
        if self.cell.train.optimizer == "paged_adamw" and facts.pop("peak_train_bytes", None) is not None:
            unknown["peak_train_bytes"] = "the optimizer's paged state is not allocated by torch"
            facts["memory"] = tuple(peak for peak in facts["memory"] if peak.of != "train")
        self.facts.update(facts)
        self.unknown |= unknown
        self.checks += [validity.accounted(peak) for peak in facts["memory"] if peak.of != "load"]
        grown = self.phases.conditions_of("warm-up", "train", "inference")
        if grown is not None:
            self.checks.append(validity.restarted(self.phases.carried_of("warm-up", "train", "inference")))
            others = None if self.phases.nvml is None else self.phases.nvml.other_processes()
            self.checks += validity.undisturbed(grown, others, self.on_cuda)
            self.checks += lost_time.unpaused(
                {name: self.phases.conditions_of(name) for name in lost_time.PAUSED_SECONDS}
            )
