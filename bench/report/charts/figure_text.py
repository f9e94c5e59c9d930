"""Foreign text in a chart: on one line, shortened, distinct, and never evaluated as an expression."""

import textwrap
from collections.abc import Iterable, Sequence
from functools import lru_cache

from rich.cells import cell_len

from bench.method.insight import Value
from bench.report.charts import look
from bench.report.charts.look import CHARACTER
from bench.text.display import one_line

UNKNOWN = "–"
#: Characters of a name in the data, an axis title, a figure title and a caption.
NAME, LABEL, TITLE, CAPTION = 60, 120, 300, 1500
#: Vega may cut a long text within a surrogate pair, which it cannot measure, so such characters stay only in texts that
#: are not cut. Pixels of the broadest character of one UTF-16 unit, and of two.
LAST_UNIT, BROADEST, BROADEST_PAIR, NO_GLYPH = 0xFFFF, 11.5, 16, "□"
#: Vega-Lite puts tooltip titles into an expression and escapes quotes but not backslashes.
_NO_EXPRESSION = str.maketrans({'"': "'", "\\": "/"})
#: Keys that a tooltip shows as a heading or an image.
_SPECIAL = ("title", "image")
#: Properties of every JavaScript object: Vega fails on a label of such a name.
_INHERITED = (
    "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
    "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "__proto__",
)  # fmt: skip


@lru_cache(maxsize=4096, typed=True)  # each point of a curve has its names
def plain(value: Value, limit: int = NAME) -> str:
    """A value on one line, for an axis, legend or tooltip; a dash if it is unknown or empty."""
    if isinstance(value, float):
        return f"{value + 0.0:,.6g}".replace("-", "−")
    text = one_line("" if value is None else str(value), limit) or UNKNOWN
    if sum(BROADEST_PAIR if ord(char) > LAST_UNIT else BROADEST for char in text) > look.SHORTEST_LIMIT:
        text = "".join(NO_GLYPH if ord(char) > LAST_UNIT else char for char in text)
    return _own(text)


def _own(text: str) -> str:
    return f"«{text}»" if text in _INHERITED else text


def distinct(values: Iterable[Value]) -> dict[Value, str]:
    """A name for each distinct value, in order; equal texts are numbered."""
    names: dict[Value, str] = {}
    taken: set[str] = set()
    for value in dict.fromkeys(values):
        name = text = plain(value)
        number = 1
        while name in taken:
            number += 1
            name = f"{text} ({number})"
        names[value] = name
        taken.add(name)
    return names


def tip(field: str, title: str, form: str | None = None) -> dict[str, str]:
    """One line of a tooltip.

    Args:
        field: field of the chart's data.
        title: title; foreign text is allowed.
        form: number format of d3-format; None for text.
    """
    safe = plain(title, NAME).translate(_NO_EXPRESSION)
    line = {"field": field, "title": f"{safe} (column)" if safe in _SPECIAL else safe}
    return line | ({"type": "nominal"} if form is None else {"type": "quantitative", "format": form})


def wrapped(text: str, pixels: float, size: float = CHARACTER) -> list[str]:
    """Wrap text to a width in pixels; ``size`` is the width of a character."""
    wide = max(1.0, cell_len(text) / max(1, len(text)))
    return list(map(_own, textwrap.wrap(text, max(10, int(pixels / size / wide)))))


def longest(names: Sequence[str]) -> float:
    """Approximate width of the longest name in pixels."""
    return max((cell_len(name) for name in names), default=0) * CHARACTER
