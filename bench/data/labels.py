"""The classes of a dataset: their names, and which of them a label means, alike in all splits."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bench.data.rows import Row
from bench.errors import DataError
from bench.message import listed

#: Of infer; a column with more different values is no label.
MOST_CLASSES = 1000
#: Characters; every table, chart and record repeats a label.
LONGEST_LABEL = 1000
NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")

Key = str | Decimal


@dataclass(frozen=True, slots=True)
class Classes:
    """Class names by index, and how a label is matched with them.

    A label means the class of its name, blanks around it left out. Where all names are numbers, names are compared as
    numbers: ``2`` means ``2.0``.

    Attributes:
        dataset: its name, for messages.
        names: by index.
        origin: who names them, for messages.
        by_index: a label that is no name may be an index.
    """

    dataset: str
    names: tuple[str, ...]
    origin: str
    by_index: bool
    _numeric: bool = field(init=False)
    _index: Mapping[Key, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_numeric", all(map(NUMBER.fullmatch, self.names)))
        object.__setattr__(self, "_index", {self._key(name): index for index, name in enumerate(self.names)})
        if len(self._index) < len(self.names):
            raise DataError(
                f"dataset {self.dataset}: class names must differ, got {listed(list(map(repr, self.names)))} of "
                f"{self.origin}; set labels in [datasets.{self.dataset}]"
            )

    def index(self, label: Any, place: str) -> int:
        """The class of a label.

        Raises:
            DataError: it means none; the message says where it stands and what was wanted.
        """
        name = spelled(self.dataset, label, place)
        found = self._index.get(self._key(name))
        if found is not None:
            return found
        if self.by_index and not isinstance(label, bool) and is_index(name) and int(name) < len(self.names):
            return int(name)
        raise DataError(f"dataset {self.dataset}: {place}: bad label {label!r:.60}; wanted {self._wanted(name)}")

    def _key(self, name: str) -> Key:
        return Decimal(name) if self._numeric and NUMBER.fullmatch(name) else name

    def _wanted(self, name: str) -> str:
        indices = f"0..{len(self.names) - 1} or " if self.by_index else ""
        wanted = f"{indices}one of {listed(self.names)}, the labels of {self.origin}"
        near = [known for known in self.names if likeness(known) == likeness(name)]
        if near:
            return f"{wanted}; {near[0]!r:.80} differs by case, blanks or Unicode form alone: write both alike"
        if name == "-1":
            return f"{wanted}; -1 often marks texts whose labels are kept secret: give a split that has labels"
        return wanted


def given(dataset: str, names: Sequence[str], origin: str, rows: Iterable[Row]) -> Classes:
    """Classes that somebody has named; labels may be indices too.

    Where the names are numbers themselves, labels are indices only if none of them is a name.

    Raises:
        DataError: a name is empty or there twice, they are fewer than two, or a label is none.
    """
    classes = Classes(dataset, tuple(spelled(dataset, name, origin) for name in names), origin, by_index=True)
    if len(names) < 2:
        raise DataError(f"dataset {dataset}: there must be at least 2 classes, got {listed(names)} of {origin}")
    if classes._numeric and any(_named(classes, row) for row in rows):
        return Classes(dataset, classes.names, origin, by_index=False)
    return classes


def _named(classes: Classes, row: Row) -> bool:
    return classes._key(spelled(classes.dataset, row.label, row.place)) in classes._index


def inferred(dataset: str, rows: Sequence[Row]) -> Classes:
    """The classes that the labels of train name: whole numbers from 0, or up to ``MOST_CLASSES`` other names.

    Raises:
        DataError: a label is none, or they are too few or too many.
    """
    spellings = {spelled(dataset, row.label, row.place) for row in rows}
    if spellings and all(map(NUMBER.fullmatch, spellings)):
        shortest: dict[Decimal, str] = {}
        for name in sorted(spellings, key=lambda name: (len(name), name)):
            shortest.setdefault(Decimal(name), name)
        spellings = set(shortest.values())
    integers = all(type(row.label) is int for row in rows)
    if integers or (spellings and all(map(is_index, spellings))):
        return Classes(dataset, _counted(dataset, spellings), "train", by_index=False)
    if not 2 <= len(spellings) <= MOST_CLASSES:
        raise DataError(f"dataset {dataset}: train has {len(spellings)} different labels; wanted 2 to {MOST_CLASSES}")
    return Classes(dataset, tuple(sorted(spellings)), "train", by_index=False)


def _counted(dataset: str, spellings: Iterable[str]) -> tuple[str, ...]:
    indices = sorted(map(int, spellings))
    if indices != list(range(len(indices))) or len(indices) < 2:
        raise DataError(
            f"dataset {dataset}: labels of train must be 0..C-1 with at least 2 classes, got {listed(indices[:10])}; "
            f"or set labels in [datasets.{dataset}]"
        )
    return tuple(map(str, indices))


def spelled(dataset: str, label: Any, place: str) -> str:
    """A label as text, without the blanks around it.

    Raises:
        DataError: it is neither text nor a whole number, nothing but blanks, or as long as a text.
    """
    if isinstance(label, str | int):
        name = str(label).strip()
        if not name:
            raise DataError(f"dataset {dataset}: {place}: bad label {label!r:.60}; a label must not be empty")
        if len(name) > LONGEST_LABEL:
            raise DataError(
                f"dataset {dataset}: {place}: bad label {label!r:.60}; a label must have at most {LONGEST_LABEL} "
                f"characters, got {len(name)}; set text and label in [datasets.{dataset}]"
            )
        if not name.isascii() and any("\ud800" <= char <= "\udfff" for char in name):
            raise DataError(f"dataset {dataset}: {place}: bad label {label!r:.60}; half a surrogate pair is no text")
        return name
    kind = "null" if label is None else f"a {type(label).__name__}"
    raise DataError(
        f"dataset {dataset}: {place}: bad label {label!r:.60}; a label must be text or a whole number, got {kind}"
    )


def is_index(name: str) -> bool:
    """Whether a label can be the index of a class."""
    return name.isascii() and name.isdecimal() and len(name) < 10  # int() refuses very long ones


def likeness(name: str) -> str:
    """What names have in common that differ only by case, blanks or Unicode form."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def alike(names: Iterable[str]) -> list[list[str]]:
    """Names that differ only by case, blanks or Unicode form, those that do together."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(likeness(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
