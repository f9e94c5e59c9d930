"""What stands beside records as lines of JSON: first each set of texts that was predicted, then a line a record."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationError, field_validator

from bench.errors import RunFolderError
from bench.method.insight import Insight
from bench.record.record import Record
from bench.report.results import portable
from bench.report.results.measured import Evidence, Measured, Shown
from bench.report.results.predictions import Predictions
from bench.report.results.step_curve import StepCurve
from bench.schema import Frozen
from bench.text.json_text import loads


class _Texts(Frozen):
    """Texts that cells predicted: their ids and classes, and nothing of what they say."""

    texts: str = Field(description="sha256 of the rest, by which cells name them")
    ids: tuple[str, ...]
    labels: tuple[int, ...]


class _Shown(Frozen):
    part: Insight
    left_out: tuple[str, ...] = ()
    chart_lost: bool = False


class _Beside(Frozen):
    """What stands beside one record."""

    cell_id: str
    texts: str | None = Field(description="that were predicted; null where no_predictions says why there are none")
    predicted: tuple[int, ...] = ()
    no_predictions: str = ""
    curves: tuple[StepCurve, ...] = ()
    shown: tuple[_Shown, ...] = ()
    troubles: tuple[str, ...] = ()
    log: str = ""

    @field_validator("shown")
    @classmethod
    def _each_once(cls, shown: tuple[_Shown, ...]) -> tuple[_Shown, ...]:
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
        "cell_id": cell.record.cell_id,
        "texts": None,
        "curves": [curve.model_dump(mode="json") for curve in found.curves],
        "shown": [
            {"part": one.part.model_dump(mode="json"), "left_out": one.left_out, "chart_lost": one.chart_lost}
            for one in found.shown
        ],
        "troubles": tuple(map(portable.text, found.troubles)),
        "log": portable.text(found.log),
    }
    if isinstance(found.predictions, str):
        content["no_predictions"] = portable.text(found.predictions)
    else:
        content["texts"] = _name(found.predictions, sets)
        content["predicted"] = found.predictions.predicted.tolist()
    return _dumped(content)


def _name(predictions: Predictions, sets: dict[str, str]) -> str:
    """The name of the texts, which are added to the sets where they are new."""
    facts = {"ids": predictions.ids, "labels": predictions.labels.tolist()}
    name = hashlib.sha256(_dumped(facts).encode()).hexdigest()
    sets.setdefault(name, _dumped({"texts": name} | facts))
    return name


def _dumped(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def read(text: str, records: Sequence[Record], where: Path) -> list[Evidence]:
    """What stands beside each record.

    Args:
        text: the lines.
        records: in the order of the lines.
        where: the lines stand, for messages.

    Raises:
        RunFolderError: damaged, or not of these records.
    """
    contents = list(_parsed(text, where))
    sets = {content.texts: content for content in contents if isinstance(content, _Texts)}
    beside = [content for content in contents if isinstance(content, _Beside)]
    if [one.cell_id for one in beside] != [record.cell_id for record in records]:
        raise RunFolderError(f"{where} is not of the records beside it")
    return [_evidence(one, record, sets) for one, record in zip(beside, records, strict=True)]


def _parsed(text: str, where: Path) -> Iterator[_Texts | _Beside]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            content = loads(line)
            yield (_Beside if "cell_id" in content else _Texts).model_validate(content)
        except (ValidationError, ValueError, TypeError, RecursionError) as error:
            raise RunFolderError(f"{where}, line {number} cannot be read: {type(error).__name__}") from None


def _evidence(found: _Beside, record: Record, sets: dict[str, _Texts]) -> Evidence:
    return Evidence(
        _predictions(found, record, sets) or found.no_predictions or "the report gives no predictions and no reason",
        found.curves,
        tuple(Shown(one.part, one.left_out, one.chart_lost) for one in found.shown),
        found.troubles,
        found.log,
    )


def _predictions(found: _Beside, record: Record, sets: dict[str, _Texts]) -> Predictions | str | None:
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
