"""Read the run.json of an earlier run, and the digests of its finished cells."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bench.errors import NewerSchemaError, RunFolderError
from bench.record.digests import Digests, digests_of, known_digests
from bench.record.run_folder import CellFolder, RunFolder
from bench.run.finished import READ_ONLY
from bench.text.display import one_line

#: Maximum number of cells that a warning names.
MOST_NAMED = 5
LONGEST_WARNING = 1000


def earlier_run(folder: RunFolder, warn: Callable[[str], None]) -> tuple[dict[str, Any], dict[str, Digests]]:
    """The content of run.json, which can be made again, and the digests of finished cells by id.

    If run.json has no digests, as in runs of old versions, those of the present files are used. A warning names records
    whose digests were lost, because they cannot be checked any more.

    Args:
        folder: folder of the run.
        warn: function that receives the warning.

    Raises:
        NewerSchemaError: a newer tunebench wrote it.
    """
    content: dict[str, Any] = {}
    trouble = None
    try:
        content = folder.read_run() if folder.run.exists() else {}
        known = known_digests(content, folder.run)
    except NewerSchemaError:
        raise
    except RunFolderError as error:
        known, trouble = None, str(error)
    if known is not None:
        return content, known
    there = [CellFolder(place) for place in sorted(folder.cells.iterdir()) if not place.is_symlink()]
    finished = [paths for paths in there if paths.record.is_file()]
    unchecked = [paths.path.name for paths in finished if trouble or _written_with_digests(paths)]
    if trouble or unchecked:
        warn(_warning(folder, trouble, unchecked))
    return content, {paths.path.name: digests_of(paths) for paths in finished}


def _written_with_digests(paths: CellFolder) -> bool:
    """Whether a record was written with digests, which only versions did that also made it read-only."""
    with suppress(OSError):
        return paths.record.stat().st_mode & 0o777 == READ_ONLY
    return False


def _warning(folder: RunFolder, trouble: str | None, unchecked: list[str]) -> str:
    run = folder.run.name
    begin = f"written again: {one_line(trouble, LONGEST_WARNING)}" if trouble else f"{folder.run} holds no digests"
    if not unchecked:
        return begin
    named = ", ".join(one_line(name, 200) for name in unchecked[:MOST_NAMED])
    more = f" and {len(unchecked) - MOST_NAMED} more" if len(unchecked) > MOST_NAMED else ""
    records = "finished record" if len(unchecked) == 1 else "finished records"
    return (
        f"{begin}; {len(unchecked)} {records} cannot be checked any more, and may have been changed: {named}{more}; "
        f"put {run} back, or remove what you do not trust, and run again"
    )
