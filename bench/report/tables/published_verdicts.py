"""What a measured number says of a published one: F1 by its interval, counts by their digits, the rest by a ratio."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from bench.record.record import Record
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.published import Number
from bench.report.results.published_rows import Both
from bench.report.tables.footnotes import TINY
from bench.report.tables.scores import F1, F1_INTERVAL
from bench.text.display import one_line

#: A relative difference up to this is "within".
WITHIN = 0.05
FLOPS = "forward_gflops"
OTHER_TEXTS = "not comparable: measured on texts that are not the published dataset's"
NOT_PRINTED = "the published table prints nothing here"
ZERO = "the published number is 0"


@dataclass(frozen=True, slots=True)
class Pair:
    """A measured quantity and the published one that it stands beside.

    Attributes:
        quantity: as measured.
        printed: names of published quantities; the first that a row prints counts.
        base: base units of the published quantity in one unit of the measured one.
        by: what tells how far they agree.
    """

    quantity: Quantity
    printed: tuple[str, ...]
    base: float
    by: Literal["interval", "digits", "ratio"]

    @property
    def column(self) -> str:
        """Of the measured quantity."""
        return self.quantity.column

    @property
    def published(self) -> str:
        """Column of the published number."""
        return f"published_{self.column}"

    @property
    def judged(self) -> str:
        """Column of what is said of the two."""
        return f"{self.column}_{'ratio' if self.by == 'ratio' else 'verdict'}"

    def number(self, both: Both) -> Number | None:
        """What is printed; None where nothing is."""
        return next((both.printed.numbers[name] for name in self.printed if name in both.printed.numbers), None)


#: Heading and pairs of each grid. A throughput of no stated phase is that of inference.
GRIDS = (
    ("Quality", (Pair(QUANTITIES[F1], ("f1",), 1, "interval"),)),
    ("Parameters and GFLOPs", (
        Pair(QUANTITIES["trainable_params"], ("trainable_params",), 1, "digits"),
        Pair(QUANTITIES["total_params"], ("total_params",), 1, "digits"),
        Pair(QUANTITIES[FLOPS], ("flops",), 1e9, "digits"),
    )),
    ("Throughput and peak memory", (
        Pair(QUANTITIES["inference_samples_per_second"], ("inference_throughput", "throughput"), 1, "ratio"),
        Pair(QUANTITIES["train_samples_per_second"], ("train_throughput",), 1, "ratio"),
        Pair(QUANTITIES["peak_train_mb"], ("peak_memory",), 1e6, "ratio"),
    )),
)  # fmt: skip
_GFLOPS = next(pair for _, pairs in GRIDS for pair in pairs if pair.column == FLOPS)

Agreeing = Collection[tuple[object, ...]]
"""Table, dataset, model and length at which GFLOPs that are printed for no stated length agree with measured ones."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A published number, and what the measured one says of it.

    Attributes:
        values: for a frame; without a verdict where there is none.
        note: what the verdict depends on; where there is none, why.
        like: the column under which the reason stands already; empty where the note says it.
    """

    values: dict[str, Any]
    note: str = ""
    like: str = ""


def judge(pair: Pair, both: Both, numbers: Mapping[str, Any], agreeing: Agreeing) -> Judged:
    """What the measured number of a row says of the published one.

    Args:
        pair: the two.
        both: the row.
        numbers: measured ones of the row, for a frame.
        agreeing: see ``agreeing_lengths``.
    """
    number, value = pair.number(both), numbers[pair.quantity.centre]
    values: dict[str, Any] = {pair.published: None, f"{pair.published}_printed": ""}
    values |= {pair.judged: None} if pair.by == "ratio" else {pair.judged: ""}
    values |= {f"{pair.column}_difference": None} if pair.by == "digits" else {}
    if number is None:
        return Judged(values, NOT_PRINTED)
    values |= {pair.published: float(number.value) / pair.base, f"{pair.published}_printed": number.said()}
    if value is None:
        return Judged(values, like=pair.column)
    if both.records[0].cell.model.scale == "tiny":
        return Judged(values, f"not comparable: {TINY}")
    if pair.by == "interval":
        return _by_interval(values, number, numbers)
    if pair.by == "ratio":
        ratio = value * pair.base / float(number.value) if number.value else None
        return Judged(values | {pair.judged: ratio}, ZERO if ratio is None else _machines(both.records))
    exact, note = Decimal(round(value * pair.base)), ""
    if pair.column == FLOPS:
        comparable, note = _at_lengths(number, exact, both, agreeing)
        if not comparable:
            return Judged(values, note)
    return Judged(values | _by_digits(pair, number, exact), note)


def _by_interval(values: dict[str, Any], number: Number, numbers: Mapping[str, Any]) -> Judged:
    if numbers["synthetic"]:
        return Judged(values, OTHER_TEXTS)
    low, high = numbers[f"{F1}_low"], numbers[f"{F1}_high"]
    if low is None or high is None:
        return Judged(values, like=F1_INTERVAL)
    inside = number.high >= low and number.low <= high
    return Judged(values | {f"{F1}_verdict": "inside" if inside else "outside"})


def _machines(records: Sequence[Record]) -> str:
    machines = [record.machine for record in records if record.machine]
    names = dict.fromkeys(
        one_line(f"GPU {machine.gpu or 'of unrecorded name'}" if machine.device == "cuda" else f"CPU {machine.cpu}", 60)
        for machine in machines
    )
    return (
        f"measured on {', '.join(names) or 'an unrecorded device'}, published for a device that is not recorded here: "
        "the ratio is as much of devices and conditions as of anything else"
    )


def _by_digits(pair: Pair, number: Number, value: Decimal) -> dict[str, Any]:
    difference = float((number.value - value) / value) if value else None
    if number.fits(value):
        verdict = "exact"
    else:
        verdict = "within" if difference is not None and abs(difference) <= WITHIN else "differs"
    return {pair.judged: verdict, f"{pair.column}_difference": difference}


def _at_lengths(number: Number, value: Decimal, both: Both, agreeing: Agreeing) -> tuple[bool, str]:
    """Whether printed and measured GFLOPs are of one length, and what is known of the lengths."""
    stated, length = both.printed.stated.sequence_length, length_of(both.records)
    if stated is not None:
        return stated == length, "" if stated == length else f"published for {stated} tokens, measured for {length}"
    unstated = f"measured for {length} tokens; no length is stated with the published number"
    if number.fits(value):
        return True, unstated
    if _place(both) in agreeing:
        return True, f"{unstated}, but others of this dataset and model agree to the digit"
    return False, f"not comparable: {unstated}, and none of this dataset and model agrees"


def agreeing_lengths(found: Sequence[Both], content: Sequence[Mapping[str, Any]]) -> Agreeing:
    """Where published GFLOPs of no stated length agree with measured ones, and so tell the length.

    Args:
        found: the rows.
        content: their measured numbers, for a frame.
    """
    places = set()
    for both, numbers in zip(found, content, strict=True):
        number, value = _GFLOPS.number(both), numbers.get(FLOPS)
        if number is not None and value is not None and number.fits(Decimal(round(value * _GFLOPS.base))):
            places.add(_place(both))
    return places


def _place(both: Both) -> tuple[object, ...]:
    return both.published.name, both.table.name, *both.printed.named[:2], length_of(both.records)


def length_of(records: Sequence[Record]) -> int | None:
    """Tokens of the sequence whose forward FLOPs were counted; None where they are unknown."""
    return next((record.flops.sequence_length for record in records if record.flops), None)
