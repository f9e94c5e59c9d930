"""The classes of a dataset: their names, and which of them a label means, alike in all splits."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bench.data.rows import Row
from bench.errors import DataError
from bench.study.values import LabelValues
from bench.text.message import listed

#: Of infer; a column with more different values is no label.
MOST_CLASSES = 1000
#: Characters; every table, chart and record repeats a label.
LONGEST_LABEL = 1000
NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")
WHOLE = re.compile(r"[+-]?[0-9]{1,30}")

KINDS: tuple[LabelValues, LabelValues] = ("names", "indices")

Key = str | Decimal


@dataclass(frozen=True, slots=True)
class Classes:
    """Class names by index, and how a label is matched with them.

    A label means the class of its name, blanks around it left out; or all labels are indices. Where all names are
    numbers, names are compared as numbers: ``2`` means ``2.0``.

    Attributes:
        dataset: its name, for messages.
        names: by index.
        origin: who names them, for messages.
        values: what every label is, see ``DatasetEntry.label_values``.
        either: they could have been the other, for messages.
    """

    dataset: str
    names: tuple[str, ...]
    origin: str
    values: LabelValues = "names"
    either: bool = False
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
        found = self.read(label, self.values)
        if found is None:
            raise DataError(f"dataset {self.dataset}: {place}: bad label {label!r:.60}; wanted {self._wanted(name)}")
        return found

    def read(self, label: str | int, values: LabelValues) -> int | None:
        """The class that a label means as a name, or as an index; None where it means none."""
        name = str(label).strip()
        if values == "names":
            return self._index.get(self._key(name))
        known = not isinstance(label, bool) and is_index(name) and int(name) < len(self.names)
        return int(name) if known else None

    def _key(self, name: str) -> Key:
        return Decimal(name) if self._numeric and NUMBER.fullmatch(name) else name

    def _wanted(self, name: str) -> str:
        indices, names = f"0..{len(self.names) - 1}", f"one of {listed(self.names)}"
        only = indices if self.values == "indices" else names
        wanted = f"{f'{indices} or {names}' if self.either else only}, the labels of {self.origin}"
        near = [known for known in self.names if likeness(known) == likeness(name)]
        if near:
            return f"{wanted}; {near[0]!r:.100} differs by case, blanks or Unicode form alone: write both alike"
        if name == "-1":
            return f"{wanted}; -1 often marks texts whose labels are kept secret: give a split that has labels"
        return wanted


def given(
    dataset: str,
    names: Sequence[str],
    origin: str,
    rows: Iterable[Row],
    values: LabelValues | None = None,
    preferred: LabelValues | None = None,
) -> Classes:
    """Classes that somebody has named; whether labels are names or indices is decided once for all rows.

    Args:
        dataset: its name, for messages.
        names: of the classes, by index.
        origin: who names them, for messages.
        rows: of all splits.
        values: what the labels are; None: as they tell.
        preferred: what they are where they could be both and mean different classes; None: that is refused.

    Raises:
        DataError: a name is empty or there twice, they are fewer than two, a label is none, some labels are names and
            others indices, or they could all be either.
    """
    either = Classes(dataset, tuple(spelled(dataset, name, origin) for name in names), origin, either=True)
    if len(names) < 2:
        raise DataError(f"dataset {dataset}: there must be at least 2 classes, got {listed(names)} of {origin}")
    decided = values or _decided(either, rows, preferred)
    return Classes(dataset, either.names, origin, decided)


def _decided(classes: Classes, rows: Iterable[Row], preferred: LabelValues | None) -> LabelValues:
    """What all labels are.

    Raises:
        DataError: they are not all the same, or could be either.
    """
    first: dict[tuple[type, str | int], Row] = {}
    for row in rows:
        if not isinstance(row.label, str | int):
            spelled(classes.dataset, row.label, row.place)  # it raises
        first.setdefault((type(row.label), row.label), row)
    for row in first.values():
        spelled(classes.dataset, row.label, row.place)
    named, indexed = ([(row, classes.read(row.label, kind)) for row in first.values()] for kind in KINDS)
    no_name, no_index = ([row for row, index in read if index is None] for read in (named, indexed))
    if no_name and no_index:
        _refuse_mixed(classes, no_name, no_index)
    if no_name:
        return "indices"
    differ = [(row, at) for (row, at), (_, index) in zip(named, indexed, strict=True) if at != index]
    if no_index or not differ:
        return "names"
    if preferred is None:
        row, at = differ[0]
        raise DataError(
            f"dataset {classes.dataset}: {row.place}: label {row.label!r:.60} is both the name of class {at} and the "
            f"index of the class named {classes.names[int(row.label)]!r:.60}, and all other labels can be read in both "
            f'ways too; say which one is meant: label_values = "names" or "indices" in [datasets.{classes.dataset}]'
        )
    return preferred


def _refuse_mixed(classes: Classes, no_name: Sequence[Row], no_index: Sequence[Row]) -> None:
    """Say which labels cannot be read together: one that is neither name nor index, or one of each.

    Raises:
        DataError: always.
    """
    nothing = [row for row in no_name if classes.read(row.label, "indices") is None]
    if nothing:
        classes.index(nothing[0].label, nothing[0].place)
    name, index = no_index[0], no_name[0]
    raise DataError(
        f"dataset {classes.dataset}: labels must be names in all rows or indices in all rows, got the name "
        f"{name.label!r:.60} at {name.place} and the index {index.label!r:.60} at {index.place}; the classes of "
        f"{classes.origin} are {listed(classes.names)}; write all labels alike"
    )


def inferred(dataset: str, rows: Sequence[Row], values: LabelValues | None = None) -> Classes:
    """The classes that the labels of train name: whole numbers from 0, or up to ``MOST_CLASSES`` other names.

    Args:
        dataset: its name, for messages.
        rows: of train.
        values: indices: the labels must be whole numbers from 0; names: any numbers are names; None: as they tell.

    Raises:
        DataError: a label is none, some are numbers and others are not, or they are too few or too many.
    """
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(spelled(dataset, row.label, row.place), row)
    spellings = set(first)
    if values is None:
        _require_all_alike(dataset, first)
    if spellings and all(map(NUMBER.fullmatch, spellings)):
        shortest: dict[Decimal, str] = {}
        for name in sorted(spellings, key=lambda name: (len(name), name)):
            shortest.setdefault(Decimal(name), name)
        spellings = set(shortest.values())
    counted = all(type(row.label) is int for row in rows) or (spellings and all(map(is_index, spellings)))
    if values == "indices" or (counted and values is None):
        return Classes(dataset, _counted(dataset, spellings), "train")
    if not 2 <= len(spellings) <= MOST_CLASSES:
        raise DataError(f"dataset {dataset}: train has {len(spellings)} different labels; wanted 2 to {MOST_CLASSES}")
    return Classes(dataset, tuple(sorted(spellings)), "train")


def _require_all_alike(dataset: str, first: Mapping[str, Row]) -> None:
    """Whether all labels are numbers or none is: where indices and names stand together, a class may be there twice.

    Args:
        dataset: its name, for messages.
        first: row of each label as it is spelt.

    Raises:
        DataError: some are numbers.
    """
    number = next((row for name, row in first.items() if NUMBER.fullmatch(name)), None)
    other = next((row for name, row in first.items() if not NUMBER.fullmatch(name)), None)
    if number is not None and other is not None:
        raise DataError(
            f"dataset {dataset}: labels must be numbers in all rows or in none, got {number.label!r:.60} at "
            f"{number.place} and {other.label!r:.60} at {other.place}; write all labels alike, or set labels = [...], "
            f'or label_values = "names" where each is a class of its own, in [datasets.{dataset}]'
        )


def _counted(dataset: str, spellings: Collection[str]) -> tuple[str, ...]:
    indices = sorted(map(int, spellings)) if all(map(WHOLE.fullmatch, spellings)) else sorted(spellings)
    if indices != list(range(len(indices))) or len(indices) < 2:
        got = listed([str(each) for each in indices])
        raise DataError(
            f"dataset {dataset}: labels of train must be 0..C-1 with at least 2 classes, got {got}; "
            f'or set labels, or label_values = "names", in [datasets.{dataset}]'
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
