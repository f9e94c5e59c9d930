"""A printed number with its text, from which its precision is known."""

import re
from dataclasses import dataclass
from decimal import Decimal

from bench.commands.audit.published.quantities import FRACTIONS, PrintedColumn
from bench.errors import DataError

NUMBER = re.compile(r"(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Number:
    """One printed number.

    Attributes:
        text: text as printed.
        column: its quantity and unit.
        value: value in base units.
        resolution: one unit of the last printed digit, in base units.
    """

    text: str
    column: PrintedColumn
    value: Decimal
    resolution: Decimal

    @property
    def low(self) -> Decimal:
        """The smallest value that rounds to the printed number."""
        return self.value - self.resolution / 2

    @property
    def high(self) -> Decimal:
        """The largest value that rounds to the printed number."""
        return self.value + self.resolution / 2

    def fits(self, value: Decimal | float) -> bool:
        """Whether a value in base units rounds to the printed number, with halves rounded up or to even."""
        return self.low <= Decimal(value) <= self.high

    def said(self) -> str:
        """The number with its unit."""
        return self.text if self.column.unit == "fraction" else f"{self.text} {self.column.unit}"


def read_number(text: str, column: PrintedColumn, where: str) -> Number:
    """Parse a printed number.

    Args:
        text: text as printed.
        column: column that it is in.
        where: its position, for messages.

    Raises:
        DataError: the text is not a number, or the value is out of range.
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
