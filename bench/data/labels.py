"""Classes of a dataset, and the class that each label means, the same in all splits."""

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

#: Maximum number of inferred classes; a column with more distinct values is not a label.
MOST_CLASSES = 1000
#: Maximum characters of a label, which every table, chart and record repeats.
LONGEST_LABEL = 1000
NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")
WHOLE = re.compile(r"[+-]?[0-9]{1,30}")

KINDS: tuple[LabelValues, LabelValues] = ("names", "indices")

Key = str | Decimal


@dataclass(frozen=True, slots=True)
class Classes:
    """Class names by index, and the matching of labels to them.

    Labels are either names, surrounding blanks ignored, or indices. If all names are numbers, they are compared as
    numbers: ``2`` means ``2.0``.

    Attributes:
        dataset: name of the dataset, for messages.
        names: class names by index.
        origin: source of the names, for messages.
        values: whether labels are names or indices, see ``DatasetEntry.label_values``.
        either: whether labels may still be either, for messages.
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
                f"dataset {self.dataset}: class names must differ, got {listed(list(map(repr, self.names)))} from "
                f"{self.origin}; set labels in [datasets.{self.dataset}]"
            )

    def index(self, label: Any, place: str) -> int:
        """Class index of a label.

        Raises:
            DataError: no class matches; the message gives the place and the accepted labels.
        """
        name = label_text(self.dataset, label, place)
        found = self.read(label, self.values)
        if found is None:
            raise DataError(f"dataset {self.dataset}: {place}: bad label {label!r:.60}; wanted {self._wanted(name)}")
        return found

    def read(self, label: str | int, values: LabelValues) -> int | None:
        """Class index of a label that is read as a name or as an index; None if no class matches."""
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
        near = [known for known in self.names if loose_key(known) == loose_key(name)]
        if near:
            return f"{wanted}; {near[0]!r:.100} differs only by case, blanks or Unicode form: write both the same way"
        if name == "-1":
            return f"{wanted}; -1 often marks texts without public labels: use a split that has labels"
        return wanted


def named_classes(
    dataset: str, names: Sequence[str], origin: str, rows: Iterable[Row], values: LabelValues | None = None,
    preferred: LabelValues | None = None,
) -> Classes:  # fmt: skip
    """Classes with given names; whether labels are names or indices is decided once for all rows.

    Args:
        dataset: name of the dataset, for messages.
        names: class names by index.
        origin: source of the names, for messages.
        rows: rows of all splits.
        values: whether labels are names or indices; None to infer it.
        preferred: choice for labels that can be read both ways with different results; None to refuse them.

    Raises:
        DataError: a name is empty or repeated, there are fewer than two, a label matches no class, or labels are a mix
            of names and indices or can be read both ways.
    """
    either = Classes(dataset, tuple(label_text(dataset, name, origin) for name in names), origin, either=True)
    if len(names) < 2:
        raise DataError(f"dataset {dataset}: there must be at least 2 classes, got {listed(names)} from {origin}")
    decided = values or _names_or_indices(either, rows, preferred)
    return Classes(dataset, either.names, origin, decided)


def _names_or_indices(classes: Classes, rows: Iterable[Row], preferred: LabelValues | None) -> LabelValues:
    """Whether all labels are names or indices.

    Raises:
        DataError: labels are a mix of both, or can be read both ways.
    """
    first: dict[tuple[type, str | int], Row] = {}
    for row in rows:
        if not isinstance(row.label, str | int):
            label_text(classes.dataset, row.label, row.place)  # it raises
        first.setdefault((type(row.label), row.label), row)
    for row in first.values():
        label_text(classes.dataset, row.label, row.place)
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
            f"index of the class named {classes.names[int(row.label)]!r:.60}, and all other labels can be read both "
            f'ways too; choose one: label_values = "names" or "indices" in [datasets.{classes.dataset}]'
        )
    return preferred


def _refuse_mixed(classes: Classes, no_name: Sequence[Row], no_index: Sequence[Row]) -> None:
    """Raise an error that quotes a label that is neither name nor index, or one of each.

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
        f"{classes.origin} are {listed(classes.names)}; write all labels the same way"
    )


def inferred_classes(dataset: str, rows: Sequence[Row], values: LabelValues | None = None) -> Classes:
    """Classes inferred from the labels of train: whole numbers from 0, or up to ``MOST_CLASSES`` names.

    Args:
        dataset: name of the dataset, for messages.
        rows: rows of train.
        values: ``indices`` to require whole numbers from 0, ``names`` to read numbers as names; None to infer it.

    Raises:
        DataError: a label is malformed, only some are numbers, or there are too few or too many classes.
    """
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(label_text(dataset, row.label, row.place), row)
    spellings = set(first)
    if values is None:
        _refuse_some_numbers(dataset, first)
    if spellings and all(map(NUMBER.fullmatch, spellings)):
        shortest: dict[Decimal, str] = {}
        for name in sorted(spellings, key=lambda name: (len(name), name)):
            shortest.setdefault(Decimal(name), name)
        spellings = set(shortest.values())
    counted = all(type(row.label) is int for row in rows) or (spellings and all(map(is_index, spellings)))
    if values == "indices" or (counted and values is None):
        return Classes(dataset, _indices_from_zero(dataset, spellings), "train")
    if not 2 <= len(spellings) <= MOST_CLASSES:
        raise DataError(f"dataset {dataset}: train has {len(spellings)} different labels; wanted 2 to {MOST_CLASSES}")
    return Classes(dataset, tuple(sorted(spellings)), "train")


def _refuse_some_numbers(dataset: str, first: Mapping[str, Row]) -> None:
    """Require that all labels are numbers or none is: in a mix of indices and names a class may occur twice.

    Args:
        dataset: name of the dataset, for messages.
        first: first row of each spelling of a label.

    Raises:
        DataError: only some labels are numbers.
    """
    number = next((row for name, row in first.items() if NUMBER.fullmatch(name)), None)
    other = next((row for name, row in first.items() if not NUMBER.fullmatch(name)), None)
    if number is not None and other is not None:
        raise DataError(
            f"dataset {dataset}: labels must be numbers in all rows or in none, got {number.label!r:.60} at "
            f"{number.place} and {other.label!r:.60} at {other.place}; write all labels the same way, or set labels = "
            f'[...], or label_values = "names" if each is a separate class, in [datasets.{dataset}]'
        )


def _indices_from_zero(dataset: str, spellings: Collection[str]) -> tuple[str, ...]:
    indices = sorted(map(int, spellings)) if all(map(WHOLE.fullmatch, spellings)) else sorted(spellings)
    if indices != list(range(len(indices))) or len(indices) < 2:
        got = listed([str(each) for each in indices])
        raise DataError(
            f"dataset {dataset}: labels of train must be 0..C-1 with at least 2 classes, got {got}; "
            f'or set labels, or label_values = "names", in [datasets.{dataset}]'
        )
    return tuple(map(str, indices))


def label_text(dataset: str, label: Any, place: str) -> str:
    """A label as text, without surrounding blanks.

    Raises:
        DataError: the label is not text or a whole number, is blank or too long, or holds half a surrogate pair.
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
            raise DataError(f"dataset {dataset}: {place}: bad label {label!r:.60}; half a surrogate pair is not text")
        return name
    kind = "null" if label is None else f"a {type(label).__name__}"
    raise DataError(
        f"dataset {dataset}: {place}: bad label {label!r:.60}; a label must be text or a whole number, got {kind}"
    )


def is_index(name: str) -> bool:
    """Whether a label can be a class index."""
    return name.isascii() and name.isdecimal() and len(name) < 10  # int() refuses very long ones


def loose_key(name: str) -> str:
    """A key that names share if they differ only by case, blanks or Unicode form."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def nearly_equal(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ only by case, blanks or Unicode form."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(loose_key(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
