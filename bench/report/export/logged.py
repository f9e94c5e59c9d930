"""A cell as an experiment tracker logs it: settings, numbers, curves."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from bench.record.record import Record
from bench.report.frame import OPTION, Point, points_of, records_frame
from bench.report.frame_columns import columns
from bench.report.results.run import Results

Value = bool | int | float | str
NAMES = ("dataset", "model", "method", "seed", "repeat")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCell:
    """One cell.

    Attributes:
        record: record as a report keeps it, without paths and texts of the data.
        study: name of the study.
        machine: machine of the run.
        settings: known settings by name, see ``bench.report.frame_columns``.
        numbers: measured numbers by name, units in the names.
        points: points of its curves.
    """

    record: Record
    study: str
    machine: str
    settings: dict[str, Value]
    numbers: dict[str, float]
    points: tuple[Point, ...]

    @property
    def content(self) -> str:
        """The record as JSON."""
        return json.dumps(self.record.model_dump(mode="json"), sort_keys=True, allow_nan=False)

    @property
    def sha256(self) -> str:
        """Digest of the record."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def started(self) -> float:
        """Start of the cell in seconds since 1970; 0 if unknown."""
        try:
            return max(0.0, datetime.fromisoformat(self.record.started_at).astimezone(UTC).timestamp())
        except (ValueError, OverflowError):
            return 0.0

    @property
    def curves(self) -> Iterator[tuple[str, Point, float]]:
        """Name, point and value of each number of the curves."""
        for point in self.points:
            for name in ("loss_nats", "tokens_per_second", "macro_f1"):
                value = getattr(point, name)
                if value is not None:
                    yield f"{point.pass_name}/{name}", point, value


def cells(results: Results) -> list[LoggedCell]:
    """Every cell of the results, failed ones included."""
    frame = records_frame(results)
    settings = [
        *NAMES,
        *(name for name, column in columns().items() if column.role == "setting"),
        *(name for name in frame.columns if name.startswith(OPTION)),
    ]
    numbers = [
        name for name, column in columns().items() if column.role == "result" and column.dtype in ("Int64", "Float64")
    ]
    return [
        LoggedCell(
            record=cell.record, study=row["run"], machine=row["machine"], settings=_known(row, settings),
            numbers={name: float(value) for name, value in _known(row, numbers).items()}, points=tuple(points_of(cell)),
        )
        for cell, row in zip(results.cells, frame.to_dict("records"), strict=True)
    ]  # fmt: skip


def _known(row: dict[Any, Any], names: list[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if not pd.isna(row[name])}
