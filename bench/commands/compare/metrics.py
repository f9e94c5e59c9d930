"""The numbers of a row that are compared, and what each depends on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.commands.compare.couples import Couple
from bench.record.record import Record, Speed
from bench.report.analysis.quantities import GENERATED, QUANTITIES, inference_speed, of_speed, train_speed
from bench.report.analysis.statistics import Quantity

Kind = Literal["quality", "timed", "memory", "size", "exact"]
#: Sums of values up to this are finite.
LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that is compared.

    Attributes:
        quantity: how it is read and written; its column is the name in files, with the unit.
        kind: quality is compared by difference, the others relative to A. Quality depends on the data; what is timed,
            and memory, also on the machine; sizes and what is exact on neither. What is exact has no noise.
        higher_is_better: which way is worse.
    """

    quantity: Quantity
    kind: Kind
    higher_is_better: bool = False

    @property
    def label(self) -> str:
        """Name and unit for readers, on one line."""
        return self.quantity.header.replace("\n", " ")

    def values(self, records: Sequence[Record]) -> list[float | None]:
        """By record, all read alike, in the quantity's unit; None where unknown, or too large to reckon with."""
        try:
            found = self.quantity.values(records)
        except OverflowError:  # a whole number of hundreds of digits, from a damaged record
            return [None] * len(records)
        return [None if value is None or abs(value) > LARGEST else float(value) for value in found]


def of_row(row: Sequence[Couple]) -> list[Metric]:
    """What is compared of one row, in the order of tables.

    Args:
        row: cells that succeeded on both sides.
    """
    latencies = [latency for one in row for record in one.records for latency in record.latency]
    batches = sorted({latency.batch_size for latency in latencies})
    return [*QUALITIES, *RATES, *map(_latency, batches), *ENERGIES, *COSTS]


def _validation_f1(record: Record) -> float | None:
    return None if record.cell.model.weights == "random" else record.validation_macro_f1


def _latency(batch_size: int) -> Metric:
    def p50_seconds(record: Record) -> float | None:
        return next((one.p50_seconds for one in record.latency if one.batch_size == batch_size), None)

    header = f"Latency p50, batch {batch_size}\n(ms)"
    column = f"latency_p50_seconds_batch_{batch_size}"
    return Metric(Quantity(column, header, p50_seconds, ("latency",), 2, scale=1e-3), "timed")


def _energy(phase: str, speed: Callable[[Record], Speed | None], fields: tuple[str, ...]) -> Metric:
    read = of_speed(speed, lambda timed: timed.energy_joules_per_sample)
    header, column = f"{phase.capitalize()} energy\n(J/sample)", f"{phase}_energy_joules_per_sample"
    return Metric(Quantity(column, header, read, fields, 3), "timed")


_BY_COLUMN = {quantity.column: quantity for quantity in (*QUANTITIES, *GENERATED)}
QUALITIES = (
    Metric(_BY_COLUMN["macro_f1"], "quality", higher_is_better=True),
    Metric(_BY_COLUMN["generated_macro_f1"], "quality", higher_is_better=True),
    Metric(
        Quantity("validation_macro_f1", "F1 validation\n(macro)", _validation_f1, ("validation_macro_f1",), 4),
        "quality", higher_is_better=True,
    ),
)  # fmt: skip
RATES = (
    Metric(_BY_COLUMN["train_samples_per_second"], "timed", higher_is_better=True),
    Metric(_BY_COLUMN["inference_samples_per_second"], "timed", higher_is_better=True),
)
ENERGIES = (
    _energy("train", train_speed, ("training.speed", "training")),
    _energy("inference", inference_speed, ("inference",)),
)
COSTS = (
    Metric(_BY_COLUMN["peak_train_mb"], "memory"),
    Metric(_BY_COLUMN["peak_inference_mb"], "memory"),
    Metric(
        Quantity("artifact_bytes", "Artifact\n(MB)", lambda r: r.artifact_bytes, ("artifact_bytes",), 1, scale=1e6),
        "size",
    ),
    Metric(_BY_COLUMN["trainable_params"], "exact"),
    Metric(_BY_COLUMN["total_params"], "exact"),
    Metric(_BY_COLUMN["forward_gflops"], "exact"),
)  # fmt: skip
