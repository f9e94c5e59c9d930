"""Evidence as JSON lines: first each set of predicted texts, then one line per record."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationError, field_validator

from bench.errors import RunFolderError
from bench.record.record import Record
from bench.report.results import portable
from bench.report.results.measured import Evidence, Measured, Shown
from bench.report.results.predictions import Predictions
from bench.report.results.step_curve import StepCurve
from bench.schema import Frozen
from bench.text.json_text import loads


class _Texts(Frozen):
    """Ids and classes of predicted texts, without the texts."""

    texts: str = Field(description="sha256 of the rest, which cells refer to")
    ids: tuple[str, ...]
    labels: tuple[int, ...]


class _EvidenceLine(Frozen):
    """The evidence of one record."""

    cell_id: str
    texts: str | None = Field(description="sha256 of the predicted texts; null if no_predictions gives a reason")
    predicted: tuple[int, ...] = ()
    no_predictions: str = ""
    curves: tuple[StepCurve, ...] = ()
    shown: tuple[Shown, ...] = ()
    troubles: tuple[str, ...] = ()
    log: str = ""

    @field_validator("shown")
    @classmethod
    def _each_once(cls, shown: tuple[Shown, ...]) -> tuple[Shown, ...]:
        if len({one.part.name for one in shown}) < len(shown):
            raise ValueError("two parts have one name")
        return shown


def write(cells: Sequence[Measured]) -> list[str]:
    """The lines."""
    sets: dict[str, str] = {}
    lines = [_line(cell, sets) for cell in cells]
    return [*sets.values(), *lines]


def _line(cell: Measured, sets: dict[str, str]) -> str:
    found = cell.evidence
    content: dict[str, Any] = {
        "cell_id": cell.record.cell_id, "texts": None,
        "curves": [curve.model_dump(mode="json") for curve in found.curves],
        "shown": [one.model_dump(mode="json") for one in found.shown],
        "troubles": tuple(map(portable.text, found.troubles)), "log": portable.text(found.log),
    }  # fmt: skip
    if isinstance(found.predictions, str):
        content["no_predictions"] = portable.text(found.predictions)
    else:
        content["texts"] = _name(found.predictions, sets)
        content["predicted"] = found.predictions.predicted.tolist()
    return _dumped(content)


def _name(predictions: Predictions, sets: dict[str, str]) -> str:
    """The sha256 of the predicted texts, which are added to the sets if they are new."""
    facts = {"ids": predictions.ids, "labels": predictions.labels.tolist()}
    name = hashlib.sha256(_dumped(facts).encode()).hexdigest()
    sets.setdefault(name, _dumped({"texts": name} | facts))
    return name


def _dumped(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def read(text: str, records: Sequence[Record], where: Path) -> list[Evidence]:
    """Parse the evidence of each record.

    Args:
        text: JSON lines.
        records: records in the order of the lines.
        where: path of the lines, for messages.

    Raises:
        RunFolderError: the lines are damaged, or belong to other records.
    """
    contents = list(_parsed(text, where))
    sets = {content.texts: content for content in contents if isinstance(content, _Texts)}
    beside = [content for content in contents if isinstance(content, _EvidenceLine)]
    if [one.cell_id for one in beside] != [record.cell_id for record in records]:
        raise RunFolderError(f"{where} belongs to other records than those beside it")
    return [_evidence(one, record, sets) for one, record in zip(beside, records, strict=True)]


def _parsed(text: str, where: Path) -> Iterator[_Texts | _EvidenceLine]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            content = loads(line)
            yield (_EvidenceLine if "cell_id" in content else _Texts).model_validate(content)
        except (ValidationError, ValueError, TypeError, RecursionError) as error:
            raise RunFolderError(f"{where}, line {number} cannot be read: {type(error).__name__}") from None


def _evidence(found: _EvidenceLine, record: Record, sets: dict[str, _Texts]) -> Evidence:
    return Evidence(
        _predictions(found, record, sets) or found.no_predictions or "the report gives no predictions and no reason",
        found.curves, found.shown, found.troubles, found.log,
    )  # fmt: skip


def _predictions(found: _EvidenceLine, record: Record, sets: dict[str, _Texts]) -> Predictions | str | None:
    if found.texts is None:
        return None
    texts = sets.get(found.texts)
    if texts is None or record.data is None:
        return f"the predictions of {record.cell_id} are of no known texts"
    classes = range(len(record.data.labels))
    if not len(texts.ids) == len(texts.labels) == len(found.predicted) or not {
        *texts.labels, *found.predicted
    } <= set(classes):  # fmt: skip
        return f"the predictions of {record.cell_id} are not one class for each text"
    if not texts.ids or len(set(texts.ids)) < len(texts.ids):
        return f"the predictions of {record.cell_id} hold {'a text twice' if texts.ids else 'no texts'}"
    return Predictions(texts.ids, np.array(texts.labels, dtype=np.int64), np.array(found.predicted, dtype=np.int64))
