"""Comparison of the two rows of a pairing: difference in quality and ratios of cost."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.report.analysis.comparability import conditions
from bench.report.analysis.paired import Difference
from bench.report.analysis.pairing import Pairing
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.analysis.significance import Decision, decide
from bench.report.analysis.stacked import difference_of
from bench.report.results.measured import Measured

SeedPair = tuple[Measured, Measured]


@dataclass(frozen=True, slots=True)
class Ratio:
    """The first method's value divided by the second's, over paired seeds."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison of a pairing.

    Attributes:
        seeds: seeds that both methods measured.
        left_out: reasons why other seeds are left out.
        difference: difference in macro F1; None if unknown.
        ratios: known ratios by column.
        reasons: reasons for unknown values, by ``difference`` or column of a ratio.
    """

    seeds: tuple[int, ...]
    left_out: tuple[str, ...]
    difference: Difference | None
    ratios: Mapping[str, Ratio]
    reasons: Mapping[str, str]


def ratios() -> dict[str, Quantity]:
    """The quantities with a ratio, by column of the table."""
    return {quantity.column: quantity for quantity in QUANTITIES.of("ratios")}


def compare(pairing: Pairing) -> Compared:
    """Compare the two rows of a pairing."""
    pairs, left_out = pairing.seeds() if not pairing.reason else ([], [])
    columns = ratios()
    if not pairs:
        reason = pairing.reason or f"no seed that both measured: {'; '.join(left_out)}"
        return Compared((), (), None, {}, dict.fromkeys(("difference", *columns), reason))
    found = difference_of([first for first, _ in pairs], [second for _, second in pairs])
    divided = {column: _ratio(quantity, pairing.names, pairs) for column, quantity in columns.items()}
    reasons = {"difference": found, **divided}
    return Compared(
        seeds=tuple(first[0].cell.seed for first, _ in pairs), left_out=tuple(left_out),
        difference=None if isinstance(found, str) else found,
        ratios={column: ratio for column, ratio in divided.items() if isinstance(ratio, Ratio)},
        reasons={column: reason for column, reason in reasons.items() if isinstance(reason, str)},
    )  # fmt: skip


def decisions(found: Sequence[Compared], groups: Sequence[Hashable]) -> list[Decision]:
    """The decisions on the differences in macro F1, corrected for the number of comparisons of each group.

    Args:
        found: comparisons.
        groups: group of each, e.g. its dataset and model.
    """
    decided: dict[int, Decision] = {}
    for group in dict.fromkeys(groups):
        places = [at for at, other in enumerate(groups) if other == group]
        differences = [(found[at].difference, found[at].reasons.get("difference", "")) for at in places]
        family = decide([one.estimate if one else reason for one, reason in differences])
        decided |= zip(places, family, strict=True)
    return [decided[at] for at in range(len(found))]


def _ratio(quantity: Quantity, names: tuple[str, str], pairs: Sequence[SeedPair]) -> Ratio | str:
    """The ratio of first to second, or the reason why it is unknown."""
    ratios = []
    for (first, _), (second, _) in pairs:
        values = quantity.values((first, second))
        for name, record, value in zip(names, (first, second), values, strict=True):
            if value is None:
                return f"{name}: {quantity.why_not(record)}"
        if quantity.kind in ("timed", "memory") and conditions(first) != conditions(second):
            return "measured on different machines or in different precision"
        above, below = (value or 0 for value in values)
        if not below:
            return f"the value of {names[1]} is 0"
        ratios.append(above / below)
    return Ratio(median(ratios), min(ratios), max(ratios))
