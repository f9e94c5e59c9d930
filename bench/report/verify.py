"""Verification of a report: it is drawn again from its own records and compared byte by byte."""

from pathlib import Path

from bench.errors import RunFolderError
from bench.record.files import MOST_BYTES_OF_LINES
from bench.report import contents, manifest
from bench.report.results import archive


def verify(folder: Path) -> tuple[int, list[str]]:
    """Draw a report again from the records in its folder.

    Returns:
        The number of compared files, and a sentence per difference.

    Raises:
        RunFolderError: there is no report, no manifest, or its records cannot be read.
    """
    said = manifest.read(folder)
    results = archive.read(folder, changed=True)
    formats = contents.chosen(said.formats)
    wanted = contents.build(results, formats).files
    wrong = []
    if results.sha256 != said.records_sha256:
        wrong.append(f"{archive.RECORDS} is not the file that the report was drawn from: its sha256 is another")
    for name in sorted({*said.files, *wanted}):
        if reason := _unlike(folder / name, wanted.get(name), said.files.get(name)):
            wrong.append(f"{name} {reason}")
    if wrong:
        here = manifest.versions()
        apart = [f"{package} {version}, here {here.get(package)}" for package, version in said.drawn_with.items()
                 if here.get(package) != version]  # fmt: skip
        if apart:
            wrong.append(f"it was drawn with other versions, which may be why: {'; '.join(apart)}")
    return len(wanted), wrong


def _unlike(path: Path, wanted: bytes | None, digest: str | None) -> str:
    """How a file differs from what it should be; empty if it does not.

    Args:
        path: path of the file.
        wanted: content drawn from the records; None if they give no such file.
        digest: sha256 in the manifest; None if the manifest lacks the file.
    """
    if wanted is None:
        return "does not come from these records"
    if not path.exists():
        return "is missing"
    if not path.is_file():  # a pipe would be waited for
        return "is no file"
    try:
        if path.stat().st_size > MOST_BYTES_OF_LINES:
            return f"has more than {MOST_BYTES_OF_LINES} bytes"
        found = path.read_bytes()
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror}") from None
    if found == wanted:
        return "" if manifest.digest_of(found) == digest else f"is not the file that {manifest.MANIFEST} names"
    pairs = enumerate(zip(found.split(b"\n"), wanted.split(b"\n"), strict=False), start=1)
    line = next((number for number, (one, other) in pairs if one != other), None)
    return "is not what its records give" + (f": line {line} differs" if line else "")
