"""One table of several runs, with the machine as a column."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import pandas as pd

from bench.errors import RunFolderError
from bench.report.tables.footnotes import Notes
from bench.report.tables.table import Table
from bench.text.tables.table import SYMBOLS, Column, Footnote, Rank

MACHINE = "machine"
WITHIN = "Bold, underlining and comparisons with the best apply within one machine."
ABSENT = "no cell of this machine has it"


def merged(tables: Sequence[tuple[str, Table]]) -> Table:
    """The rows of all tables, rows of the same names next to each other.

    Args:
        tables: one or more tables of one kind, each with the label of its machine or run.

    Raises:
        RunFolderError: two tables share a label.
    """
    labels = [label for label, _ in tables]
    if twice := [label for label, count in Counter(labels).items() if count > 1]:
        raise RunFolderError(f"several runs cannot share one label in a table: {twice[0]}")
    first = tables[0][1]
    columns, frame = _together([table.columns for _, table in tables]), _stacked(tables)
    parts = [dict(table.parts()) for _, table in tables]
    headings = dict.fromkeys(heading for own in parts for heading in own)
    order = _order(frame, list(first.heads))
    notes, ranks = _notes(tables, columns, order)
    frame = frame.loc[order].reset_index(drop=True)
    frame["note"] = [notes.of_row(at) for at in range(len(frame))]
    ranked = [WITHIN] if ranks or "against_best" in frame else []
    return Table(
        name=first.name, title="; ".join(dict.fromkeys(table.title for _, table in tables)),
        caption=" ".join([_by_label([(label, _sentences(table.caption)) for label, table in tables]), *ranked]),
        heads={**first.heads, MACHINE: "Machine"}, columns=columns, frame=frame,
        footnotes=(*notes.footnotes(), *_unmarked(tables)), marks=notes.marks(), ranks=ranks,
        grids=tuple((name, _together([own[name] for own in parts if name in own])) for name in headings),
        source="; ".join(dict.fromkeys(table.source for _, table in tables if table.source)),
    )  # fmt: skip


def _together(lists: Iterable[Sequence[Column]]) -> tuple[Column, ...]:
    """The columns of all lists; a new column is inserted after its predecessor."""
    found: list[Column] = []
    for columns in lists:
        at = 0
        for column in columns:
            names = [one.name for one in found]
            if column.name in names:
                at = names.index(column.name) + 1
            else:
                found.insert(at, column)
                at += 1
    return tuple(found)


def _stacked(tables: Sequence[tuple[str, Table]]) -> pd.DataFrame:
    """All rows in the order of the tables; the machine follows the names, and missing texts are empty."""
    frames = []
    for label, table in tables:
        frame = table.frame.copy()
        frame.insert(len(table.heads), MACHINE, pd.Series([label] * len(frame), dtype="string"))
        frames.append(frame)
    frame = pd.concat(frames, ignore_index=True)
    texts = frame.columns[frame.dtypes == "string"]
    return frame.fillna(dict.fromkeys(texts, ""))


def _order(frame: pd.DataFrame, names: Sequence[str]) -> list[int]:
    """The order of the rows that groups equal names, in order of first appearance."""
    keys = []
    for depth in range(1, len(names) + 1):
        paths = list(frame[list(names[:depth])].itertuples(index=False, name=None))
        place = {path: at for at, path in enumerate(dict.fromkeys(paths))}
        keys.append([place[path] for path in paths])
    by_row = list(zip(*keys, strict=True))
    return sorted(range(len(frame)), key=lambda at: by_row[at])


def _notes(
    tables: Sequence[tuple[str, Table]], columns: Sequence[Column], order: Sequence[int]
) -> tuple[Notes, dict[tuple[int, str], Rank]]:
    """Footnotes with new marks, and ranks, by row of the merged table."""
    origins = [(table, at) for _, table in tables for at in range(len(table.frame))]
    notes = Notes()
    ranks: dict[tuple[int, str], Rank] = {}
    for row, origin in enumerate(order):
        table, at = origins[origin]
        texts = {note.mark: note.text for note in table.footnotes if note.mark}
        own = [*table.heads, *(column.name for column in table.columns)]
        for name in [*table.heads, *(column.name for column in columns)]:
            for mark in table.marks.get((at, name), ()):
                notes.add(row, name, texts[mark], mark if mark in SYMBOLS else "")
            if name not in own:
                notes.add(row, name, ABSENT)
            if rank := table.ranks.get((at, name)):
                ranks[row, name] = rank
    return notes, ranks


def _unmarked(tables: Sequence[tuple[str, Table]]) -> list[Footnote]:
    """Footnotes about whole tables: common ones once, others with their label."""
    found = [(label, [note.text for note in table.footnotes if not note.mark]) for label, table in tables]
    shared = _shared(texts for _, texts in found)
    own = [f"{label}: {text}" for label, texts in found for text in texts if text not in shared]
    return [Footnote("", text) for text in (*shared, *own)]


def _by_label(captions: Sequence[tuple[str, list[str]]]) -> str:
    """Sentences of one caption only, after its label, then the common ones."""
    shared = _shared(sentences for _, sentences in captions)
    parts = [(label, [one for one in sentences if one not in shared]) for label, sentences in captions]
    return " ".join([*(f"{label}: {' '.join(own)}" for label, own in parts if own), *shared])


def _shared(lists: Iterable[Sequence[str]]) -> list[str]:
    first, *others = lists
    return [text for text in dict.fromkeys(first) if all(text in other for other in others)]


def _sentences(caption: str) -> list[str]:
    return re.split(r"(?<=\.) (?=[A-Z])", caption)
