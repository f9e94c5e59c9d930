"""Table 1 of the published study from records: the datasets, one row per sample."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from bench.record.data import Data
from bench.record.record import Record
from bench.report.analysis.names import apart, flat, labels
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.analysis.quantities.readers import is_synthetic
from bench.report.tables.conditions import reading
from bench.report.tables.footnotes import Notes, mark_dataset
from bench.report.tables.table import SAME_NAME, Table, failures, frame_of, rows_of
from bench.text.display import one_line
from bench.text.tables.table import DASH, Column, Values

NAME = "table1"
SPLITS = ("train", "validation", "test")
SETTINGS = ("max_train_samples", "max_evaluation_samples", "validation_fraction", "split_seed", "resample_splits")
TEXTS = ("dataset", "sha256", "evaluated_split", "note")
RESAMPLED = "drawn anew by each seed: data.resample_splits"
CAPTION = (
    "Samples are those that cells used. Tokens: mean over the evaluated split, without padding and with what a prompt "
    "puts around a text, at most the max length; truncated: the share of its texts that the max length cut."
)


def _of_data(column: str, header: str, read: Callable[[Data], float | None]) -> Quantity:
    return Quantity(column, header, lambda record: read(record.data) if record.data else None, ("data",), 1)


def _truncated_percent(data: Data) -> float | None:
    return None if data.truncated_fraction is None else 100 * data.truncated_fraction


MEASURED = (
    _of_data("tokens_per_sample", "Mean\ntokens", lambda data: data.tokens_per_sample),
    _of_data("truncated_percent", "Truncated\n(%)", _truncated_percent),
)


def build(title: str, records: Sequence[Record], *, source: str = "") -> Table:
    """List the texts that were read of each dataset. Arguments and errors: ``table3.build``."""
    rows_of(title, records)
    rows, notes = _samples(records), Notes()
    facts = [_facts(row[0]) for row in rows]
    names = [row[0].cell.dataset.name for row in rows]
    content = []
    for at, row in enumerate(rows):
        label = labels(row[0].cell, [other[0].cell for other in rows])["dataset"]
        if own := apart(at, names, facts):
            notes.add(at, "dataset", f"{SAME_NAME}{own}")
        content.append({"dataset": label} | _row(at, row, notes))
    return Table(
        name=NAME, title=f"{title}: datasets", caption=f"{reading(records)} {CAPTION}", heads={"dataset": "Dataset"},
        columns=COLUMNS, frame=frame_of([row | {"note": notes.of_row(at)} for at, row in enumerate(content)], TEXTS),
        footnotes=tuple(notes.footnotes()), marks=notes.marks(), source=source,
    )  # fmt: skip


def _samples(records: Sequence[Record]) -> list[list[Record]]:
    """Group records by dataset and, if known, by texts and splits."""
    found: dict[Hashable, list[Record]] = {}
    read = {record.cell.dataset.name for record in records if record.data}
    for record in records:
        name, data = record.cell.dataset.name, record.data
        if data:
            texts = "resampled" if record.cell.data.resample_splits else data.sha256
            found.setdefault((name, texts, *sorted(data.rows.items())), []).append(record)
        elif name not in read:
            found.setdefault(name, []).append(record)
    return list(found.values())


def _facts(record: Record) -> dict[str, Any]:
    settings = record.cell.data.model_dump(include=set(SETTINGS))
    read = {"rows": record.data.rows, "sha256": record.data.sha256[:12]} if record.data else {}
    return flat({"data": settings} | read)


def _row(at: int, row: Sequence[Record], notes: Notes) -> dict[str, Any]:
    cell, data = row[0].cell, row[0].data
    synthetic = is_synthetic(row[0])
    mark_dataset(notes, at, cell, synthetic)
    labels_of_classes = data.labels if data else cell.dataset.labels
    numbers: dict[str, Any] = {f"{split}_samples": data.rows.get(split) if data else None for split in SPLITS}
    numbers["classes"] = len(labels_of_classes) if labels_of_classes else None
    for quantity in MEASURED:
        found = [value for value in quantity.values(row) if value is not None]
        numbers |= {f"{quantity.column}_{end.__name__}": end(found, default=None) for end in (min, max)}
    _explain(at, row, numbers, notes)
    return numbers | {
        "synthetic": synthetic,
        "sha256": _sha256(row),
        "evaluated_split": ", ".join(sorted({record.cell.data.evaluate_split for record in row})),
    }


def _sha256(row: Sequence[Record]) -> str:
    """The hash of the texts; empty if unknown, or if seeds drew different ones."""
    found = {record.data.sha256 for record in row if record.data}
    return found.pop() if len(found) == 1 else ""


def _explain(at: int, row: Sequence[Record], numbers: Mapping[str, float | None], notes: Notes) -> None:
    """Add the reasons for unknown numbers, and the differences between models."""
    for name, value in numbers.items():
        if value is None and not name.endswith("_max"):
            notes.add(at, name.removesuffix("_min"), _why_not(row, name))
    _explain_splits(at, row, numbers, notes)
    if len(by_model := _by_model(row)) > 1:
        for quantity in MEASURED:
            notes.add(at, quantity.column, one_line(f"mean tokens, truncated: {'; '.join(by_model)}", 400))


def _why_not(row: Sequence[Record], name: str) -> str:
    if row[0].data is not None:
        return f"the record gives no data.rows.{name.removesuffix('_samples')} and no reason"
    unknown = row[0].unknown.get("data")
    return failures(row, "cells") or (one_line(unknown, 160) if unknown else "the record gives no data and no reason")


def _explain_splits(at: int, row: Sequence[Record], numbers: Mapping[str, float | None], notes: Notes) -> None:
    """Mark splits that are samples, carved from train, or evaluated instead of test."""
    settings, data = row[0].cell.data, row[0].data
    for split in SPLITS if data else ():
        limit = "max_train_samples" if split == "train" else "max_evaluation_samples"
        if (most := getattr(settings, limit)) is not None and most == numbers[f"{split}_samples"]:
            notes.add(
                at, f"{split}_samples", f"at most data.{limit} = {most}: a stratified sample where the split has more"
            )
    if settings.resample_splits:
        for split in ("train", "validation"):
            notes.add(at, f"{split}_samples", RESAMPLED)
    if data is not None and data.validation_carved:
        carved = f"carved from train: data.validation_fraction = {settings.validation_fraction}"
        notes.add(at, "validation_samples", carved)
    if any(record.cell.data.evaluate_split == "validation" for record in row):
        notes.add(at, "validation_samples", "quality and inference are measured on this split")


def _by_model(row: Sequence[Record]) -> list[str]:
    """Tokens and truncation by model; models with equal numbers share a line."""
    tokens, truncated = MEASURED
    found: dict[tuple[str, str], list[str]] = {}
    for record in row:
        if record.data and record.data.tokens_per_sample is not None:
            numbers = (
                tokens.written(tokens.read(record) or 0, None),
                truncated.written(truncated.read(record) or 0, None),
            )
            cell = record.cell
            name = f"{cell.model.label} (max length {cell.data.max_length}, {cell.data.evaluate_split})"
            found.setdefault(numbers, []).append(name)
    return [f"{' and '.join(dict.fromkeys(names))} {one}, {other} %" for (one, other), names in found.items()]


def _range(quantity: Quantity) -> Column:
    def write(row: Values) -> str:
        ends = [row[f"{quantity.column}_{end}"] for end in ("min", "max")]
        texts = [DASH if pd.isna(end) else quantity.written(end, None) for end in ends]
        return " to ".join(dict.fromkeys(texts))

    return Column(quantity.column, quantity.header, write)


def _count(column: str, header: str) -> Column:
    return Column(column, header, lambda row: DASH if pd.isna(row[column]) else str(row[column]))


COLUMNS = (
    *(_count(f"{split}_samples", f"{split.capitalize()}\nsamples") for split in SPLITS),
    _count("classes", "Classes"),
    *map(_range, MEASURED),
)
