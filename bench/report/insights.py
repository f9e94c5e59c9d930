"""What methods show beyond the table: figures in a report's folder, and their index."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bench.cell import slug
from bench.insight import Insight, Value
from bench.record import Record
from bench.report import quotes
from bench.report.names import NAMES, NOT_A_SETTING, apart, flat, labels
from bench.report.render import MARKDOWN
from bench.report.statistics import one_line
from bench.store import CellFolder, write_text

FOLDER, INDEX = "insights", "insights.md"
LONGEST_TEXT = 2000
TABLE_ROWS, TABLE_COLUMNS = 20, 12
INTRODUCTION = (
    "What methods show beyond the table: of each row one seed, the first that was measured and shows something."
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one row of the table has to show.

    Attributes:
        row_id: of its cells.
        record: the one that is drawn; the last that was tried where none can be.
        parts: in the order of the method; none where nothing could be read.
        troubles: what could not be read, a sentence each.
    """

    row_id: str
    record: Record
    parts: tuple[Insight, ...]
    troubles: tuple[str, ...]


def write(pairs: Sequence[tuple[Record, Path]], folder: Path) -> list[Path]:
    """Write the figures of a run into ``folder/insights`` and their index, ``folder/insights.md``.

    A file of insights that cannot be read is named in the index and stops nothing. Where no cell has any, nothing is
    written, and an index of an earlier draw is removed, for it tells of other records; figures are never deleted.
    Columns that quote the data are left out.

    Args:
        pairs: records in the study's order, each with the folder of its cell.
        folder: of the report.

    Returns:
        The written files, the index last.

    Raises:
        RunFolderError: a file cannot be written.
    """
    rows = read(pairs)
    index = folder / INDEX
    if not rows:
        index.unlink(missing_ok=True)
        return []
    from bench.report import figures  # slow to import, and most runs have nothing to draw

    folder.mkdir(parents=True, exist_ok=True)
    lines, written, numbers = ["# Insights", INTRODUCTION], [], itertools.count(1)
    for row, place, head in zip(rows, _places(rows), _heads(rows), strict=True):
        lines += head
        for part in row.parts:
            left_out = quotes.quoting(part)
            shown = quotes.without(part, left_out)
            written += figures.save(shown, folder / FOLDER / place)
            lines += _shown(shown, f"{FOLDER}/{place}/{part.name}", next(numbers))
            lines += _left_out(left_out, part.chart is not None and shown.chart is None)
    write_text(index, "\n\n".join(lines) + "\n")
    return [*written, index]


def read(pairs: Sequence[tuple[Record, Path]]) -> list[Row]:
    """The rows of the table that have something to show, or whose files cannot be read."""
    groups: dict[str, list[tuple[Record, Path]]] = {}
    for record, path in pairs:
        groups.setdefault(record.cell.row_id, []).append((record, path))
    found = ((row_id, _first([pair for pair in group if pair[0].status == "ok"])) for row_id, group in groups.items())
    return [Row(row_id, *first) for row_id, first in found if first is not None]


def _first(pairs: Sequence[tuple[Record, Path]]) -> tuple[Record, tuple[Insight, ...], tuple[str, ...]] | None:
    """The first record with insights, and all that could not be read until then."""
    troubles: list[str] = []
    tried = None
    for record, path in pairs:
        parts, wrong = _parts(CellFolder(path).insights)
        troubles += [f"seed {record.cell.seed}: {one_line(text, 200)}." for text in wrong]
        if parts or wrong:
            tried = record
        if parts:
            break
    return None if tried is None else (tried, tuple(parts), tuple(troubles))


def _parts(path: Path) -> tuple[list[Insight], list[str]]:
    """The insights of one file and what is wrong with it; neither where there is no file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = content.get("parts") if isinstance(content, dict) else None
        if not isinstance(entries, list):
            return [], [f"{path.name} holds no list of parts"]
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"{path.name} cannot be read: {error.strerror}"]
    except (ValueError, RecursionError) as error:
        return [], [f"{path.name} cannot be read: {type(error).__name__}: {error}"]
    parts: dict[str, Insight] = {}
    wrong = []
    for number, entry in enumerate(entries, start=1):
        try:
            part = Insight.model_validate(entry)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, (number, *first["loc"])))
            wrong.append(f"{path.name} is not valid at part {place}: {first['msg']}")
            continue
        if part.name in parts:
            wrong.append(f"{path.name} has two parts of the name {part.name}; the first is shown")
        parts.setdefault(part.name, part)
    return list(parts.values()), wrong


def _places(rows: Sequence[Row]) -> list[str]:
    """A folder's name for each row; with the hash of its settings where names alone do not tell rows apart."""
    names = ["__".join(slug(getattr(row.record.cell, part).name) for part in NAMES) for row in rows]
    folded = [name.casefold() for name in names]
    return [
        name if folded.count(name.casefold()) == 1 else f"{name}-{row.row_id.rsplit('-', 1)[1]}"
        for name, row in zip(names, rows, strict=True)
    ]


def _heads(rows: Sequence[Row]) -> Iterator[list[str]]:
    """By row: its heading, which seed is drawn, and what a reader must know."""
    cells = [row.record.cell for row in rows]
    keys = [tuple(labels(cell, cells).values()) for cell in cells]
    facts = [flat(cell.model_dump(exclude=NOT_A_SETTING)) for cell in cells]
    for at, row in enumerate(rows):
        own = apart(at, keys, facts)
        seed = f"Seed {cells[at].seed}" if row.parts else "Nothing could be read"
        settings = f"; apart from the row of the same name: {_markdown(own)}" if own else ""
        yield [
            f"## {' / '.join(map(_markdown, keys[at]))}",
            f"{seed}{settings}.",
            *(f"Warning: {_markdown(text)}" for text in row.record.warnings),
            *(f"Not shown: {_markdown(text)}" for text in row.troubles),
        ]


def _shown(part: Insight, path: str, number: int) -> list[str]:
    """One insight in the index: its figure, or the first rows of its table, then its caption."""
    title, caption = _markdown(part.title), _markdown(part.caption)
    if part.chart is not None:
        files = f"[csv]({path}.csv), [png]({path}.png)"
        return [f"![{title}]({path}.svg)", f"Figure {number}: {title}. {caption} ({files})"]
    lines = [f"Table {number}: {title}. {caption} ([csv]({path}.csv))"]
    return [*_table(part), *lines]


def _left_out(names: Sequence[str], chart_too: bool) -> list[str]:
    """What the index says of columns that it must not show."""
    if not names:
        return []
    figure = " There is no figure, for its chart needs what is left out." if chart_too else ""
    return [
        f"Left out, for texts of more than {quotes.QUOTE_CHARACTERS} characters quote the data: "
        f"{', '.join(map(_markdown, names))}. The run folder keeps them in the cell's insights.json.{figure}"
    ]


def _table(part: Insight) -> list[str]:
    names = list(part.columns)[:TABLE_COLUMNS]
    if not names:
        return []
    columns = [part.columns[name][:TABLE_ROWS] for name in names]
    rows = [map(_value, names), ["---"] * len(names), *(map(_value, row) for row in zip(*columns, strict=True))]
    grid = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    count = len(part.columns[names[0]])
    if count <= TABLE_ROWS and len(part.columns) <= TABLE_COLUMNS:
        return [grid]
    return [grid, f"Shown is the beginning of {count} rows and {len(part.columns)} columns."]


def _value(value: Value) -> str:
    return "" if value is None else _markdown(f"{value:.6g}" if isinstance(value, float) else str(value))


def _markdown(text: str) -> str:
    return one_line(text, LONGEST_TEXT).translate(MARKDOWN)
