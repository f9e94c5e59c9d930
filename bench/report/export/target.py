"""Targets of ``--log``: experiment trackers to which results are exported."""

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from rich.console import Console

from bench.errors import RequestError
from bench.report.results.run import Results
from bench.text.display import say
from bench.text.message import shortened
from bench.text.redaction import without_secrets

Kind = Literal["tensorboard", "mlflow"]
POSSIBLE = "possible are tensorboard=DIR and mlflow=URI"
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SCHEMES = ("http", "https", "file", *DATABASES, "databricks")


@dataclass(frozen=True, slots=True)
class Target:
    """One target.

    Attributes:
        kind: kind of tracker.
        place: folder, or URI of a tracking server or store.
    """

    kind: Kind
    place: str

    def __str__(self) -> str:
        """The target as given, without credentials."""
        return f"{self.kind}={self.place if self.kind == 'tensorboard' else without_secrets(self.place)}"


def parse_target(text: str) -> Target:
    """Parse a target such as ``tensorboard=runs/tb``, without contacting a server.

    Raises:
        RequestError: no such target, its package is not installed, or its folder cannot be created.
    """
    kind, _, place = text.partition("=")
    if not place:
        raise RequestError(f"--log {_named(text)}: names no target; {POSSIBLE}")
    if kind == "tensorboard":
        found = Target("tensorboard", place)
        _require_folder(found)
    elif kind == "mlflow":
        found = Target("mlflow", _uri(place))
    else:
        raise RequestError(f"--log {_named(text)}: no such target; {POSSIBLE}")
    _require_package(found)
    return found


def _named(place: str) -> str:
    return shortened(without_secrets(place))


def _require_folder(target: Target) -> None:
    if "://" in target.place:
        raise RequestError(f"--log {target}: must be a folder; {POSSIBLE}")
    try:
        Path(target.place).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise RequestError(f"--log {target}: cannot be written: {said}; name another folder") from None
    if not os.access(target.place, os.W_OK):
        raise RequestError(f"--log {target}: cannot be written; name another folder")


def _uri(place: str) -> str:
    """The URI of a tracking server or store; a folder becomes a file URI.

    Raises:
        RequestError: the text is not a valid URI.
    """
    try:
        scheme = "databricks" if place == "databricks" else _scheme(place)
        if not scheme and re.fullmatch(r"[^/]+:\d+(/.*)?", place):
            place = _named(place)
            raise RequestError(f"--log mlflow={place}: is no URI, as http://{place} is")
        if not scheme:
            return Path(place).resolve().as_uri()
    except ValueError as error:
        raise RequestError(f"--log mlflow={_named(place)}: is no URI: {error}") from None
    if scheme not in SCHEMES:
        listed = ", ".join(f"{each}:" for each in SCHEMES)
        raise RequestError(f"--log mlflow={_named(place)}: must be a folder or a URI of {listed}")
    if scheme in DATABASES and "://" not in place:
        raise RequestError(f"--log mlflow={_named(place)}: is no URI of a database, as {scheme}:///FILE is")
    return place


def _scheme(uri: str) -> str:
    return urlsplit(uri).scheme.partition("+")[0]


def _require_package(target: Target) -> None:
    if importlib.util.find_spec(target.kind) is None:
        raise RequestError(f"--log {target}: needs the package {target.kind}: pip install 'tunebench[{target.kind}]'")
    database = target.kind == "mlflow" and _scheme(target.place) in DATABASES
    if database and importlib.util.find_spec("sqlalchemy") is None:
        raise RequestError(
            f"--log {target}: a database needs more of mlflow than tunebench[mlflow]: pip install mlflow"
        )


def export(results: Results, target: Target, console: Console) -> None:
    """Log all cells that have not been logged before, failed ones included, and print their number.

    Raises:
        RequestError: the target cannot be written or reached, or refuses.
    """
    if target.kind == "tensorboard":
        from bench.report.export import tensorboard_log

        written, kept = tensorboard_log.log(results, Path(target.place))
    else:
        from bench.report.export import mlflow_log

        written, kept = mlflow_log.log(results, target.place)
    before = f"; {kept} logged before" if kept else ""
    said = f"logged {written} cell{'' if written == 1 else 's'} to {target}{before}"
    say(said, console)
