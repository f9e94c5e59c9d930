"""The hash of a method's source: changed code makes another cell."""

import hashlib
from pathlib import Path


def source_sha256(path: Path) -> str:
    """The sha256 of a method's file, or of the relative paths and contents of its package without ``__pycache__``.

    Modules beside it that several methods share, named with an underscore, count for each method that names them.

    Raises:
        OSError: a file cannot be read.
    """
    files = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
    contents = {
        file.relative_to(path): file.read_bytes() for file in files if "__pycache__" not in file.relative_to(path).parts
    }
    contents |= _shared_modules(path.parent, list(contents.values()))
    if list(contents) == [Path()]:
        return hashlib.sha256(contents[Path()]).hexdigest()
    digest = hashlib.sha256()
    for place, content in contents.items():
        digest.update(f"{place}:{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def _shared_modules(folder: Path, sources: list[bytes]) -> dict[Path, bytes]:
    """The modules ``_*.py`` of a folder that the sources name, directly or through each other."""
    found: dict[Path, bytes] = {}
    unread = {file for file in folder.glob("_*.py") if file.name != "__init__.py"}
    while named := sorted(file for file in unread if any(file.stem.encode() in source for source in sources)):
        found |= {Path("..") / file.name: file.read_bytes() for file in named}
        unread -= set(named)
        sources = [*found.values()]
    return found
