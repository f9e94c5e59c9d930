"""Find and read published tables."""

from pathlib import Path
from typing import Any

from bench.commands.audit.published.manifest import MANIFEST, Manifest, read_manifest, validated
from bench.commands.audit.published.printed import Published
from bench.commands.audit.published.table import read_table
from bench.errors import DataError, StudyError, UnknownNameError
from bench.schema import read_toml
from bench.text.display import one_line

A_PATH = f"give the path of a .csv, .md or .tex file or of a folder with {MANIFEST}"
#: Sections of a file of names: those of a manifest, and those of its one table.
OF_MANIFEST, OF_TABLE = ("datasets", "models", "methods", "stated"), ("columns", "same", "row_column", "rows")
PUBLISHED_FOLDER = Path(__file__).parents[4] / "reports" / "published"


def shipped() -> dict[str, Path]:
    """Folders of the published tables in this checkout, by name; empty if tunebench was installed without them."""
    return {path.parent.name: path.parent for path in sorted(PUBLISHED_FOLDER.glob(f"*/{MANIFEST}"))}


def find(reference: str) -> Path:
    """Locate published tables: by path, by the name of a shipped folder, or by the name of the study they belong to.

    Raises:
        UnknownNameError: no such path and no shipped tables of that name.
        DataError: a name is given and no tables are installed.
    """
    known = shipped()
    if reference in known:
        return known[reference]
    path = Path(reference)
    if path.is_file() or (path / MANIFEST).is_file():
        return path
    for folder in known.values():
        if not reference.endswith(".toml") and read_manifest(folder / MANIFEST).study == reference:
            return folder
    if not known:
        raise DataError(
            f"published tables {reference!r}: no such path, and this installation has no shipped tables "
            f"(they lie in reports/published of a checkout); {A_PATH}"
        )
    raise UnknownNameError("published table", reference, known, f"or {A_PATH}")


def load(path: Path, mapping: Path | None = None) -> Published:
    """Read published tables.

    Args:
        path: a .csv, .md or .tex file, a folder with published.toml, or that file.
        mapping: for a single table, a toml file with the sections datasets, models, methods and stated of
            published.toml, and columns, same, row_column and rows of one of its tables.

    Raises:
        DataError: a table cannot be read or breaks a rule; the message names file, line, column, rule and value.
        StudyError: the toml file cannot be read or breaks a rule, or both it and a mapping are given.
    """
    if path.is_dir():
        path = path / MANIFEST
    if path.suffix == ".toml":
        if mapping is not None:
            raise StudyError(f"{path}: has its own names; give a mapping only with a single table")
        manifest, name = read_manifest(path), path.parent.resolve().name
    else:
        manifest, name = _of_single_table(path, mapping), path.stem
        return Published(name, one_line(path.stem), "", None, (read_table("table", path, manifest),))
    tables = tuple(
        read_table(key, path.parent / entry.file, manifest)
        for key, entry in manifest.tables.items()
        if entry.content == "rows"
    )
    if not any(table.compare for table in tables):
        raise StudyError(f'{path}: no table is compared; one must have content = "rows" and compare = true')
    return Published(name, manifest.title, manifest.source, _study(manifest, path), tables, manifest.notes)


def _study(manifest: Manifest, path: Path) -> str | None:
    """The study of a manifest: the path of a file starts at the manifest."""
    study = manifest.study
    return str(path.parent / study) if study is not None and study.endswith(".toml") else study


def _of_single_table(path: Path, mapping: Path | None) -> Manifest:
    """The manifest of a table that has none beside it, with the names and columns of a toml file."""
    given = {} if mapping is None else read_toml(mapping)
    for key in given:
        if key not in (*OF_MANIFEST, *OF_TABLE):
            raise StudyError(f"{mapping}: {key}: unknown key; known: {', '.join((*OF_MANIFEST, *OF_TABLE))}")
    table = {"file": "table.csv"} | {key: value for key, value in given.items() if key in OF_TABLE}
    content: dict[str, Any] = {"title": path.stem, "study": "-", "tables": {"table": table}}
    content |= {key: value for key, value in given.items() if key in OF_MANIFEST}
    return validated(content, mapping or path)
