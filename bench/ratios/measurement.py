"""A measurement of ratios as a file: one JSON line each for its settings, its methods and every window."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TextIO

from pydantic import Field, ValidationError

from bench.errors import RequestError, RunFolderError
from bench.ratios.window import Failed, Ready, Task, Window
from bench.record.files import MOST_BYTES_OF_LINES, read_text
from bench.record.run_folder import refuse_newer
from bench.schema import Frozen, explain
from bench.study.cell import Cell
from bench.text.json_text import loads


class Settings(Frozen):
    """What was asked for, and on which device it was measured."""

    schema_version: Literal[1] = 1
    study: str
    within_percent: float = Field(gt=0, description="half-width of a 95 % interval that ends the measurement")
    seconds: float = Field(gt=0, description="time limit of each pair of methods")
    command: str
    written_at: str


class Member(Frozen):
    """A method of a comparison."""

    cell: Cell
    reference_id: str = Field(description="cell id of the method that it is compared with; its own for the reference")

    @property
    def is_reference(self) -> bool:
        """Whether the others are compared with it."""
        return self.cell.id == self.reference_id


class Outcome(Frozen):
    """What became of a method, and how it was measured."""

    id: str
    ready: Ready | None = Field(None, description="null if the method was not prepared")
    failed: Failed | None = None
    task_seconds: dict[Task, float] = Field(
        default_factory=dict, description="seconds in which its set took turns at a task, warm-up included"
    )


class Line(Frozen):
    """A line of the file: exactly one field is set."""

    settings: Settings | None = None
    member: Member | None = None
    window: Window | None = None
    outcome: Outcome | None = None


class Measurement:
    """A measurement so far.

    Attributes:
        settings: what was asked for.
        members: methods in the study's order.
        windows: windows of complete blocks in the order of measurement.
        outcomes: outcome of each method by cell id; without one the measurement was interrupted.
    """

    def __init__(self, settings: Settings) -> None:
        """Start without methods."""
        self.settings = settings
        self.members: list[Member] = []
        self.windows: list[Window] = []
        self.outcomes: dict[str, Outcome] = {}

    def add(self, line: Line) -> None:
        """Add what a line holds."""
        if line.member is not None:
            self.members.append(line.member)
        elif line.window is not None:
            self.windows.append(line.window)
        elif line.outcome is not None:
            self.outcomes[line.outcome.id] = line.outcome


class MeasurementFile:
    """Adds lines to a measurement and to its file, so that an interrupted one can be read."""

    def __init__(self, measurement: Measurement, file: TextIO) -> None:
        """Write the settings.

        Args:
            measurement: measurement without lines.
            file: empty file.
        """
        self.measurement, self._file = measurement, file
        self._write(Line(settings=measurement.settings))

    def add(self, line: Line) -> None:
        """Add a line to both."""
        self.measurement.add(line)
        self._write(line)

    def _write(self, line: Line) -> None:
        content: dict[str, Any] = line.model_dump(mode="json", exclude_none=True)
        self._file.write(json.dumps(content, allow_nan=False) + "\n")
        self._file.flush()


def read_measurement(path: Path) -> Measurement:
    """Read a file.

    Raises:
        RunFolderError: it cannot be read, or has a newer schema.
        RequestError: a line breaks a rule.
    """
    try:
        lines: Sequence[str] = read_text(path, MOST_BYTES_OF_LINES).splitlines()
        contents = [loads(line) for line in lines]
        refuse_newer(contents[0]["settings"]["schema_version"], path)
        first, *others = (Line.model_validate(content) for content in contents)
    except ValidationError as error:
        raise RequestError(explain(error, str(path), Line)) from None
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise RunFolderError(f"{path} is not a measurement of ratios: {error}") from None
    if first.settings is None:
        raise RunFolderError(f"{path} is not a measurement of ratios: its first line holds no settings")
    found = Measurement(first.settings)
    for line in others:
        found.add(line)
    return found
