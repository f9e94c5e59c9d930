"""The manifest of a report: digests of its records and files, formats and versions."""

import hashlib
import importlib.metadata
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from bench.errors import NewerSchemaError, RunFolderError
from bench.record.digests import digest_of as file_digest
from bench.record.files import UnusableFileError, read_text
from bench.record.record import SCHEMA_VERSION
from bench.record.run_folder import refuse_newer
from bench.report.publish import publish
from bench.schema import Frozen
from bench.text.json_text import loads

MANIFEST = "report.json"
#: Packages whose versions affect the bytes of a report.
DRAWN_WITH = ("tunebench", "pandas", "tabulate", "jinja2", "vl-convert-python", "scipy", "numpy")
#: File names that a manifest may list: a manifest is not trusted, and none of its names may lead out of the folder.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")


class Manifest(Frozen):
    """The content of report.json."""

    schema_version: int = SCHEMA_VERSION
    records_sha256: str
    formats: tuple[str, ...]
    drawn_with: dict[str, str]
    files: dict[str, str] = Field(description="sha256 by name")


def write(files: Mapping[str, bytes], records_sha256: str, formats: Sequence[str], folder: Path) -> list[Path]:
    """Write a report's files and its manifest, all or none, over those of an earlier draw; see ``publish``.

    A stale file of the earlier draw is deleted only if it is unchanged.

    Args:
        files: contents by file name.
        records_sha256: digest of the records.
        formats: formats of the report.
        folder: folder of the report, created if missing.

    Returns:
        The written files, the manifest last.

    Raises:
        RunFolderError: a file cannot be written, or a newer tunebench drew the existing report.
    """
    manifest = Manifest(
        records_sha256=records_sha256, formats=tuple(formats), drawn_with=versions(),
        files={name: digest_of(content) for name, content in sorted(files.items())},
    )  # fmt: skip
    text = json.dumps(manifest.model_dump(mode="json"), indent=1) + "\n"
    return publish(folder, {**files, MANIFEST: text.encode()}, _earlier(folder))


def is_current(folder: Path, kept: Mapping[str, str], records_sha256: str, formats: Sequence[str]) -> bool:
    """Whether the folder holds an intact report of these records, formats and package versions.

    Args:
        folder: folder of the report.
        kept: texts of the archive by file name.
        records_sha256: digest of the records.
        formats: formats that are wanted.
    """
    try:
        found = read(folder)
        intact = all(file_digest(folder / name) == digest for name, digest in found.files.items())
    except (RunFolderError, OSError):
        return False
    facts = (found.records_sha256, found.formats, found.drawn_with)
    same = all(found.files.get(name) == digest_of(text.encode()) for name, text in kept.items())
    return intact and same and facts == (records_sha256, tuple(formats), versions())


def _earlier(folder: Path) -> Mapping[str, str]:
    """The files of an earlier draw with their digests; empty if there is no readable manifest."""
    try:
        return read(folder).files
    except NewerSchemaError:
        raise
    except RunFolderError:
        return {}


def read(folder: Path) -> Manifest:
    """The manifest of a report.

    Raises:
        RunFolderError: it is missing, damaged or of a newer schema.
    """
    path = folder / MANIFEST
    try:
        content: Any = loads(read_text(path))
        refuse_newer(content["schema_version"], path)
        manifest = Manifest.model_validate(content)
    except FileNotFoundError:
        raise RunFolderError(
            f"{folder} is no report that can be verified: it has no {MANIFEST}; draw it again"
        ) from None
    except UnusableFileError as error:
        raise RunFolderError(f"{path} cannot be read: {error}") from None
    except (ValidationError, ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        raise RunFolderError(f"{path} cannot be read: {type(error).__name__}") from None
    for name in manifest.files:
        if not NAME.fullmatch(name):
            raise RunFolderError(f"{path} cannot be read: {name!r:.80} is no name of a file in it")
    return manifest


def digest_of(content: bytes) -> str:
    """The sha256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def versions() -> dict[str, str]:
    """The installed versions of the packages that affect a report."""
    found = {}
    for package in DRAWN_WITH:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
