"""Units as tables print them, in a heading or in a cell, with their factors to base units."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of one kind of quantity.

    Attributes:
        name: unit as displayed.
        factor: base units in one of it.
    """

    name: str
    factor: Decimal


def _prefixed(letters: str, base: Decimal, start: int) -> list[tuple[str, Decimal]]:
    return [(letter, base**power) for power, letter in enumerate(letters, start=start)]


def _counts() -> dict[str, Unit]:
    units = {"parameters": Unit("parameters", _ONE)}
    words = (("k", "thousand"), ("m", "million"), ("b", "billion"))
    for (letter, word), power in zip(words, (3, 6, 9), strict=True):
        units[letter] = units[word] = Unit(letter.upper(), Decimal(10) ** power)
    return units | {"mn": units["m"], "bn": units["b"], "g": units["b"]}


def _sizes() -> dict[str, Unit]:
    units = {"bytes": Unit("bytes", _ONE)}
    for letter, factor in _prefixed("kmgt", Decimal(1000), 1):
        units[f"{letter}b"] = units[letter] = Unit(f"{letter.upper()}B", factor)
    for letter, factor in _prefixed("kmgt", Decimal(1024), 1):
        units[f"{letter}ib"] = Unit(f"{letter.upper()}iB", factor)
    return units


def _operations() -> dict[str, Unit]:
    units = {}
    for letter, factor in [("", _ONE), *_prefixed("kmgtp", Decimal(1000), 1)]:
        name = letter.upper()
        for word in (f"{letter}flops", f"{letter}flop", letter):
            units[word] = Unit(f"{name}FLOPs", factor)
        # One multiply-add is two operations throughout the project.
        for word in (f"{letter}macs", f"{letter}mac"):
            units[word] = Unit(f"{name}MACs", 2 * factor)
    del units[""]
    return units


def _times() -> dict[str, Unit]:
    words = {
        "ms": ("ms", "0.001"), "s": ("s", "1"), "min": ("min", "60"), "h": ("h", "3600"), "d": ("d", "86400"),
    }  # fmt: skip
    units = {short: Unit(name, Decimal(factor)) for short, (name, factor) in words.items()}
    same = {
        "sec": "s", "secs": "s", "second": "s", "seconds": "s", "mins": "min", "minute": "min", "minutes": "min",
        "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "day": "d", "days": "d",
    }  # fmt: skip
    return units | {word: units[short] for word, short in same.items()}


#: Units by kind of quantity and by how they are printed, in lower case.
UNITS: Mapping[str, Mapping[str, Unit]] = {
    "fraction": {"fraction": Unit("fraction", _ONE), "%": Unit("%", Decimal("0.01"))},
    "parameters": _counts(),
    "operations": _operations(),
    "bytes": _sizes(),
    "seconds": _times(),
    "samples per second": {word: Unit("samples/s", _ONE) for word in ("samples/s", "samples/sec", "examples/s")},
    "tokens per second": {
        **{word: Unit("tokens/s", _ONE) for word in ("tokens/s", "tokens/sec", "tok/s", "tok/sec")},
        **{f"k {word}": Unit("K tokens/s", Decimal(1000)) for word in ("tokens/s", "tok/s")},
    },
}


def unit_named(kind: str, text: str) -> Unit | None:
    """The unit that a text names, of one kind of quantity; None if it names none of that kind.

    Args:
        kind: one of UNITS.
        text: unit as printed, e.g. ``GiB``; upper and lower case are the same.
    """
    return UNITS[kind].get(" ".join(text.casefold().split()).rstrip("."))
