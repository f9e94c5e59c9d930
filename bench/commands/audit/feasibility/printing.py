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
    """The values in base units that print as a number.

    Args:
        number: the printed number.
        printing: how it was shortened; None: either way.
    """
    spans = list(_SPANS.values()) if printing is None else [_SPANS[printing]]
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    value, unit = Fraction(number.value), Fraction(number.resolution)
    return value + unit * Fraction(low), value + unit * Fraction(high)


def prints(number: Number, value: Fraction | float) -> bool:
    """Whether a value in base units prints as a number, by rounding or by truncation."""
    low, high = interval(number)
    return low <= value <= high
