"""Values of insights: plain finite numbers, and text on one line."""

import math
from collections.abc import Iterable, Sequence

#: Value of a cell in an insight's columns.
Value = str | int | float | None
SIGNIFICANT_DIGITS = 6


def number(value: float) -> float | None:
    """A plain number of six significant digits, which keeps files small; None if it is not finite."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None


def percent(fraction: float) -> str:
    """A fraction as text in percent."""
    return f"{100 * fraction:.1f} %"


def columns(names: Sequence[str], rows: Iterable[Sequence[Value]]) -> dict[str, tuple[Value, ...]]:
    """The columns of rows, by name."""
    table = list(rows)
    return {name: tuple(row[place] for row in table) for place, name in enumerate(names)}


def one_line(text: str, limit: int) -> str:
    """Text on one line, without control characters, of at most ``limit`` characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def visible(name: str) -> str:
    """A token or a name with blanks kept and unprintable characters escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)
