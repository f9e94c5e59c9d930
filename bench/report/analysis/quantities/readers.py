"""How quantities are read from a record."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from bench.record.memory_breakdown import MemoryBreakdown
from bench.record.record import Generation, Latency, Quality, Record, Speed

Value = TypeVar("Value")
Reader = Callable[[Record], Any]
Phase = Literal["train", "inference"]


def at(path: str) -> Reader:
    """A reader of a field of the record, of a field within a field, and so on; None where one on the way is null."""
    names = path.split(".")

    def read(record: Record) -> Any:
        value: Any = record
        for name in names:
            value = None if value is None else getattr(value, name)
        return value

    return read


def has_quality(record: Record) -> bool:
    """Whether quality is worth reading: that of random weights, which older records may hold, is not."""
    return record.cell.model.weights != "random"


def quality(record: Record) -> Quality | None:
    """The quality of the predictions; None where unknown."""
    return record.quality if has_quality(record) else None


def generation(record: Record) -> Generation | None:
    """The answers that a causal model wrote; None where it wrote none."""
    return record.generation if has_quality(record) else None


def macro_f1(record: Record) -> float | None:
    """Macro F1 of the predictions; None where unknown."""
    found = quality(record)
    return found.macro_f1 if found else None


def of_quality(name: str) -> Reader:
    """A reader of a field of the quality."""
    return lambda record: getattr(quality(record), name, None)


def train_speed(record: Record) -> Speed | None:
    """The speed of the training loop; None where nothing was timed."""
    return record.training.speed if record.training else None


def inference_speed(record: Record) -> Speed | None:
    """The speed of the pass over the evaluated split."""
    return record.inference


def of_speed(phase: Phase, read: Callable[[Speed], Value | None]) -> Callable[[Record], Value | None]:
    """A reader of the speed of a phase."""
    speed = train_speed if phase == "train" else inference_speed

    def found(record: Record) -> Value | None:
        timed = speed(record)
        return None if timed is None else read(timed)

    return found


def inference_batch(record: Record) -> int:
    """Texts at a time in the timed pass of inference."""
    return record.inference.batch_size if record.inference else record.cell.train.inference_batch_size


def latency(record: Record, batch_size: int) -> Latency | None:
    """The latency of a batch size; None where it was not timed."""
    return next((one for one in record.latency if one.batch_size == batch_size), None)


def ledger(record: Record, phase: Phase) -> MemoryBreakdown | None:
    """What the peak of a phase is made of; None where it was not accounted for."""
    return next((one for one in record.memory if one.of == phase), None)


def phase_seconds(name: str) -> Callable[[Record], float | None]:
    """A reader of the seconds of a phase; None where it did not run."""

    def read(record: Record) -> float | None:
        ran = [phase.seconds for phase in record.phases if phase.name == name]
        return sum(ran) if ran else None

    return read


def train_joules(record: Record) -> float | None:
    """The energy of the training, warm-up included; None where nothing trained or a part is unknown."""
    return _over_training(record, "energy_joules")


def train_seconds(record: Record) -> float | None:
    """Seconds of all steps of the training, warm-up included; 0 where the method trains nothing, None where unknown."""
    if record.status != "ok":
        return None
    if record.training is None:
        return 0.0 if record.parameters is not None and not record.parameters.trainable_params else None
    if record.training.train_seconds is not None:
        return record.training.train_seconds
    return _over_training(record, "seconds")  # an older record has no such field


def train_minutes(record: Record) -> float | None:
    """``train_seconds`` in minutes."""
    seconds = train_seconds(record)
    return None if seconds is None else seconds / 60


def train_kilojoules(record: Record) -> float | None:
    """``train_joules`` in kJ; 0 where the method trains nothing."""
    if train_seconds(record) == 0:
        return 0.0
    joules = train_joules(record)
    return None if joules is None else joules / 1e3


def _over_training(record: Record, what: str) -> float | None:
    """The sum over the phases that train; None where there are none, or one is unknown."""
    values = [getattr(phase, what) for phase in record.phases if phase.name in ("warm-up", "train")]
    return None if not values or None in values else float(sum(values))


def mega(value: float) -> float:
    """Bytes as MB."""
    return value / 1e6


def giga(value: float) -> float:
    """FLOPs as GFLOPs."""
    return value / 1e9


def milli(value: float) -> float:
    """Seconds as ms."""
    return 1e3 * value


def percent(value: float) -> float:
    """A fraction as a percentage."""
    return 100 * value
