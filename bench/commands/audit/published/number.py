"""A printed number with its text, from which its precision is known."""

import re
from dataclasses import dataclass
from decimal import Decimal

from bench.commands.audit.published.markup import from_markdown
from bench.commands.audit.published.quantities import CORRELATIONS, FRACTIONS, PrintedColumn
from bench.commands.audit.published.units import UNITS, Unit, unit_named
from bench.errors import DataError

_DIGITS = r"(?:\d{1,3}(?:[,' \u2009\u202f]\d{3}){1,9}(?:\.\d{0,30})?|\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})"
_UNSIGNED = rf"{_DIGITS}(?:[eE][+-]?\d{{1,2}}|\s?[×x·]\s?10\^?[+-]?\d{{1,2}})?"
_UNIT = r"(?:\s?(?P<{name}>%|[A-Za-z][A-Za-z/ ]{{0,19}}\.?))?"
#: A number, perhaps with its unit, its spread behind ± or the upper end of a range.
CELL = re.compile(
    rf"(?P<value>-?{_UNSIGNED}){_UNIT.format(name='unit')}"
    rf"(?:\s?(?:±|\+/?-)\s?(?P<spread>{_UNSIGNED})|\s?(?:-|to)\s?(?P<upper>-?{_UNSIGNED}))?{_UNIT.format(name='last')}",
    re.ASCII,
)
#: What a table prints in place of a number that it does not have.
NOTHING = frozenset({"", "-", "--", "---", "n/a", "na", "oom", "?", "/"})
#: Marks of a footnote or of significance behind a number.
MARKS = "†‡§¶*\u2217\u22c6 ¹²³⁴⁵⁶⁷⁸⁹⁰ᵃᵇᶜᵈ"
#: Dashes and minus signs that stand for the hyphen.
DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-"))


@dataclass(frozen=True, slots=True)
class Number:
    """One printed number.

    Attributes:
        text: text as printed.
        column: its quantity and unit; the unit is the cell's own if it names one.
        value: value in base units; the middle of a range.
        resolution: one unit of the last printed digit, in base units.
        spread: number behind ± in base units, whatever it is (a deviation, a standard error); None if none is printed.
        half_width: half of a printed range, in base units; 0 for a single number.
    """

    text: str
    column: PrintedColumn
    value: Decimal
    resolution: Decimal
    spread: Decimal | None = None
    half_width: Decimal = Decimal(0)

    @property
    def low(self) -> Decimal:
        """The smallest value that rounds to the printed number or into the printed range."""
        return self.value - self.half_width - self.resolution / 2

    @property
    def high(self) -> Decimal:
        """The largest value that rounds to the printed number or into the printed range."""
        return self.value + self.half_width + self.resolution / 2

    @property
    def decimals(self) -> int:
        """Printed digits behind the point, in the unit of the column."""
        exponent = (self.resolution / self.column.factor).normalize().as_tuple().exponent
        return max(0, -int(exponent))

    def fits(self, value: Decimal | float) -> bool:
        """Whether a value in base units rounds to the printed number, with halves rounded up or to even."""
        return self.low <= Decimal(value) <= self.high

    def said(self) -> str:
        """The number with its unit."""
        unit = self.column.unit
        own = self.text[-1:].isalpha() or self.text.endswith("%")
        return self.text if own or unit == "fraction" else f"{self.text} {unit}"


def is_nothing(text: str) -> bool:
    """Whether a cell prints no number, e.g. a dash or ``OOM``."""
    return text.translate(DASHES).strip().casefold() in NOTHING


def read_number(text: str, column: PrintedColumn, where: str) -> Number:
    """Parse a printed number.

    Args:
        text: text as printed; marks of Markdown are dropped, because csv files have them too.
        column: column that it is in.
        where: its position, for messages.

    Raises:
        DataError: the text is not a number, its unit is of another kind, or the value is out of range.
    """
    text = from_markdown(text)
    got = f"got {text!r}"
    plain = text.translate(DASHES).strip(MARKS)
    if re.fullmatch(r"[+-]?(nan|inf|infinity)", plain, re.IGNORECASE):
        raise DataError(f"{where}: must be finite, {got}; leave the cell empty where nothing is printed")
    parts = CELL.fullmatch(plain)
    if parts is None:
        raise DataError(
            f"{where}: must be a number such as 45.90, 1,234, 0.3M, 87.5±0.2 or 1.2-1.4, {got}; "
            "leave the cell empty where nothing is printed"
        )
    if parts["unit"] and parts["last"] and parts["unit"].casefold() != parts["last"].casefold():
        raise DataError(f"{where}: must have one unit, {got}")
    column = _in_own_unit(parts["unit"] or parts["last"], column, where, got)
    value, resolution = _decimal(parts["value"])
    number = Number(text, column, value * column.factor, resolution * column.factor)
    if parts["upper"]:
        number = _range(number, parts["upper"], where, got)
    if parts["spread"]:
        spread = _decimal(parts["spread"])[0] * column.factor
        number = Number(text, column, number.value, number.resolution, spread)
    _require_possible(number, where, got)
    return number


def _decimal(text: str) -> tuple[Decimal, Decimal]:
    """The value of digits, and one unit of their last place."""
    text = re.sub(r"\s?[×x·]\s?10\^?", "e", text)
    value = Decimal(re.sub(r"[,' \u2009\u202f]", "", text))
    return value, Decimal(1).scaleb(int(value.as_tuple().exponent))


def _in_own_unit(own: str | None, column: PrintedColumn, where: str, got: str) -> PrintedColumn:
    """The column in the unit of the cell, which may repeat the heading's unit but not contradict it."""
    if own is None:
        if not column.unit:
            raise DataError(f"{where}: needs a unit in the heading or in the cell, {got}")
        return column
    # Below a heading in MACs, G is GMACs.
    unit = unit_named(column.kind, f"{own.strip()}macs") if column.unit.endswith("MACs") else None
    unit = unit or unit_named(column.kind, own)
    if unit is None:
        known = ", ".join(dict.fromkeys(each.name for each in UNITS[column.kind].values()))
        raise DataError(f"{where}: {own.strip()!r} is no unit of {column.quantity} ({known}), {got}")
    if not _may_say(column, unit):
        raise DataError(f"{where}: the cell says {unit.name} and the heading {column.unit}, {got}")
    return PrintedColumn(column.quantity, unit.name, unit.factor)


def _may_say(column: PrintedColumn, unit: Unit) -> bool:
    """Whether a cell may name the unit: the heading names none but the base unit, or the same."""
    of_macs = column.unit == "MACs" and unit.name.endswith("MACs")
    return column.factor == 1 or of_macs or unit.factor == column.factor


def _range(number: Number, upper: str, where: str, got: str) -> Number:
    value, resolution = _decimal(upper)
    column = number.column
    high = value * column.factor
    if high < number.value:
        raise DataError(f"{where}: a range must end above its start, {got}")
    coarser = max(resolution * column.factor, number.resolution)
    middle, half = (number.value + high) / 2, (high - number.value) / 2
    return Number(number.text, column, middle, coarser, None, half)


def _require_possible(number: Number, where: str, got: str) -> None:
    column = number.column
    least, most = number.value - number.half_width, number.value + number.half_width
    if column.quantity in (*FRACTIONS, *CORRELATIONS) and most > 1:
        other = "" if column.unit == "%" else f"; percentages go into the column {column.quantity}_percent"
        raise DataError(f"{where}: must be at most {1 / column.factor:f}, {got}{other}")
    lowest = -1 if column.quantity in CORRELATIONS else 0
    if least < lowest:
        raise DataError(f"{where}: must be at least {lowest / column.factor:f}, {got}")
    if column.kind == "parameters" and column.factor == 1 and number.resolution < 1:
        raise DataError(f"{where}: must be a whole number of parameters, or have a unit such as M, {got}")
