"""How quantities are read from a record."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from bench.record.memory_breakdown import MemoryBreakdown
from bench.record.record import Record, Speed
from bench.record.timings import Latency

Value = TypeVar("Value")
Reader = Callable[[Record], Any]
Phase = Literal["train", "inference"]


def at(path: str) -> Reader:
    """A reader of a field of the record by its dotted path; it gives None if any part of the path is null."""
    names = path.split(".")

    def read(record: Record) -> Any:
        value: Any = record
        for name in names:
            value = None if value is None else getattr(value, name)
        return value

    return read


def macro_f1(record: Record) -> float | None:
    """Macro F1 of the predictions; None if unknown."""
    return record.quality.macro_f1 if record.quality else None


def is_synthetic(record: Record) -> bool:
    """Whether this project generated the texts."""
    return record.cell.dataset.synthetic or (record.data is not None and record.data.synthetic)


def train_speed(record: Record) -> Speed | None:
    """The speed of the training loop; None if it was not timed."""
    return record.training.speed if record.training else None


def of_speed(phase: Phase, read: Callable[[Speed], Value | None]) -> Callable[[Record], Value | None]:
    """A reader of the speed of a phase."""

    def found(record: Record) -> Value | None:
        timed = train_speed(record) if phase == "train" else record.inference
        return None if timed is None else read(timed)

    return found


def inference_batch(record: Record) -> int:
    """Batch size of the timed inference pass."""
    return record.inference.batch_size if record.inference else record.cell.train.inference_batch_size


def latency(record: Record, batch_size: int) -> Latency | None:
    """The latency at a batch size; None if it was not timed."""
    return next((one for one in record.latency if one.batch_size == batch_size), None)


def memory_breakdown(record: Record, phase: Phase) -> MemoryBreakdown | None:
    """The memory breakdown of a phase; None if it was not recorded."""
    return next((one for one in record.memory if one.of == phase), None)


def phase_seconds(name: str) -> Callable[[Record], float | None]:
    """A reader of the seconds of a phase; it gives None if the phase did not run."""

    def read(record: Record) -> float | None:
        ran = [phase.seconds for phase in record.phases if phase.name == name]
        return sum(ran) if ran else None

    return read


def train_joules(record: Record) -> float | None:
    """Energy of training and warm-up; None if nothing was trained or a part is unknown."""
    return _over_training(record, "energy_joules")


def train_seconds(record: Record) -> float | None:
    """Seconds of all training steps, warm-up included; 0 if the method trains nothing, None if unknown."""
    if record.status != "ok":
        return None
    if record.training is None:
        return 0.0 if record.parameters is not None and not record.parameters.trainable_params else None
    if record.training.train_seconds is not None:
        return record.training.train_seconds
    return _over_training(record, "seconds")  # an older record has no such field


def total_train_joules(record: Record) -> float | None:
    """``train_joules``; 0 if the method trains nothing."""
    return 0.0 if train_seconds(record) == 0 else train_joules(record)


def _over_training(record: Record, what: str) -> float | None:
    """The sum over the training phases; None if there are none or one is unknown."""
    values = [getattr(phase, what) for phase in record.phases if phase.name in ("warm-up", "train")]
    return None if not values or None in values else float(sum(values))


def divided_by(divisor: float) -> Callable[[float], float]:
    """A conversion to a larger unit, such as bytes to MB."""
    return lambda value: value / divisor


def times(factor: float) -> Callable[[float], float]:
    """A conversion to a smaller unit, such as seconds to ms."""
    return lambda value: factor * value
