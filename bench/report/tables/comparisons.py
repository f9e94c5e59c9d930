"""Paired comparisons as readers see them: on the terminal, as Markdown and as csv."""

import math
from collections.abc import Collection, Mapping, Sequence

import pandas as pd
from rich.console import Console

from bench.report.analysis.compared import RATIOS
from bench.report.analysis.statistics import LEVEL
from bench.report.tables import csv_text, terminal
from bench.report.tables.comparison_table import NAMED, TEXTS, Comparisons
from bench.report.tables.render import MARKDOWN, paragraph
from bench.report.tables.table import DASH

#: Name in the frame and what readers see; ``difference`` also stands for the columns that come from it.
HEADERS = {
    "dataset": "Dataset", "model": "Model", "first": "First", "second": "Second",
    "difference": "F1 difference (macro)", "interval": f"{LEVEL:.0%} interval",
    "seeds_interval": f"{LEVEL:.0%} interval over seeds", "texts": "Texts", "seeds": "Seeds", "verdict": "Verdict",
    "right": "Texts that only the first / second got right", "p_value": "McNemar p",
    "train_samples_per_second": "Train throughput ratio", "inference_samples_per_second": "Inference throughput ratio",
    "forward_gflops": "FLOPs ratio", "trainable_params": "Trainable params ratio",
}  # fmt: skip
Shown = Mapping[str, tuple[str, tuple[str, ...]]]
"""Text and marks by column, see HEADERS."""


def shown(table: Comparisons) -> list[Shown]:
    """Every row as readers see it, nothing escaped."""
    rows: list[Shown] = []
    for at, row in enumerate(table.frame.to_dict("records")):
        texts = {column: row[column] for column in (*NAMED, "verdict")}
        texts |= {column: DASH for column in HEADERS if column not in texts}
        texts["seeds"] = str(row["seeds"])
        if not pd.isna(row["macro_f1_difference"]):
            texts["texts"] = str(row["texts"])
            texts["difference"] = f"{row['macro_f1_difference']:+.4f}"
            texts["right"] = " / ".join(f"{row[f'only_{one}_right_texts_mean']:.1f}" for one in ("first", "second"))
            if not pd.isna(row["mcnemar_p_value"]):
                texts["p_value"] = "<0.0001" if row["mcnemar_p_value"] < 1e-4 else f"{row['mcnemar_p_value']:.4f}"
        for column in ("interval", "seeds_interval"):
            ends = [row[f"{column}_{end}"] for end in ("low", "high")]
            if not pd.isna(ends[0]):
                texts[column] = " to ".join(f"{end:+.4f}" for end in ends)
        for column in RATIOS:
            values = [row[f"{column}_ratio_{part}"] for part in ("median", "lowest", "highest")]
            if not pd.isna(values[0]):
                texts[column] = _ratio(*values)
        rows.append({column: (text, table.marks.get((at, column), ())) for column, text in texts.items()})
    return rows


def _ratio(middle: float, lowest: float, highest: float) -> str:
    texts = [_three_digits(value) for value in (middle, lowest, highest)]
    return texts[0] if lowest == highest else f"{texts[0]} ({texts[1]} to {texts[2]})"


def _three_digits(value: float) -> str:
    places = 2 if value <= 0 else max(0, 2 - math.floor(math.log10(value)))
    return f"{value:.{places}f}"


def to_markdown(table: Comparisons) -> str:
    """GitHub Markdown: a heading, the caption, the table and its footnotes."""
    rows = shown(table)
    columns = [column for column in HEADERS if column != "p_value" or any(row[column][0] != DASH for row in rows)]
    cells = [[_markdown(*row[column]) for column in columns] for row in rows]
    frame = pd.DataFrame(cells, columns=[HEADERS[column] for column in columns], dtype="string")
    align = ["left" if column in (*NAMED, "verdict") else "right" for column in columns]
    grid = frame.to_markdown(index=False, disable_numparse=True, colalign=align)
    notes = [paragraph(f"{_markdown(note.mark)} {_markdown(note.text)}".strip()) for note in table.footnotes]
    return "\n\n".join([f"# {_markdown(table.title)}", _markdown(table.caption), grid, *notes]) + "\n"


def _markdown(text: str, marks: Sequence[str] = ()) -> str:
    return text.translate(MARKDOWN) + (f"<sup>{' '.join(marks)}</sup>" if marks else "")


def to_csv(table: Comparisons) -> str:
    """Raw numbers, empty where unknown; text that a spreadsheet would compute gets a leading apostrophe."""
    frame = table.frame.copy()
    for column in TEXTS:
        frame[column] = [csv_text.safe(text) for text in frame[column]]
    return str(frame.to_csv(index=False, lineterminator="\n"))


def show(table: Comparisons, console: Console) -> None:
    """Print what is found, without what it costs and the interval over seeds: those are in the files."""
    rows, caption = [], table.caption
    for row in shown(table):
        (first, first_marks), (second, second_marks) = row["first"], row["second"]
        pair = (f"{first} − {second}", tuple(dict.fromkeys((*first_marks, *second_marks))))
        (difference, marks), (interval, _) = row["difference"], row["interval"]
        both = difference if interval == DASH else f"{difference} ({interval})"
        rows.append([row["dataset"], row["model"], pair, (both, marks), row["texts"], row["seeds"], row["verdict"]])
    difference_header = f"F1 difference\n({HEADERS['interval']})"
    headers = ("Dataset", "Model", "First minus second", difference_header, "Texts", "Seeds", "Verdict")
    marks_shown = {mark for row in rows for _, marks in row for mark in marks}
    notes = [f"{note.mark} {note.text}" for note in table.footnotes if note.mark in marks_shown]
    terminal.show_title(table.title, console)
    terminal.show_rows(headers, rows, [[1, 1]] * len(rows), console)
    if not table.frame["seeds_interval_low"].isna().all():
        caption += " The interval over seeds is in the files."
    terminal.show_notes(notes, caption, console)


def files(table: Comparisons, formats: Collection[str]) -> dict[str, bytes]:
    """The table by file name, in those of the formats that it has: md and csv."""
    writers = {"md": to_markdown, "csv": to_csv}
    return {f"comparisons.{name}": write(table).encode() for name, write in writers.items() if name in formats}
