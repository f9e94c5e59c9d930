"""What several records say together: centre and spread over seeds, and the conditions of measurement."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.record import Machine, Record

PACKAGES = ("torch", "transformers", "peft", "tunebench")
BITS = {4: "4-bit (NF4) weights", 8: "8-bit (LLM.int8) weights", 16: "unquantised weights"}
PEAKS = {
    "host_vmhwm": "VmHWM, the peak resident memory of the worker process with interpreter and libraries",
    "cuda_allocated": "the peak that torch allocated on the GPU, without CUDA context and libraries",
}


def mean_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Arithmetic mean and sample standard deviation (n - 1), both in the unit of the values.

    Returns:
        The mean, and the deviation or None where there is one value alone.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    if not values:
        raise ValueError("mean of no values")
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"mean of values that are not all finite: {list(values)}")
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def one_line(text: str, limit: int | None = None) -> str:
    """Text on one line, without control characters, shortened to a number of characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1].rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Quantity:
    """One column of numbers.

    Attributes:
        column: name in a frame, its unit at the end; with a spread it is followed by _mean and _std.
        header: what readers see, in two lines.
        read: from the record, in the frame's unit; None where unknown.
        fields: of the record; ``unknown`` says under one of them why there is no value.
        decimals: shown at least.
        spread: the standard deviation is shown.
        scale: units of the frame in one unit of the header.
    """

    column: str
    header: str
    read: Callable[[Record], float | None]
    fields: tuple[str, ...]
    decimals: int
    spread: bool = False
    scale: float = 1

    @property
    def centre(self) -> str:
        """The frame's column that holds the value."""
        return f"{self.column}_mean" if self.spread else self.column

    @property
    def generated(self) -> bool:
        """True where the value is about the answers that a causal model writes."""
        return "generation" in self.fields

    def why_not(self, record: Record) -> str:
        """The reason why a record has no value, in words for a footnote."""
        predicted = "quality" in self.fields or (self.generated and record.generation is not None)
        if predicted and record.cell.model.weights == "random":
            return "random weights have no quality worth reading"
        reasons = [record.unknown[field] for field in self.fields if field in record.unknown]
        return one_line(reasons[0], 160) if reasons else f"the record gives no {self.fields[0]} and no reason"

    def written(self, centre: float, std: float | None) -> str:
        """The value as readers see it: fixed decimals, but three significant digits where it is small."""
        centre, std = centre / self.scale, None if std is None else std / self.scale
        places = self.decimals
        if not self.column.endswith("macro_f1") and 0 < abs(centre) < 10 ** (1 - self.decimals):
            places = max(places, 2 - math.floor(math.log10(abs(centre))))
        if std is not None:
            return f"{centre:.{places}f} ± {std:.{places}f}"
        text = f"{centre:.{places}f}"
        return text.rstrip("0") if places > self.decimals else text


@dataclass(frozen=True, slots=True)
class Spread:
    """One quantity over the seeds of a row, in the frame's unit.

    Attributes:
        mean: over the seeds that know it; None where none does.
        std: sample standard deviation; None below two values.
        known: number of seeds that know it.
        reasons: why the others do not, each once.
    """

    mean: float | None
    std: float | None
    known: int
    reasons: tuple[str, ...]


def over_seeds(records: Sequence[Record], quantity: Quantity) -> Spread:
    """Summarise one quantity over the measured cells of one row."""
    values = [value for record in records if (value := quantity.read(record)) is not None]
    unknown = [record for record in records if quantity.read(record) is None]
    mean, std = mean_std(values) if values else (None, None)
    return Spread(mean, std, len(values), tuple(dict.fromkeys(quantity.why_not(record) for record in unknown)))


def _macro_f1(record: Record) -> float | None:
    return record.quality.macro_f1 if record.quality and record.cell.model.weights != "random" else None


def _generated_macro_f1(record: Record) -> float | None:
    quality = record.generation.quality if record.generation else None
    return quality.macro_f1 if quality and record.cell.model.weights != "random" else None


def _parse_failure_percent(record: Record) -> float | None:
    if record.generation is None or record.cell.model.weights == "random":
        return None
    return 100 * record.generation.parse_failure_fraction


def _train_speed(record: Record) -> float | None:
    return record.training.speed.samples_per_second if record.training and record.training.speed else None


def _mb(peak_bytes: int | None) -> float | None:
    return None if peak_bytes is None else peak_bytes / 1e6


#: The columns of the published Table 3, training and inference told apart.
QUANTITIES = (
    Quantity("macro_f1", "F1\n(macro)", _macro_f1, ("quality.macro_f1", "quality"), 4, True),
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
        "train_samples_per_second", "Train throughput\n(samples/s)", _train_speed,
        ("training.speed.samples_per_second", "training.speed", "training"), 1, True,
    ),
    Quantity(
        "inference_samples_per_second", "Inference throughput\n(samples/s)",
        lambda r: r.inference.samples_per_second if r.inference else None,
        ("inference.samples_per_second", "inference"), 1, True,
    ),
    Quantity(
        "forward_gflops", "GFLOPs\n(forward)", lambda r: r.flops.forward_flops / 1e9 if r.flops else None,
        ("flops.forward_flops", "flops"), 2,
    ),
    Quantity(
        "peak_train_mb", "Peak memory\ntrain (MB)", lambda r: _mb(r.peak_train_bytes),
        ("peak_train_bytes",), 1,
    ),
    Quantity(
        "peak_inference_mb", "Peak memory\ninference (MB)", lambda r: _mb(r.peak_inference_bytes),
        ("peak_inference_bytes",), 1,
    ),
)  # fmt: skip

#: What the answers that causal models write add to it.
GENERATED = (
    Quantity(
        "generated_macro_f1", "F1 generated\n(macro)", _generated_macro_f1,
        ("generation.quality.macro_f1", "generation.quality", "generation"), 4, True,
    ),
    Quantity(
        "parse_failure_percent_mean", "Parse failures\n(%)", _parse_failure_percent,
        ("generation.parse_failure_fraction", "generation"), 1,
    ),
)  # fmt: skip


def quantities_of(records: Sequence[Record]) -> tuple[Quantity, ...]:
    """The columns of a table of these records: GENERATED stands beside F1 where any model wrote answers."""
    wrote = any(record.generation for record in records)
    return (QUANTITIES[0], *GENERATED, *QUANTITIES[1:]) if wrote else QUANTITIES


def conditions(records: Sequence[Record]) -> str:
    """The conditions of measurement in sentences; where rows differ, the set of values."""
    machines = [record.machine for record in records if record.machine]
    trained = [record for record in records if record.training or record.status != "ok"]
    causal = [BITS[record.cell.model.bits or 16] for record in records if record.cell.model.kind == "causal"]
    days = sorted({record.started_at[:10] for record in records})
    seeds = sorted({record.cell.seed for record in records})
    facts = [
        _said("device", map(_device, machines)),
        _said("cores", (machine.cores for machine in machines)),
        _said("threads", (machine.threads for machine in machines)),
        _said("precision", (record.precision for record in records if record.precision)),
        *([_said("causal models with", causal)] if causal else ()),
        _said("training batch size", map(_train_batch, trained)) if trained else "nothing trained",
        _said("inference batch size", map(_inference_batch, records)),
        _said("max length in tokens", (record.cell.data.max_length for record in records)),
        f"seeds {', '.join(map(str, seeds))}",
        _said("evaluated split", (record.cell.data.evaluate_split for record in records)),
        *(_said(name, (m.packages.get(name, "of unrecorded version") for m in machines)) for name in PACKAGES),
        _said("commit", map(_commit, machines)),
        days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}",
    ]
    lengths = sorted({record.flops.sequence_length for record in records if record.flops})
    tokens = f"{', '.join(map(str, lengths)) or 'unrecorded number of'} tokens"
    kinds = dict.fromkeys(PEAKS[record.peak_kind] for record in records if record.peak_kind)
    return one_line(
        f"Measured with {'; '.join(facts)}. "
        "Means over the n seeds that succeeded, ± their sample standard deviation. "
        f"Peak memory is {'; or '.join(kinds) or 'unknown'}; 1 MB is 1e6 bytes. "
        f"GFLOPs is one sequence of {tokens}, 2 per multiply-add."
    )


def _said(name: str, values: Iterable[int | str]) -> str:
    """A condition: its values, numbers in order, names as they come."""
    distinct = sorted(dict.fromkeys(values), key=lambda value: value if isinstance(value, int) else 0)
    differs = " (differs between rows)" if len(distinct) > 1 else ""
    return f"{name} {', '.join(map(str, distinct)) or 'not recorded'}{differs}"


def _device(machine: Machine) -> str:
    if machine.device == "cpu":
        return f"CPU {machine.cpu}"
    return f"GPU {machine.gpu or 'of unrecorded name'}" + (f", driver {machine.driver}" if machine.driver else "")


def _train_batch(record: Record) -> int:
    speed = record.training.speed if record.training else None
    return speed.batch_size if speed else record.cell.train.batch_size


def _inference_batch(record: Record) -> int:
    return record.inference.batch_size if record.inference else record.cell.train.inference_batch_size


def _commit(machine: Machine) -> str:
    if machine.commit is None:
        return "none (not run from a checkout)"
    return machine.commit[:12] + (" with uncommitted changes" if machine.dirty else "")
