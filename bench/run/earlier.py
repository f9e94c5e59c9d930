"""What the run before left in run.json, and which finished cells can be held against it."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bench.errors import NewerSchemaError, RunFolderError
from bench.record.digests import Digests, digests_of, known_digests
from bench.record.run_folder import CellFolder, RunFolder
from bench.run.finished import READ_ONLY
from bench.text.display import one_line

#: Cells that a warning names; of more it says how many.
MOST_NAMED = 5
LONGEST_WARNING = 1000


def earlier_run(folder: RunFolder, warn: Callable[[str], None]) -> tuple[dict[str, Any], dict[str, Digests]]:
    """The content of run.json, which can be worked out again, and the digests of finished cells by id.

    Where run.json holds no digests, those of what is there are taken: a run of before wrote none. Of records that were
    written together with digests the user is told that nobody can check them any more.

    Args:
        folder: of the run.
        warn: is told what is taken unchecked.

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
    """Whether the version that wrote a record wrote its digests too: only such a version made it read-only."""
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
