"""The values that print as a given number, by rounding or by truncation."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeAlias

from bench.commands.audit.published.number import Number

Printing = Literal["rounding", "truncation"]
PRINTINGS: tuple[Printing, ...] = ("rounding", "truncation")
#: Smallest and largest value, both included.
Interval: TypeAlias = tuple[Fraction, Fraction]
#: In units of the last digit. Both ends are included: halves are rounded up or to even, and a value that floating point
#: holds a little too low is truncated to the digit below.
_SPANS: Mapping[Printing, tuple[Decimal, Decimal]] = {
    "rounding": (Decimal("-0.5"), Decimal("0.5")), "truncation": (Decimal(0), Decimal(1)),
}  # fmt: skip


def interval(number: Number, printing: Printing | None = None) -> Interval:
    """The values in base units that may stand behind a printed number.

    A range holds every value in it. The values of single runs lie around a mean with a spread, so its interval holds
    the spread.

    Args:
        number: the printed number.
        printing: how it was shortened; None: either way.
    """
    low, high = _printed_as(number, printing)
    spread = Fraction(number.spread or 0)
    return low - spread, high + spread


def prints(number: Number, value: Fraction | float) -> bool:
    """Whether a value in base units prints as a number or lies in a printed range, by rounding or by truncation."""
    low, high = _printed_as(number, None)
    return low <= value <= high


def _printed_as(number: Number, printing: Printing | None) -> Interval:
    spans = list(_SPANS.values()) if printing is None else [_SPANS[printing]]
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    value, unit, half = Fraction(number.value), Fraction(number.resolution), Fraction(number.half_width)
    return value - half + unit * Fraction(low), value + half + unit * Fraction(high)
