"""Quantities of speed, energy, device use and memory breakdowns."""

from bench.record.record import Record
from bench.report.analysis.quantities import readers
from bench.report.analysis.quantities.quantity import Axis, Brief, Place, Quantity
from bench.report.analysis.quantities.readers import Phase

PHASES: tuple[Phase, ...] = ("train", "inference")
SPEED: dict[Phase, tuple[str, ...]] = {"train": ("training.speed", "training"), "inference": ("inference",)}
PARTS = {
    "weights": "Weights", "gradients": "Gradients", "optimizer_state": "Optimizer\nstate",
    "activations": "Activations", "workspace": "Workspace", "allocator_slack": "Allocator\nslack",
    "context_or_process": "CUDA context\nor process", "unattributed": "Unattributed", "peak": "Peak",
}  # fmt: skip


def _samples(phase: Phase) -> Quantity:
    at, name = PHASES.index(phase), {"train": "Train", "inference": "Inference"}[phase]
    brief = {"train": "Train", "inference": "Infer"}[phase]
    return Quantity(
        f"{phase}_samples_per_second", f"{name} throughput\n(samples/s)",
        readers.of_speed(phase, lambda speed: speed.samples_per_second),
        (f"{SPEED[phase][0]}.samples_per_second", *SPEED[phase]), 1, True,
        frame=f"{phase}_samples_per_second",
        meaning="samples of the timed steps over their time", better="higher", kind="timed",
        axis=Axis(f"{'Training' if phase == 'train' else name} throughput (samples/s)", spread=True),
        brief=Brief(f"{brief}\ntexts/s", 1, optional=phase == "inference"),
        places={
            "table3": 30 + at, "throughput": 1 + 2 * at, "repeatability": 2 + at, "ratios": 1 + at, "charts": 9 + at,
            "summary": 4 + at, "compare": 20 + at,
        },
    )  # fmt: skip


def _tokens(phase: Phase) -> Quantity:
    return Quantity(
        f"{phase}_tokens_per_second", f"{phase.capitalize()}\n(tokens/s)",
        readers.of_speed(phase, lambda speed: speed.tokens_per_second), SPEED[phase], 1, True,
        frame=f"{phase}_tokens_per_second", meaning="the same, padding not counted", better="higher",
        places={"throughput": 2 + 2 * PHASES.index(phase)},
    )  # fmt: skip


def _energy(phase: Phase) -> Quantity:
    at = PHASES.index(phase)
    return Quantity(
        f"{phase}_energy_joules_per_sample", f"{phase.capitalize()} energy\n(J/sample)",
        readers.of_speed(phase, lambda speed: speed.energy_joules_per_sample),
        (f"{SPEED[phase][0]}.energy_joules_per_sample", *SPEED[phase]), 3, True,
        frame=f"{phase}_energy_joules_per_sample",
        meaning="without warm-up" if phase == "train" else "of the timed pass", better="lower", kind="timed",
        places={"use": 1 + 2 * at, "page": 92 + at, "compare": 40 + at},
    )  # fmt: skip


def _within_cell(phase: Phase) -> Quantity:
    def read(record: Record) -> float | None:
        within = readers.of_speed(phase, lambda speed: speed.within_cell)(record)
        return None if within is None else within.relative_standard_error

    def explain(record: Record) -> str | None:
        timed = readers.of_speed(phase, lambda speed: speed)(record)
        if timed is None:
            return None
        return "older records do not have it" if timed.within_cell is None else "fewer than 12 timed steps"

    return Quantity(
        f"{phase}_within_cell_error_percent", f"{phase.capitalize()} std. error\nwithin cell (%)", read,
        SPEED[phase], 1, explain=explain, convert=readers.times(100),
        frame=f"{phase}_within_cell_relative_standard_error",
        meaning="of the throughput, from the variation of step times within the cell; other runs differ by more",
        better="lower", places={"throughput": 10 + PHASES.index(phase)},
        wanted=lambda record: readers.of_speed(phase, lambda speed: speed.within_cell)(record) is not None,
    )  # fmt: skip


def _window_percentile(phase: Phase, end: str, unit: str) -> Quantity:
    def read(record: Record) -> float | None:
        within = readers.of_speed(phase, lambda speed: speed.within_cell)(record)
        return None if within is None else getattr(within, f"{end}_{unit}_per_second")

    name = f"{phase}_within_cell_{end}_{unit}_per_second"
    return Quantity(
        name, "", read, SPEED[phase], 1, frame=name,
        meaning=f"{end[1:]}th percentile over windows of steps of the cell: its spread, not an interval",
    )  # fmt: skip


def _mfu(phase: Phase) -> Quantity:
    def read(record: Record) -> float | None:
        share = readers.of_speed(phase, lambda speed: speed.mfu_fraction)(record)
        return None if share is None or share > 1 else share

    def explain(record: Record) -> str | None:
        share = readers.of_speed(phase, lambda speed: speed.mfu_fraction)(record)
        return None if share is None else f"{100 * share:.1f} % of one reading of the large matmul, which was too low"

    return Quantity(
        f"{phase}_mfu_percent", f"{phase.capitalize()} MFU\n(%)", read,
        (f"{SPEED[phase][0]}.mfu_fraction", *SPEED[phase], "matmul_flops_per_second"), 1, True, explain=explain,
        convert=readers.times(100), frame=f"{phase}_mfu_fraction", meaning="share of matmul_flops_per_second",
        better="higher", places={"use": 2 + 2 * PHASES.index(phase)},
    )  # fmt: skip


def _part(phase: Phase, part: str) -> Quantity:
    def read(record: Record) -> int | None:
        memory = readers.memory_breakdown(record, phase)
        if memory is None:
            return None
        if part == "context_or_process":
            return memory.process_bytes if memory.cuda_context_bytes is None else memory.cuda_context_bytes
        found: int | None = getattr(memory, f"{part}_bytes")
        return found

    def explain(record: Record) -> str | None:
        if part == "allocator_slack" and record.machine is not None and record.machine.device == "cpu":
            return "allocator slack is known for GPUs only"
        known = part == "context_or_process" and readers.memory_breakdown(record, phase) is not None
        return "the driver does not report it, or other processes use the GPU" if known else None

    fields = (f"memory.{phase}", "memory", *(["training"] if phase == "train" else []))
    place: Place = "train memory" if phase == "train" else "inference memory"
    return Quantity(
        f"memory_{phase}_{part}_mb", PARTS[part], read, fields, 1, explain=explain, convert=readers.divided_by(1e6),
        better="lower", places={place: list(PARTS).index(part)},
    )  # fmt: skip


USE = (
    *map(_energy, PHASES),
    *map(_mfu, PHASES),
    Quantity(
        "matmul_flops_per_second", "", readers.at("matmul_flops_per_second"), ("matmul_flops_per_second",), 0,
        frame="matmul_flops_per_second", meaning="of a large matmul, same device and precision: the highest reading",
    ),
)  # fmt: skip
"""Energy and device use."""

PARTS_OF_PEAKS = tuple(_part(phase, part) for phase in PHASES for part in PARTS)

RATES = (
    *(make(phase) for phase in PHASES for make in (_samples, _tokens)),
    *map(_within_cell, PHASES),
    *(
        _window_percentile(phase, end, unit)
        for phase in PHASES
        for unit in ("samples", "tokens")
        for end in ("p10", "p90")
    ),
)
"""Throughputs, and their spread within a cell."""
