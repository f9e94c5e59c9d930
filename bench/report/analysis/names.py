"""What a report calls its rows, and what tells rows of one name apart."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.study.cell import Cell
from bench.text.display import one_line

NAMES = ("dataset", "model", "method")
HEADS = {name: name.capitalize() for name in NAMES}
#: What does not tell rows apart.
NOT_A_SETTING: Any = {"seed": True, "repeat": True, "study": True, "limits": True, "method": {"given"}}


def labels(cell: Cell, cells: Sequence[Cell]) -> dict[str, str]:
    """Labels of a cell's dataset, model and method, told apart where two names share one among the cells."""
    found = {}
    for part in NAMES:
        source = getattr(cell, part)
        names = {other.name for one in cells if (other := getattr(one, part)).label == source.label}
        label = f"{source.label} ({source.name})" if len(names) > 1 else source.label
        found[part] = one_line(label) or source.name
    return found


def apart(at: int, keys: Sequence[object], facts: Sequence[Mapping[str, Any]]) -> str:
    """The facts of one row that the other rows of its key do not share; empty where there are none.

    Args:
        at: the row.
        keys: what names each row.
        facts: of each row, see ``flat``.
    """
    others = [other for key, other in zip(keys, facts, strict=True) if key == keys[at]]
    own = [f"{k} = {v}" for k, v in facts[at].items() if any(other.get(k) != v for other in others)]
    return one_line(", ".join(own), 160)


def flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Facts of one level, ``{"data": {"max_length": 8}}`` as ``{"data.max_length": 8}``."""
    level: dict[str, Any] = {}
    for key, value in facts.items():
        level |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return level
