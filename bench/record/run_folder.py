"""The run folder: its layout, its lock, and reading its files."""

import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from bench.errors import NewerSchemaError, RunFolderError
from bench.record.files import read_text, sync_folder
from bench.record.log_end import end_of_log
from bench.record.record import SCHEMA_VERSION, Record
from bench.schema import explain
from bench.study.cell import Cell
from bench.study.study import Study
from bench.text.json_text import loads
from bench.text.redaction import redacted_content

#: A cell id is a folder name, and a foreign run.json must not lead out of the run folder.
CELL_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,200}")

#: Settings of a study that hold text for a model.
WORDS = ("prompt", "prompts")
#: Largest number in a record: more than the FLOPs of years on the fastest machines, and within 64 bits.
LARGEST_NUMBER = 9e18
#: Maximum characters of progress.json and of its phase, because a plugin may write anything there.
LONGEST_PROGRESS, LONGEST_PHASE = 1000, 100


class CellFolder:
    """Paths of one cell's files: ``cells/<id>/``."""

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is created."""
        self.path = path
        self.cell, self.record = path / "cell.json", path / "record.json"
        self.measured = path / "measured.json"  # written by the worker; the runner makes the record from it
        self.progress, self.marks = path / "progress.json", path / "marks"
        self.predictions, self.insights = path / "predictions.jsonl", path / "insights.json"
        self.steps, self.split = path / "steps.csv", path / "split.csv"
        self.stdout, self.stderr = path / "stdout.txt", path / "stderr.txt"
        self.explanation, self.replay = path / "explanation.html", path / "replay.sh"
        self.artifact = path / "artifact"


class RunFolder:
    """Paths of one study's run: ``runs/<study>/``."""

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is created."""
        self.path = path
        self.run = path / "run.json"
        self.cells = path / "cells"
        self.earlier = path / "earlier"
        self.jobs = path / "jobs"
        self.flops = path / "flops"
        self.search = path / "search.log"
        self.reserve = path / ".reserve"
        self.lock = path / ".lock"
        self.place: tuple[int, int] | None = None  # device and number of the folder itself, once it is locked

    def cell(self, cell_id: str) -> CellFolder:
        """The folder of one cell."""
        return CellFolder(self.cells / cell_id)

    def cell_ids(self) -> list[str]:
        """The cell ids of the last run, in the study's order.

        Raises:
            RunFolderError: it is not a run folder, has a newer schema, lists an invalid cell id, or contains a link.
        """
        run = self.read_run()
        if not isinstance(run.get("cell_ids"), list):
            raise RunFolderError(f"{self.run} cannot be read: it lists no cells")
        for cell_id in run["cell_ids"]:
            if not isinstance(cell_id, str) or not CELL_ID.fullmatch(cell_id):
                raise RunFolderError(f"{self.run} cannot be read: {cell_id!r:.80} is not a valid cell id")
        self._refuse_links(run["cell_ids"])
        return list(run["cell_ids"])

    def read_run(self) -> dict[str, Any]:
        """The content of run.json.

        Raises:
            RunFolderError: it is not a run folder, or has a newer schema.
        """
        try:
            run = loads(read_text(self.run))
            version = run["schema_version"]
        except FileNotFoundError:
            raise RunFolderError(f"{self.path} is not a run folder: it has no {self.run.name}") from None
        except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
            raise RunFolderError(f"{self.run} cannot be read: {error}") from None
        refuse_newer(version, self.run)
        return dict(run)

    def _refuse_links(self, cell_ids: Iterable[str]) -> None:
        """Refuse links inside the folder: a foreign run folder could make a run write elsewhere.

        Raises:
            RunFolderError: a part of the folder is a link.
        """
        for path in (
            self.cells, self.jobs, self.flops, self.search, self.earlier, self.reserve, self.lock,
            *(self.cells / each for each in cell_ids),
        ):  # fmt: skip
            if path.is_symlink():
                raise RunFolderError(f"{path} is a link, which a run does not follow; replace it by its target")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one run.

        Raises:
            RunFolderError: another run holds it, or the folder cannot be written.
        """
        try:
            self._refuse_links(())
            self.cells.mkdir(parents=True, exist_ok=True)
            self._refuse_links(path.name for path in self.cells.iterdir())
            sync_folder(self.path)
            lock = FileLock(self.lock, timeout=0)
            with warnings.catch_warnings():  # without flock, filelock uses a file with the process id
                warnings.filterwarnings("ignore", message="flock not supported", category=UserWarning)
                lock.acquire()
            found = self.path.stat()
            self.place = found.st_dev, found.st_ino
        except Timeout:
            raise RunFolderError(
                f"another run is using {self.path}; wait for it, or give --runs another folder"
            ) from None
        except NotImplementedError:  # older versions of filelock
            raise RunFolderError(f"{self.path} cannot be locked; give --runs another folder") from None
        except OSError as error:
            raise RunFolderError(
                f"{self.path} cannot be written: {error.strerror}; give --runs another folder"
            ) from None
        try:
            yield
        finally:
            lock.release()


def read_cell(path: Path) -> Cell:
    """Read a cell.json.

    Raises:
        RunFolderError: the file is missing, not valid, or has a newer schema.
    """
    try:
        content = loads(read_text(path))
        refuse_newer(content.get("schema_version"), path)
        return Cell.model_validate(content)
    except FileNotFoundError:
        raise RunFolderError(f"no such file: {path}") from None
    except (ValueError, AttributeError, RecursionError, OSError) as error:
        raise RunFolderError(f"{path} is not a cell: {error}") from None


def read_progress(paths: CellFolder) -> tuple[str, int, int] | None:
    """Phase, step and number of steps of a worker; None before its first report, and while it writes one."""
    try:
        content = json.loads(end_of_log(paths.progress, LONGEST_PROGRESS))
        return str(content["phase"])[:LONGEST_PHASE], int(content["done"]), int(content["of"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def read_record(path: Path) -> Record | None:
    """Read a record.json; None if there is none.

    Raises:
        RunFolderError: it is not valid, or has a newer schema.
    """
    try:
        return parse_record(read_text(path), str(path))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise RunFolderError(f"{path} is not a record: {error}") from None


def valid_record(path: Path) -> Record | None:
    """Read a record.json; None if it is missing or not valid."""
    try:
        return read_record(path)
    except RunFolderError:
        return None


def parse_record(text: str, where: str) -> Record:
    """A record from its JSON.

    Args:
        text: JSON of the record.
        where: path of the file, for messages.

    Raises:
        RunFolderError: it is not valid, or has a newer schema.
    """
    try:
        content = loads(text)
        refuse_newer(content.get("schema_version"), where)
        _require_countable(content)
        record = Record.model_validate(content)
        record.cell.model_dump_json()  # a method's options may be nested too deeply to be written
        _require_texts(record)
        return record
    except (ValueError, AttributeError, RecursionError) as error:
        raise RunFolderError(f"{where} is not a record: {error}") from None


def _require_countable(content: Any) -> None:
    """Check that means, spreads and ratios of all numbers can be computed, because a foreign file may hold any.

    Raises:
        ValueError: a number is too large.
    """
    level = [content]
    while level:
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict | list):
                inner += value.values() if isinstance(value, dict) else value
            elif isinstance(value, int | float) and not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
                raise ValueError(f"no number may be beyond ±{LARGEST_NUMBER:.0e}")
        level = inner


def _require_texts(record: Record) -> None:
    """Check that quality was measured on texts.

    Raises:
        ValueError: a count is negative, or all are 0.
    """
    for quality in (record.quality, record.generation and record.generation.quality):
        counts = quality.label_counts.values() if quality else (1,)
        if min(counts, default=0) < 0 or not any(counts):
            raise ValueError("quality.label_counts must be at least 0 and not all 0")


def study_of(run: Mapping[str, Any], where: object) -> dict[str, Any]:
    """The validated study of a run.json.

    Settings that are newer than the file are not added, so that an older report reproduces its own study. Credentials,
    which older versions wrote, are redacted.

    Args:
        run: content of run.json.
        where: path of run.json, for messages.

    Raises:
        RunFolderError: the study is not valid, or another key is missing.
    """
    for key in ("command", "written_at"):
        if not isinstance(run.get(key), str):
            raise RunFolderError(f"{where} cannot be read: {key} must be text")
    try:
        return Study.model_validate(redacted_study(run.get("study"), ())).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        raise RunFolderError(explain(error, f"{where}: study", Study)) from None


def redacted_study(content: Any, secrets: Iterable[str] | None = None) -> Any:
    """A study's settings without credentials; text for a model stays, because it is part of what was measured."""
    if not isinstance(content, dict):
        return content
    return {key: value if key in WORDS else redacted_content(value, secrets) for key, value in content.items()}


def refuse_newer(version: Any, where: object) -> None:
    """Refuse a file that a newer tunebench wrote.

    Raises:
        NewerSchemaError: the version is newer than ``SCHEMA_VERSION``.
    """
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"{where} has schema {version}; this tunebench reads up to {SCHEMA_VERSION}: upgrade tunebench"
        )
