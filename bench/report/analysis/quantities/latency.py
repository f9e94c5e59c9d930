"""Quantities of latency: percentiles over the timed batches of a cell, their intervals and number."""

from typing import Literal

from bench.record.record import Record
from bench.record.timings import LATENCY_BATCHES, Latency
from bench.report.analysis.quantities import readers
from bench.report.analysis.quantities.quantity import Place, Quantity

Batch = Literal["one", "study"]
BATCHES: tuple[Batch, ...] = ("one", "study")
FIELDS: dict[Batch, tuple[str, ...]] = {"one": ("latency",), "study": ("latency.batch", "latency")}
#: Batch in the data frame's names.
IN_FRAME: dict[Batch, str] = {"one": "1", "study": "study"}


def latency_of(batch_size: int) -> Quantity:
    """The p50 latency at a batch size, for ``tunebench compare``."""

    def p50_seconds(record: Record) -> float | None:
        timed = readers.latency(record, batch_size)
        return timed.p50_seconds if timed else None

    return Quantity(
        f"latency_p50_seconds_batch_{batch_size}", f"Latency p50, batch {batch_size}\n(ms)", p50_seconds,
        ("latency",), 2, scale=1e-3, better="lower", kind="timed", places={"compare": 30},
    )  # fmt: skip


def _timed(record: Record, batch: Batch) -> Latency | None:
    return readers.latency(record, 1 if batch == "one" else readers.inference_batch(record))


def _percentile(percent: int, batch: Batch) -> Quantity:
    least = LATENCY_BATCHES[percent]

    def seconds(record: Record) -> float | None:
        timed = _timed(record, batch)
        # Older records have percentiles of fewer batches.
        return getattr(timed, f"p{percent}_seconds") if timed and timed.timed_batches >= least else None

    def explain(record: Record) -> str | None:
        timed = _timed(record, batch)
        return f"p{percent} needs {least} timed batches; there were {timed.timed_batches}" if timed else None

    name, texts = ("Batch 1", "one text") if batch == "one" else ("Study batch", "inference_batch_size texts")
    places: dict[Place, int] = {"latency": 100 * BATCHES.index(batch) + percent}
    if (batch, percent) == ("one", 50):
        places["repeatability"] = 6
    return Quantity(
        f"latency_batch_{batch}_p{percent}_ms", f"{name}\np{percent} (ms)", seconds, FIELDS[batch], 2, True,
        explain=explain, convert=readers.times(1e3), frame=f"latency_batch_{IN_FRAME[batch]}_p{percent}_seconds",
        meaning=f"of {texts}, from passing the batch to receiving its scores", better="lower", places=places,
    )  # fmt: skip


def _end(percent: int, batch: Batch, end: Literal["low", "high"]) -> Quantity:
    """An end of the interval of a percentile, by order statistics of one cell's batches."""

    def seconds(record: Record) -> float | None:
        timed = _timed(record, batch)
        interval = getattr(timed, f"p{percent}_interval_seconds") if timed else None
        return None if interval is None else float(interval[end == "high"])

    return Quantity(
        f"latency_batch_{batch}_p{percent}_within_cell_{end}_ms", "", seconds, FIELDS[batch], 2,
        convert=readers.times(1e3), frame=f"latency_batch_{IN_FRAME[batch]}_p{percent}_within_cell_{end}_seconds",
        meaning="end of the 95 % interval over the cell's batches", places={"efficiency csv": percent},
    )  # fmt: skip


def _count(batch: Batch) -> Quantity:
    def batches(record: Record) -> int | None:
        timed = _timed(record, batch)
        return timed.timed_batches if timed else None

    return Quantity(
        f"latency_batch_{batch}_timed_batches", "", batches, FIELDS[batch], 0,
        frame=f"latency_batch_{IN_FRAME[batch]}_timed_batches", dtype="Int64", meaning="batches of the percentiles",
        places={"efficiency csv": 0},
    )  # fmt: skip


LATENCIES = tuple(
    quantity
    for batch in BATCHES
    for quantity in (
        _count(batch),
        *(_percentile(percent, batch) for percent in LATENCY_BATCHES),
        *(_end(percent, batch, end) for percent in LATENCY_BATCHES for end in ("low", "high")),
    )
)
"""Percentiles of latency with their number of batches and intervals."""
