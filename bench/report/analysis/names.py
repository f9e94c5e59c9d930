"""Names of a report's rows, and the settings in which rows of the same name differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.study.cell import Cell
from bench.text.display import one_line

NAMES = ("dataset", "model", "method")
HEADS = {name: name.capitalize() for name in NAMES}
#: Fields of a cell that do not distinguish rows.
NOT_A_SETTING: Any = {"seed": True, "repeat": True, "study": True, "limits": True, "method": {"given"}}


def labels(cell: Cell, cells: Sequence[Cell]) -> dict[str, str]:
    """Labels of a cell's dataset, model and method, followed by the name if another name has the same label."""
    found = {}
    for part in NAMES:
        source = getattr(cell, part)
        names = {other.name for one in cells if (other := getattr(one, part)).label == source.label}
        label = f"{source.label} ({source.name})" if len(names) > 1 else source.label
        found[part] = one_line(label) or source.name
    return found


def apart(at: int, keys: Sequence[object], facts: Sequence[Mapping[str, Any]]) -> str:
    """The facts in which one row differs from other rows of its key; empty if there are none.

    Args:
        at: index of the row.
        keys: key of each row.
        facts: facts of each row, see ``flat``.
    """
    others = [other for key, other in zip(keys, facts, strict=True) if key == keys[at]]
    own = [f"{k} = {v}" for k, v in facts[at].items() if any(other.get(k) != v for other in others)]
    return one_line(", ".join(own), 160)


def flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested facts: ``{"data": {"max_length": 8}}`` becomes ``{"data.max_length": 8}``."""
    level: dict[str, Any] = {}
    for key, value in facts.items():
        level |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return level
