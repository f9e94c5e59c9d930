"""What Table 3 has no room for: intervals of throughput, latency, energy, use of the device, the parts of peaks."""

from collections.abc import Callable, Sequence
from typing import Literal

import pandas as pd

from bench.record.memory_breakdown import MemoryBreakdown
from bench.record.record import Latency, Record, Speed
from bench.report.analysis import ranks
from bench.report.analysis.quantities import inference_speed, mega, of_speed, train_speed
from bench.report.analysis.statistics import LEVEL, Quantity
from bench.report.tables import stamp
from bench.report.tables.conditions import conditions, inference_batch
from bench.report.tables.footnotes import Notes
from bench.report.tables.table import SEEDS, TEXTS, Column, Table, Values, column_of, describe, frame_of, rows_of
from bench.study.cell import Cell
from bench.text.display import one_line

NAME = "efficiency"
Phase = Literal["train", "inference"]
PHASES: dict[Phase, tuple[Callable[[Record], Speed | None], tuple[str, ...]]] = {
    "train": (train_speed, ("training.speed", "training")),
    "inference": (inference_speed, ("inference",)),
}
PARTS = {
    "weights": "Weights", "gradients": "Gradients", "optimizer_state": "Optimizer\nstate",
    "activations": "Activations", "workspace": "Workspace", "allocator_slack": "Allocator\nslack",
    "context_or_process": "CUDA context\nor process", "unattributed": "Unattributed", "peak": "Peak",
}  # fmt: skip


def _throughput(phase: Phase) -> tuple[Quantity, Quantity]:
    speed, fields = PHASES[phase]
    name = phase.capitalize()
    return (
        Quantity(
            f"{phase}_samples_per_second", f"{name}\n(samples/s)", of_speed(speed, lambda one: one.samples_per_second),
            fields, 1, True, windowed=of_speed(speed, lambda one: one.windowed_samples_per_second),
        ),
        Quantity(
            f"{phase}_tokens_per_second", f"{name}\n(tokens/s)", of_speed(speed, lambda one: one.tokens_per_second),
            fields, 1, True, windowed=of_speed(speed, lambda one: one.windowed_tokens_per_second),
        ),
    )  # fmt: skip


def _use(phase: Phase) -> tuple[Quantity, Quantity]:
    speed, fields = PHASES[phase]
    own = {name: (f"{fields[0]}.{name}", *fields) for name in ("energy_joules_per_sample", "mfu_fraction")}
    return (
        Quantity(
            f"{phase}_energy_joules_per_sample", f"{phase.capitalize()} energy\n(J/sample)",
            of_speed(speed, lambda one: one.energy_joules_per_sample), own["energy_joules_per_sample"], 3, True,
        ),
        Quantity(
            f"{phase}_mfu_percent", f"{phase.capitalize()} MFU\n(%)",
            of_speed(speed, lambda one: None if one.mfu_fraction is None else 100 * one.mfu_fraction),
            (*own["mfu_fraction"], "matmul_flops_per_second"), 1, True,
        ),
    )  # fmt: skip


def _at_one(record: Record) -> Latency | None:
    return next((one for one in record.latency if one.batch_size == 1), None)


def _at_study(record: Record) -> Latency | None:
    return next((one for one in record.latency if one.batch_size == inference_batch(record)), None)


def _latency(percentile: int, batch: Literal["one", "study"]) -> Quantity:
    find = _at_one if batch == "one" else _at_study

    def read(record: Record) -> float | None:
        timed = find(record)
        seconds = getattr(timed, f"p{percentile}_seconds") if timed else None
        return None if seconds is None else 1e3 * seconds

    def explain(record: Record) -> str | None:
        timed = find(record)
        return f"p{percentile} needs 100 timed batches; there were {timed.timed_batches}" if timed else None

    name, fields = ("Batch 1", ("latency",)) if batch == "one" else ("Study batch", ("latency.batch", "latency"))
    column = f"latency_batch_{batch}_p{percentile}_ms"
    return Quantity(column, f"{name}\np{percentile} (ms)", read, fields, 2, True, explain=explain)


def _ledger(record: Record, phase: Phase) -> MemoryBreakdown | None:
    return next((one for one in record.memory if one.of == phase), None)


def _part(phase: Phase, part: str) -> Quantity:
    def read(record: Record) -> float | None:
        ledger = _ledger(record, phase)
        if ledger is None:
            return None
        if part == "context_or_process":
            return mega(ledger.process_bytes if ledger.cuda_context_bytes is None else ledger.cuda_context_bytes)
        return mega(getattr(ledger, f"{part}_bytes"))

    def explain(record: Record) -> str | None:
        if part == "allocator_slack" and record.machine is not None and record.machine.device == "cpu":
            return "an allocator has slack on a GPU alone"
        beside = part == "context_or_process" and _ledger(record, phase) is not None
        return "the driver does not tell, or other processes are on the GPU" if beside else None

    fields = (f"memory.{phase}", "memory", *(["training"] if phase == "train" else []))
    return Quantity(f"memory_{phase}_{part}_mb", PARTS[part], read, fields, 1, explain=explain)


#: Heading and columns of each grid.
GRIDS = (
    ("Throughput", (*_throughput("train"), *_throughput("inference"))),
    ("Latency of inference", tuple(_latency(p, batch) for batch in ("one", "study") for p in (50, 90, 99))),
    ("Energy and use of the device", (*_use("train"), *_use("inference"))),
    ("Peak memory in training, in MB", tuple(_part("train", part) for part in PARTS)),
    ("Peak memory in inference, in MB", tuple(_part("inference", part) for part in PARTS)),
)
QUANTITIES = tuple(quantity for _, quantities in GRIDS for quantity in quantities)
RATES = GRIDS[0][1]


def build(run_title: str, records: Sequence[Record], *, source: str = "", others: Sequence[Cell] = ()) -> Table | None:
    """Aggregate records over their seeds; None where no record has any of this but totals.

    Args:
        run_title: of the study.
        records: in the study's order; failed ones too.
        source: what the records are.
        others: a cell of each row of other runs that stands beside these.

    Raises:
        RunFolderError: there is no record, or a cell has two.
    """
    if not any(map(_has_more, records)):
        return None
    title = one_line(run_title)
    rows, notes = rows_of(title, records), Notes()
    content = describe(rows, QUANTITIES, notes, others)
    ranked = ranks.of_rates(rows, content, RATES)
    names = [quantity.column for quantity in RATES]
    for at, row in enumerate(rows):
        content[at] |= ranks.as_text(ranked, at, names) | stamp.mark(at, row, notes) | {"note": notes.of_row(at)}
    first, *rest = [(heading, tuple(map(_column, quantities))) for heading, quantities in GRIDS]
    grids = ((first[0], (SEEDS, *first[1], stamp.COLUMN)), *rest)
    return Table(
        name=NAME,
        title=f"{title}: efficiency",
        caption=f"{conditions(records)} {_caption(records)} {ranks.OF_RATES}",
        columns=(SEEDS, *map(_column, QUANTITIES), stamp.COLUMN),
        frame=frame_of(content, (*TEXTS, *stamp.TEXTS, *(f"{name}_mark" for name in names))),
        footnotes=tuple(notes.footnotes()),
        marks=notes.marks(),
        ranks=ranked,
        grids=grids,
        source=source,
    )


def _has_more(record: Record) -> bool:
    speeds = [speed for speed in (train_speed(record), record.inference) if speed is not None]
    return bool(record.latency or record.memory) or any(
        speed.windowed_samples_per_second
        or speed.energy_joules_per_sample is not None
        or speed.mfu_fraction is not None
        for speed in speeds
    )


def _column(quantity: Quantity) -> Column:
    """A quantity with its interval, where it has one."""
    alone = column_of(quantity)

    def write(row: Values) -> str:
        low, high = row[f"{quantity.column}_low"], row[f"{quantity.column}_high"]
        ends: str = "" if pd.isna(low) else f" ({quantity.written(low, None)} to {quantity.written(high, None)})"
        return alone.write(row) + ends

    return Column(quantity.column, quantity.header, write) if quantity.spread else alone


def _caption(records: Sequence[Record]) -> str:
    batches = sorted({inference_batch(record) for record in records if record.latency})
    parts = [
        f"In brackets: Student's t {LEVEL:.0%} interval over seeds and repeats; of a single seed's throughput, by "
        "order statistics over its windows.",
        "Tokens are those of the texts and prompts, without padding.",
    ]
    if batches:
        study = ", ".join(map(str, batches))
        parts.append(f"Latency: from a batch handed over to its scores at hand; the study's batch is {study}.")
    parts += [
        "Energy is that of the GPU, or of the CPU's package. MFU is the share of the FLOP/s of a large matmul on the "
        "same device at the same precision.",
        "The parts of a peak come from a pass of its own and add up to it; an allocator has slack on a GPU alone.",
    ]
    return " ".join(parts)
