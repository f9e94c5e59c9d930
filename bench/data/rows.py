"""A row of a dataset as it was found: texts and label, not yet checked, and the place for messages."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bench.errors import DataError
from bench.study.datasets import DatasetSource
from bench.text.message import listed


class Row(NamedTuple):
    """One row.

    Attributes:
        text: the text, or the first of a pair.
        label: as found.
        place: file and line, or split, for messages.
        pair: the second text of a pair; None where the dataset has single texts.
    """

    text: Any
    label: Any
    place: str
    pair: Any = None


def row_of(source: DatasetSource, found: Mapping[str, Any], place: str, names: Sequence[str] | None = None) -> Row:
    """The columns of one row that the dataset's texts and label stand in.

    Args:
        source: for the names of the columns.
        found: values by column.
        place: of the row, for messages.
        names: see ``names_of_indices``.

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
    """The names that take the place of the indices of one file; None where its indices stay.

    Args:
        source: of the dataset.
        declared: class names that the file declares for the label column; None where it declares none.

    An index becomes its name, since another file may number the classes otherwise. Where the study names classes of its
    own, indices are those of the study; where it names the same ones in another order, they are the file's.
    """
    if declared is None or source.labels is None:
        return declared
    same = source.label_values is None and sorted(declared) == sorted(source.labels)
    return declared if same else None


def require_columns(source: DatasetSource, found: Sequence[str], place: str) -> None:
    """Whether each column that is read is there once.

    Raises:
        DataError: it is missing, or stands there twice.
    """
    for column in source.columns:
        if found.count(column) == 1:
            continue
        if column in found:
            raise DataError(f"dataset {source.name}: {place}: column {column!r} stands there twice; name each once")
        raise DataError(
            f"dataset {source.name}: {place}: no column {column!r}; it has {listed(found)}; "
            f"set text and label in [datasets.{source.name}]{_separator_hint(found)}"
        )


def _separator_hint(found: Sequence[str]) -> str:
    if len(found) == 1 and any(mark in str(found[0]) for mark in ";\t|"):
        return "; columns of a .csv are separated by commas, those of a .tsv by tabs"
    return ""
