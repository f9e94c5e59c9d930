"""Text from data in a figure: only what the font can draw, nothing read as mathematics, cut or wrapped to a width."""

import re
from functools import cache, lru_cache

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font

from bench.insight import Value
from bench.report.statistics import one_line

FAMILY = "DejaVu Sans"
LONGEST = 1500
UNKNOWN = "–"
#: A space that a line may end at: not one in "n = 5".
BREAK = re.compile(r"(?<! [=<>≤≥±]) (?![=<>≤≥±] )")
NO_GLYPH = "□"
DOTS_PER_INCH = 150


def plain(value: Value) -> str:
    """A value on one line, with a box for each character that the font lacks; a dash for an unknown or empty one."""
    if isinstance(value, float):
        return f"{value + 0.0:,.6g}".replace("-", "−")
    text = UNKNOWN if value is None else one_line(str(value), LONGEST)
    return "".join(char if ord(char) in _glyphs() else NO_GLYPH for char in text) or UNKNOWN


def width(text: str, points: float, bold: bool = False) -> float:
    """Inches that plain text takes at a size."""
    font = FontProperties(family=FAMILY, size=points, weight="bold" if bold else "normal")
    return float(_renderer().get_text_width_height_descent(text, font, ismath=False)[0]) / DOTS_PER_INCH  # type: ignore[no-untyped-call]


@lru_cache(4096, typed=True)
def fit(value: Value, inches: float, points: float) -> str:
    """Plain text for matplotlib, cut where it is wider than it may be."""
    text = one_line(plain(value), _most(inches, points))
    for _ in range(20):
        if (wide := width(text, points)) <= inches or len(text) <= 2:
            break
        text = one_line(text, max(2, min(len(text) - 1, int(len(text) * inches / wide))))
    return escaped(text)


def wrap(text: str, inches: float, points: float, bold: bool = False) -> list[str]:
    """Lines of plain text for matplotlib, each at most as wide; a word that is wider is broken."""
    lines, most = [""], _most(inches, points)
    for word in BREAK.split(plain(text)):
        rest = word
        while rest:
            longer = f"{lines[-1]} {rest}".lstrip()
            if len(longer) <= most and width(longer, points, bold) <= inches:
                lines[-1], rest = longer, ""
            elif lines[-1]:
                lines.append("")
            else:
                begin = rest[:most]
                share = inches / max(inches / most, width(begin, points, bold))
                kept = max(1, min(len(begin), int(len(begin) * share)))
                lines[-1], rest = rest[:kept], rest[kept:]
    return [escaped(line) for line in lines]


def escaped(text: str) -> str:
    """Text that matplotlib draws as it is."""
    return text.replace("$", r"\$")


def _most(inches: float, points: float) -> int:
    """Characters that fit at most, so that no longer text need be measured: the narrow ones take a quarter."""
    return max(2, int(inches * 72 / points * 4))


@cache
def _glyphs() -> frozenset[int]:
    """Characters that the font has in every weight that is used."""
    weights = (FontProperties(family=FAMILY, weight=weight) for weight in ("normal", "bold"))
    normal, bold = (FT2Font(findfont(font)).get_charmap() for font in weights)
    return frozenset(normal) & frozenset(bold)


@cache
def _renderer() -> RendererAgg:
    side = 10.0  # nothing is drawn on it
    return RendererAgg(side, side, DOTS_PER_INCH)  # type: ignore[no-untyped-call]
