"""A number as it was printed: it keeps its text, and with it its precision."""

import re
from dataclasses import dataclass
from decimal import Decimal

from bench.commands.audit.published.quantities import FRACTIONS, Column
from bench.errors import DataError

NUMBER = re.compile(r"(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Number:
    """One printed number.

    Attributes:
        text: as printed.
        column: its quantity and unit.
        value: in base units.
        resolution: of the last printed digit, in base units.
    """

    text: str
    column: Column
    value: Decimal
    resolution: Decimal

    @property
    def low(self) -> Decimal:
        """The least value that rounds to what is printed."""
        return self.value - self.resolution / 2

    @property
    def high(self) -> Decimal:
        """The greatest value that rounds to what is printed."""
        return self.value + self.resolution / 2

    def fits(self, value: Decimal | float) -> bool:
        """Whether a value in base units rounds to what is printed, halves up or to even."""
        return self.low <= Decimal(value) <= self.high

    def said(self) -> str:
        """The number with its unit."""
        return self.text if self.column.unit == "fraction" else f"{self.text} {self.column.unit}"


def read_number(text: str, column: Column, where: str) -> Number:
    """The number that a text is.

    Args:
        text: as printed.
        column: that it stands in.
        where: it stands, for messages.

    Raises:
        DataError: it is none, or one that its quantity cannot be.
    """
    got = f"got {text!r}"
    if not NUMBER.fullmatch(text):
        if re.fullmatch(r"[+-]?(nan|inf|infinity)", text, re.IGNORECASE):
            raise DataError(f"{where}: must be finite, {got}; leave the cell empty where nothing is printed")
        if text[:1] in "-−" and NUMBER.fullmatch(text[1:]):
            raise DataError(f"{where}: must be at least 0, {got}")
        raise DataError(
            f"{where}: must be a number such as 45.90 without separators or unit, {got}; "
            "leave the cell empty where nothing is printed"
        )
    printed = Decimal(text)
    exponent = int(printed.as_tuple().exponent)
    number = Number(text, column, printed * column.factor, Decimal(1).scaleb(exponent) * column.factor)
    if column.quantity in FRACTIONS and number.value > 1:
        other = "" if column.unit == "%" else f"; percentages go into the column {column.quantity}_percent"
        raise DataError(f"{where}: must be at most {1 / column.factor:f}, {got}{other}")
    return number
