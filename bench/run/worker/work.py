"""The state of the work on one cell: what is known so far, and what it is measured with."""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Literal

from bench.measure import machine, nvml
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
from bench.study.cell import Cell
from bench.train.loop import DTYPES, StepLog


class Work:
    """One cell; ``facts`` fills as the work goes, so that a failure keeps what was known.

    Attributes:
        cell: to be measured.
        paths: of its folder.
        facts: fields of the record.
        unknown: why fields of the record are null.
        logs: of each timed pass, by its name.
        checks: of the stamp.
        device: that computes.
        precision: of matmuls.
        dtype: the same for torch.
        phases: with their clocks.
        memory: what the peaks are made of.
        files: that are open until the end.
    """

    def __init__(self, cell: Cell, paths: CellFolder) -> None:
        """Settle on a device and a precision; nothing is loaded."""
        self.cell, self.paths = cell, paths
        self.facts: Facts = {}
        self.unknown: dict[str, str] = {}
        self.logs: dict[str, StepLog] = {}
        self.checks: list[Check] = []
        before_cuda = {} if cell.device == "cpu" else nvml.use_by_uuid()  # what follows starts CUDA
        self.device = machine.device_for(cell.device)
        self.precision: Literal["bf16", "fp16", "fp32"] = machine.precision_for(cell.train.precision, self.device)
        self.dtype = DTYPES[self.precision]
        self.phases = Phases(self.device, paths.progress, Marks(paths.marks))
        self.memory = MemoryRecord(self.device, self.phases, before_cuda)
        self.files = ExitStack()

    @property
    def on_cuda(self) -> bool:
        """The device is a GPU."""
        return self.device.type == "cuda"

    def random_weights(self, *fields: str) -> bool:
        """Whether the model has random weights, which is then the reason why fields are null."""
        if self.cell.model.weights == "random":
            self.unknown |= dict.fromkeys(fields, RANDOM_WEIGHTS)
            return True
        return False

    def attended_by(self, kernels: Iterable[str]) -> None:
        """Add the attention kernels of a pass to those of the passes before."""
        self.facts["attention_kernels"] = tuple(sorted({*self.facts.get("attention_kernels", ()), *kernels}))

    def used_cpu_kernels(self, kernels: Iterable[CpuKernel]) -> None:
        """Add the CPU kernels of this project that a pass uses to those of the passes before."""
        self.facts["cpu_kernels"] = tuple(sorted({*self.facts.get("cpu_kernels", ()), *kernels}))

    def speed(
        self, field: str, log: StepLog, batch_size: int, phase: PhaseName, flops: FlopsByLength | None, skip: int = 0
    ) -> Speed | None:
        """The speed of a pass that is over, and why parts of it are null.

        Args:
            field: of the record.
            log: of the pass.
            batch_size: sequences in a full batch.
            phase: that held its timed steps.
            flops: of one sequence by its tokens; None where unknown.
            skip: first steps that are warm-up.
        """
        ran = self.phases.named(phase)
        energy = ran[-1].energy_joules if ran else None
        found = speed(log, skip, batch_size, Cost(energy, flops, self.facts["matmul_flops_per_second"]))
        if found is not None and found.energy_joules_per_sample is None:
            self.unknown[f"{field}.energy_joules_per_sample"] = self.phases.energy.why_not or "the counter failed"
        if found is not None and found.mfu_fraction is None:
            no_rate = self.unknown.get("matmul_flops_per_second")
            self.unknown[f"{field}.mfu_fraction"] = no_rate or "FLOPs by length are not known for this pass"
        return found

    def close(self) -> None:
        """End the phase that is open, and put peaks, their breakdown and conditions into facts and stamp."""
        self.files.close()
        self.phases.finish()
        facts, unknown = self.memory.facts()
        if self.cell.train.optimizer == "paged_adamw" and facts.pop("peak_train_bytes", None) is not None:
            unknown["peak_train_bytes"] = "the optimizer's paged state is outside of what torch allocates"
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
