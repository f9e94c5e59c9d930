"""Quantities of speed, latency, energy, device use and memory breakdowns."""

from typing import Literal

from bench.record.record import Record
from bench.report.analysis.quantities import readers
from bench.report.analysis.quantities.quantity import Axis, Brief, Place, Quantity
from bench.report.analysis.quantities.readers import Phase

PHASES: tuple[Phase, ...] = ("train", "inference")
SPEED: dict[Phase, tuple[str, ...]] = {"train": ("training.speed", "training"), "inference": ("inference",)}
PERCENTILES = (50, 90, 99)
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
        windowed=readers.of_speed(phase, lambda speed: speed.windowed_samples_per_second),
        frame=f"{phase}_samples_per_second",
        meaning=f"median of windows, or total: see {phase}_speed_is_windowed", better="higher", kind="timed",
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
        windowed=readers.of_speed(phase, lambda speed: speed.windowed_tokens_per_second),
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


def _mfu(phase: Phase) -> Quantity:
    return Quantity(
        f"{phase}_mfu_percent", f"{phase.capitalize()} MFU\n(%)",
        readers.of_speed(phase, lambda speed: speed.mfu_fraction),
        (f"{SPEED[phase][0]}.mfu_fraction", *SPEED[phase], "matmul_flops_per_second"), 1, True,
        convert=readers.times(100), frame=f"{phase}_mfu_fraction", meaning="share of matmul_flops_per_second",
        better="higher", places={"use": 2 + 2 * PHASES.index(phase)},
    )  # fmt: skip


def latency_of(batch_size: int) -> Quantity:
    """The p50 latency at a batch size, for ``tunebench compare``."""

    def p50_seconds(record: Record) -> float | None:
        timed = readers.latency(record, batch_size)
        return timed.p50_seconds if timed else None

    return Quantity(
        f"latency_p50_seconds_batch_{batch_size}", f"Latency p50, batch {batch_size}\n(ms)", p50_seconds,
        ("latency",), 2, scale=1e-3, better="lower", kind="timed", places={"compare": 30},
    )  # fmt: skip


def _latency(percentile: int, batch: Literal["one", "study"]) -> Quantity:
    def size(record: Record) -> int:
        return 1 if batch == "one" else readers.inference_batch(record)

    def seconds(record: Record) -> float | None:
        timed = readers.latency(record, size(record))
        return getattr(timed, f"p{percentile}_seconds") if timed else None

    def explain(record: Record) -> str | None:
        timed = readers.latency(record, size(record))
        return f"p{percentile} needs 100 timed batches; there were {timed.timed_batches}" if timed else None

    name, fields = ("Batch 1", ("latency",)) if batch == "one" else ("Study batch", ("latency.batch", "latency"))
    texts = "one text" if batch == "one" else "inference_batch_size texts"
    places: dict[Place, int] = {"latency": (0 if batch == "one" else 100) + percentile}
    if (batch, percentile) == ("one", 50):
        places["repeatability"] = 6
    return Quantity(
        f"latency_batch_{batch}_p{percentile}_ms", f"{name}\np{percentile} (ms)", seconds, fields, 2, True,
        explain=explain, convert=readers.times(1e3),
        frame=f"latency_batch_{'1' if batch == 'one' else batch}_p{percentile}_seconds",
        meaning=f"of {texts}, from passing the batch to receiving its scores", better="lower", places=places,
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
        frame="matmul_flops_per_second", meaning="of a large matmul, same device and precision",
    ),
    *(_latency(percentile, "one") for percentile in PERCENTILES),
    *(_latency(percentile, "study") for percentile in PERCENTILES),
)  # fmt: skip
"""Energy, device use and latency."""

PARTS_OF_PEAKS = tuple(_part(phase, part) for phase in PHASES for part in PARTS)

RATES = tuple(make(phase) for phase in PHASES for make in (_samples, _tokens))
"""Throughputs."""
