"""Table 3 of the published study from records: quality and resources, a row for dataset x model x method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from bench.cell import Cell
from bench.errors import RunFolderError
from bench.record import Record
from bench.report import csv_text
from bench.report.footnotes import (
    COLLAPSED,
    DAGGER,
    DOUBLE_DAGGER,
    SECTION,
    WRITTEN_AT_FLOOR,
    Footnote,
    Notes,
    likelihood,
    mark_sources,
)
from bench.report.names import NAMES, apart, flat, labels
from bench.report.statistics import Quantity, conditions, mean_std, one_line, over_seeds, quantities_of
from bench.store import write_text

DASH = "–"
NOT_A_SETTING: Any = {"seed": True, "study": True, "limits": True, "method": {"given"}}
LATEX = str.maketrans(
    {char: f"\\{char}" for char in "{}&%$#_"} | {char: f"{{{char}}}" for char in "[]*"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "±": r"$\pm$", DASH: r"\textendash{}", "…": r"\dots{}", DAGGER: r"\textdagger{}",
    DOUBLE_DAGGER: r"\textdaggerdbl{}", SECTION: r"\textsection{}",
})  # fmt: skip
MARKDOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;"} | {c: f"\\{c}" for c in "\\`*_[]~"}
)


@dataclass(frozen=True, slots=True)
class Table3:
    """The table before it is rendered.

    Attributes:
        title: of the run.
        caption: the conditions of measurement.
        quantities: the columns of numbers, in order.
        frame: raw numbers, units in the column names; NA is unknown.
        footnotes: in the order in which they are printed.
        marks: by row and by name of the column (NAMES, or that of a Quantity).
    """

    title: str
    caption: str
    quantities: tuple[Quantity, ...]
    frame: pd.DataFrame
    footnotes: tuple[Footnote, ...]
    marks: Mapping[tuple[int, str], tuple[str, ...]]

    @property
    def headers(self) -> tuple[str, ...]:
        """What stands above the columns, in up to two lines."""
        return (*(name.capitalize() for name in NAMES), *(quantity.header for quantity in self.quantities))


def build(run_title: str, records: Sequence[Record], missing: int = 0, remarks: Sequence[str] = ()) -> Table3:
    """Aggregate records over their seeds.

    Args:
        run_title: of the study.
        records: in the study's order; failed ones too.
        missing: number of cells that have not been run yet.
        remarks: about the whole table, e.g. the study's notes and the command.

    Raises:
        RunFolderError: there is no record, or a cell has two.
    """
    title = one_line(run_title)
    if not records:
        raise RunFolderError(f"{title}: no finished cells; run the study first")
    seen: set[str] = set()
    rows: dict[str, list[Record]] = {}
    for record in records:
        if record.cell_id in seen:
            raise RunFolderError(f"{title}: cell {record.cell_id} has more than one record")
        seen.add(record.cell_id)
        # Only the seed may differ within a row: the same names under other settings are another row.
        rows.setdefault(record.cell.row_id, []).append(record)
    notes, quantities = Notes(), quantities_of(records)
    cells = [row[0].cell for row in rows.values()]
    content = [_names(at, cells, notes) | _row(at, row, quantities, notes) for at, row in enumerate(rows.values())]
    footnotes = notes.footnotes()
    if missing:
        footnotes.append(Footnote("", f"{missing} {'cells' if missing > 1 else 'cell'} not run yet"))
    footnotes += [Footnote("", text) for remark in remarks if (text := one_line(remark))]
    return Table3(title, conditions(records), quantities, _frame(content), tuple(footnotes), notes.marks())


def _names(at: int, cells: Sequence[Cell], notes: Notes) -> dict[str, str]:
    """Labels of one row, told apart where two names share one; where all names agree, by their settings."""
    keys = [tuple(getattr(cell, part).name for part in NAMES) for cell in cells]
    if own := apart(at, keys, [flat(cell.model_dump(exclude=NOT_A_SETTING)) for cell in cells]):
        notes.add(at, "method", f"apart from the row of the same name: {own}")
    return labels(cells[at], cells)


def _row(at: int, records: Sequence[Record], quantities: Sequence[Quantity], notes: Notes) -> dict[str, Any]:
    cell = records[0].cell
    synthetic = any(r.cell.dataset.synthetic or (r.data is not None and r.data.synthetic) for r in records)
    mark_sources(notes, at, cell, synthetic)
    good = [record for record in records if record.status == "ok"]
    failed = [record for record in records if record.status != "ok"]
    messages = "; ".join(dict.fromkeys(_failure(record) for record in failed))
    if len(records) > 1:
        messages = f"{len(failed)} of {len(records)} seeds failed: {messages}"
    if good and failed:
        notes.add(at, "macro_f1", messages)
    # An encoder writes no answers: there, and only there, a dash needs no reason.
    silent = {quantity.column for quantity in quantities if quantity.generated and cell.model.kind == "encoder"}
    numbers: dict[str, float | None] = {}
    for quantity in quantities:
        values, reason = _number(quantity, good, messages)
        numbers |= values
        if reason and quantity.column not in silent:
            notes.add(at, quantity.column, reason)
    _mark_f1(at, good, numbers, notes)
    for record in good:
        for warning in record.warnings:
            of_seed = f"seed {record.cell.seed}: " if len(records) > 1 else ""
            notes.add(at, "method", one_line(f"{of_seed}{warning}", 200))
    status = ("partial" if good else "; ".join(dict.fromkeys(map(_stopped, failed)))) if failed else "ok"
    counts = {"status": status, "seeds": len(good), "seeds_failed": len(failed)}
    marked = {"synthetic": synthetic, "weights": cell.model.weights, "note": notes.of_row(at)}
    return counts | numbers | marked


def _number(quantity: Quantity, good: Sequence[Record], failures: str) -> tuple[dict[str, float | None], str]:
    """Mean and deviation over the measured seeds by the frame's column, and why some are unknown."""
    spread = over_seeds(good, quantity)
    whole = quantity.column.endswith("_params") and spread.mean is not None
    numbers: dict[str, float | None] = {quantity.centre: round(spread.mean or 0) if whole else spread.mean}
    if quantity.spread:
        numbers[f"{quantity.column}_std"] = spread.std
    if not good:
        return numbers, failures
    known = f"known for {spread.known} of {len(good)} seeds: " if spread.known else ""
    return numbers, known + "; ".join(spread.reasons) if spread.reasons else ""


def _mark_f1(at: int, good: Sequence[Record], numbers: Mapping[str, float | None], notes: Notes) -> None:
    """Say of each F1 that it is at its floor, and of a causal model's how it was scored."""
    written = [record.generation.quality for record in good if record.generation]
    for column, qualities, text in (
        ("macro_f1", [record.quality for record in good], COLLAPSED),
        ("generated_macro_f1", written, WRITTEN_AT_FLOOR),
    ):
        f1 = numbers.get(f"{column}_mean")
        if f1 is not None and f1 - mean_std([q.majority_macro_f1 for q in qualities if q])[0] <= 1e-9:
            notes.add(at, column, text)
    if numbers["macro_f1_mean"] is not None:
        for text in dict.fromkeys(likelihood(record.prompt) for record in good if record.prompt):
            notes.add(at, "macro_f1", text)


def _stopped(record: Record) -> str:
    return f"{record.status} in {one_line(record.failure.phase, 40)}" if record.failure else record.status


def _failure(record: Record) -> str:
    message = one_line(record.failure.message, 160) if record.failure else "the record gives no reason"
    return f"{_stopped(record)}: {message}"


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Nullable columns, so that unknown is NA and never NaN."""
    kinds = dict.fromkeys((*NAMES, "status", "weights", "note"), "string") | {"synthetic": "bool"}
    kinds |= dict.fromkeys(("seeds", "seeds_failed", "trainable_params", "total_params"), "Int64")
    frame = pd.DataFrame(rows, dtype=object)
    return frame.astype({column: kinds.get(column, "Float64") for column in frame.columns})


def shown(table: Table3) -> list[list[tuple[str, tuple[str, ...]]]]:
    """Every row as readers see it: text and marks of each cell, in the order of the headers, nothing escaped."""
    rows = []
    for index, row in enumerate(table.frame.to_dict("records")):
        texts = [row[name] for name in NAMES]
        for quantity in table.quantities:
            centre, std = row[quantity.centre], row[f"{quantity.column}_std"] if quantity.spread else pd.NA
            text = DASH if pd.isna(centre) else quantity.written(centre, None if pd.isna(std) else std)
            if quantity.column == "macro_f1":
                text = f"{text} (n={row['seeds']})" if row["seeds"] else row["status"]
            texts.append(text)
        columns = (*NAMES, *(quantity.column for quantity in table.quantities))
        rows.append([(text, table.marks.get((index, col), ())) for text, col in zip(texts, columns, strict=True)])
    return rows


def runs(table: Table3) -> list[tuple[int, int]]:
    """By row: how many from here on share its dataset, and its model too; 0 where one above began it."""
    pairs = list(zip(table.frame["dataset"], table.frame["model"], strict=True))
    return list(zip(_lengths([dataset for dataset, _ in pairs]), _lengths(pairs), strict=True))


def _lengths(keys: Sequence[object]) -> list[int]:
    counts = [len(list(same)) for _, same in groupby(keys)]
    return [length for count in counts for length in (count, *[0] * (count - 1))]


def to_markdown(table: Table3) -> str:
    """GitHub Markdown: a heading, the caption, the table and its footnotes."""
    rows = []
    for row, begins in zip(shown(table), runs(table), strict=True):
        cells = [_markdown(text, " ".join(marks)) for text, marks in row]
        rows.append([cell if begin else "" for cell, begin in zip(cells, begins, strict=False)] + cells[2:])
    frame = pd.DataFrame(rows, columns=[header.replace("\n", " ") for header in table.headers], dtype="string")
    align = ("left",) * len(NAMES) + ("right",) * len(table.quantities)
    grid = frame.to_markdown(index=False, disable_numparse=True, colalign=align)
    notes = [f"{_markdown('', note.mark)} {_markdown(note.text)}".strip() for note in table.footnotes]
    return "\n\n".join([f"# {_markdown(table.title)}", _markdown(table.caption), grid, *notes]) + "\n"


def _markdown(text: str, marks: str = "") -> str:
    return text.translate(MARKDOWN) + (f"<sup>{marks}</sup>" if marks else "")


def to_csv(table: Table3) -> str:
    """Raw numbers, empty where unknown; text that a spreadsheet would compute gets a leading apostrophe."""
    frame = table.frame.copy()
    for column in (*NAMES, "status", "weights", "note"):
        frame[column] = [csv_text.safe(text) for text in frame[column]]
    return str(frame.to_csv(index=False, lineterminator="\n"))


def to_latex(table: Table3) -> str:
    """A whole table* environment; needs the packages booktabs, multirow and graphicx."""
    rows = []
    for row, begins in zip(shown(table), runs(table), strict=True):
        cells = [_latex(text, " ".join(marks)) for text, marks in row]
        for place, count in enumerate(begins):
            text = rf"\multirow[t]{{{count}}}{{*}}{{{cells[place]}}}" if count > 1 else cells[place]
            cells[place] = text if count else ""
        rows.append(cells)
    headers = [rf"\shortstack{{{_latex(header)}}}".replace("\n", r" \\ ") for header in table.headers]
    style = pd.DataFrame(rows, columns=headers, dtype="string").style.hide(axis="index")
    tabular = style.to_latex(hrules=True, column_format="l" * len(NAMES) + "r" * len(table.quantities)).strip()
    notes = [f"{_latex('', note.mark)} {_latex(note.text)}".strip() for note in table.footnotes]
    below = [r"\par\smallskip", r"\begin{minipage}{\textwidth}\footnotesize\raggedright"]
    below += ["\\par\n".join(notes), r"\end{minipage}"]
    title = _latex(table.title)
    lines = [
        "% packages: booktabs, multirow, graphicx",
        r"\begin{table*}[tb]",
        r"\centering",
        rf"\caption[{{{title}}}]{{{title}. {_latex(table.caption)}}}",
        rf"\resizebox{{\textwidth}}{{!}}{{%{chr(10)}{tabular}%{chr(10)}}}",
        *(below if notes else ()),
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _latex(text: str, marks: str = "") -> str:
    # Twice for three hyphens in a row: --flag must not become a dash.
    escaped = text.translate(LATEX).replace("--", "-{}-").replace("--", "-{}-")
    return escaped + (rf"\textsuperscript{{{marks.translate(LATEX)}}}" if marks else "")


def write(table: Table3, folder: Path) -> list[Path]:
    """Write table3.md, table3.csv and table3.tex into a folder, made where missing; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"table3.{suffix}" for suffix in ("md", "csv", "tex")]
    for path, render in zip(paths, (to_markdown, to_csv, to_latex), strict=True):
        write_text(path, render(table))
    return paths
