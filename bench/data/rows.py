"""One row of a dataset as it was read: unchecked texts and label, and its place for messages."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bench.errors import DataError
from bench.study.datasets import DatasetSource
from bench.text.message import listed


class Row(NamedTuple):
    """One row.

    Attributes:
        text: the text, or the first of a pair.
        label: the label, unchecked.
        place: file and line, or split, for messages.
        pair: the second text of a pair; None for single texts.
    """

    text: Any
    label: Any
    place: str
    pair: Any = None


def row_of(source: DatasetSource, found: Mapping[str, Any], place: str, names: Sequence[str] | None = None) -> Row:
    """Pick the texts and the label of one row.

    Args:
        source: dataset, which names the columns.
        found: values by column.
        place: place of the row, for messages.
        names: class names by index, see ``names_of_indices``.

    Raises:
        DataError: a column is missing.
    """
    require_columns(source, list(found), place)
    label = found[source.label_column]
    if names is not None and type(label) is int and 0 <= label < len(names):
        label = names[label]
    pair = None if source.pair_column is None else found[source.pair_column]
    return Row(found[source.text_column], label, place, pair)


def names_of_indices(source: DatasetSource, declared: Sequence[str] | None) -> Sequence[str] | None:
    """Class names that replace the indices of one file; None if the indices stay.

    An index becomes its name, since another file may number the classes differently. If the study gives other class
    names, indices refer to the study's; if it gives the same names in another order, they refer to the file's.

    Args:
        source: dataset.
        declared: class names that the file declares for the label column; None if it declares none.
    """
    if declared is None or source.labels is None:
        return declared
    same = source.label_values is None and sorted(declared) == sorted(source.labels)
    return declared if same else None


def require_columns(source: DatasetSource, found: Sequence[str], place: str) -> None:
    """Require that each column that is read occurs once.

    Raises:
        DataError: a column is missing or occurs twice.
    """
    for column in source.columns:
        if found.count(column) == 1:
            continue
        if column in found:
            raise DataError(f"dataset {source.name}: {place}: column {column!r} occurs twice; rename one")
        raise DataError(
            f"dataset {source.name}: {place}: no column {column!r}; it has {listed(found)}; "
            f"set text and label in [datasets.{source.name}]{_separator_hint(found)}"
        )


def _separator_hint(found: Sequence[str]) -> str:
    if len(found) == 1 and any(mark in str(found[0]) for mark in ";\t|"):
        return "; columns of a .csv are separated by commas, those of a .tsv by tabs"
    return ""
