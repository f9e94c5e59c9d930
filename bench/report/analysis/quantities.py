"""The columns of Table 3, and how each is read from a record."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from bench.record.record import Quality, Record, Speed
from bench.report.analysis.statistics import Quantity

Value = TypeVar("Value")


def macro_f1(record: Record) -> float | None:
    """Of its predictions; None for random weights, whose quality is not worth reading."""
    return record.quality.macro_f1 if record.quality and record.cell.model.weights != "random" else None


def _generated_macro_f1(record: Record) -> float | None:
    quality = record.generation.quality if record.generation else None
    return quality.macro_f1 if quality and record.cell.model.weights != "random" else None


def _parse_failure_percent(record: Record) -> float | None:
    share = record.generation.parse_failure_fraction if record.generation else None
    return None if share is None else 100 * share


def train_speed(record: Record) -> Speed | None:
    """Of the training loop; None where nothing was timed."""
    return record.training.speed if record.training else None


def inference_speed(record: Record) -> Speed | None:
    """Of the pass over the evaluated split."""
    return record.inference


def of_speed(
    speed: Callable[[Record], Speed | None], read: Callable[[Speed], Value | None]
) -> Callable[[Record], Value | None]:
    """A reader of records from one of their speeds.

    Args:
        speed: of a record.
        read: from it.
    """

    def found(record: Record) -> Value | None:
        timed = speed(record)
        return None if timed is None else read(timed)

    return found


def mega(count: int | None) -> float | None:
    """Bytes as MB."""
    return None if count is None else count / 1e6


def _writes_nothing(record: Record) -> str | None:
    return "an encoder writes no answers" if record.cell.model.kind == "encoder" else None


def _of_quality(column: str, header: str, read: Callable[[Quality], float]) -> Quantity:
    """A share between 0 and 1; None for random weights, whose quality is not worth reading."""

    def found(record: Record) -> float | None:
        return read(record.quality) if record.quality and record.cell.model.weights != "random" else None

    return Quantity(column, header, found, ("quality", f"quality.{column}"), 4, True, largest=1)


#: The columns of the published Table 3, training and inference told apart.
QUANTITIES = (
    Quantity("macro_f1", "F1\n(macro)", macro_f1, ("quality.macro_f1", "quality"), 4, True, largest=1),
    Quantity(
        "trainable_params", "Trainable\nparams (M)",
        lambda r: r.parameters.trainable_params if r.parameters else None,
        ("parameters.trainable_params", "parameters"), 2, scale=1e6,
    ),
    Quantity(
        "total_params", "Total\nparams (M)", lambda r: r.parameters.total_params if r.parameters else None,
        ("parameters.total_params", "parameters"), 2, scale=1e6,
    ),
    Quantity(
        "train_samples_per_second", "Train throughput\n(samples/s)",
        of_speed(train_speed, lambda speed: speed.samples_per_second),
        ("training.speed.samples_per_second", "training.speed", "training"), 1, True,
        windowed=of_speed(train_speed, lambda speed: speed.windowed_samples_per_second),
    ),
    Quantity(
        "inference_samples_per_second", "Inference throughput\n(samples/s)",
        of_speed(inference_speed, lambda speed: speed.samples_per_second),
        ("inference.samples_per_second", "inference"), 1, True,
        windowed=of_speed(inference_speed, lambda speed: speed.windowed_samples_per_second),
    ),
    Quantity(
        "forward_gflops", "GFLOPs\n(forward)", lambda r: r.flops.forward_flops / 1e9 if r.flops else None,
        ("flops.forward_flops", "flops"), 2,
    ),
    Quantity(
        "peak_train_mb", "Peak memory\ntrain (MB)", lambda r: mega(r.peak_train_bytes),
        ("peak_train_bytes",), 1,
    ),
    Quantity(
        "peak_inference_mb", "Peak memory\ninference (MB)", lambda r: mega(r.peak_inference_bytes),
        ("peak_inference_bytes",), 1,
    ),
)  # fmt: skip

#: What the answers that causal models write add to it.
GENERATED = (
    Quantity(
        "generated_macro_f1", "F1 generated\n(macro)", _generated_macro_f1,
        ("generation.quality.macro_f1", "generation.quality", "generation"), 4, True,
        largest=1, explain=_writes_nothing,
    ),
    Quantity(
        "parse_failure_percent_mean", "Parse failures\n(%)", _parse_failure_percent,
        ("generation.parse_failure_fraction", "generation"), 1, explain=_writes_nothing,
    ),
)  # fmt: skip

#: The columns of the published Table 2, and one that its csv alone has.
QUALITY = (
    _of_quality("accuracy", "Accuracy", lambda quality: quality.accuracy),
    _of_quality("macro_precision", "Precision\n(macro)", lambda quality: quality.macro_precision),
    _of_quality("macro_recall", "Recall\n(macro)", lambda quality: quality.macro_recall),
    _of_quality("macro_f1", "F1\n(macro)", lambda quality: quality.macro_f1),
    _of_quality("weighted_f1", "F1\n(weighted)", lambda quality: quality.weighted_f1),
)


def quantities_of(records: Sequence[Record]) -> tuple[Quantity, ...]:
    """The columns of a table of these records: GENERATED stands beside F1 where any model wrote answers."""
    wrote = any(record.generation for record in records)
    return (QUANTITIES[0], *GENERATED, *QUANTITIES[1:]) if wrote else QUANTITIES
