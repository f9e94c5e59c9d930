"""The measured cell that a user names, and what its model makes of a text."""

from collections.abc import Sequence
from pathlib import Path

from bench.commands.explain.explanation import Explanation
from bench.errors import CellError, RequestError, RunFolderError
from bench.record.record import Record
from bench.record.run_folder import CellFolder, RunFolder, read_record
from bench.text.message import shortened

CANDIDATES_SHOWN = 10


def explain(folder: CellFolder, record: Record, text: str, plugin_files: Sequence[Path] = ()) -> Explanation:
    """What a cell's model makes of a text, computed in fp32 on the CPU.

    Args:
        folder: of a cell that was measured.
        record: of the cell.
        text: any; what is longer than the cell's max_length is cut.
        plugin_files: files named with ``--plugin``: the run folder may be another's, and no code that it names is run.

    Raises:
        RequestError: there is no text, the cell failed, kept no artifact or one that is damaged, its method is not
            here, has changed or explains nothing, or its weights are not at hand.
    """
    if not text.strip():
        raise RequestError("there is no text to explain: it is empty")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise RequestError("the text is not valid in the terminal's encoding; give it in UTF-8")
    # Imported here and not at the top: a cell that does not exist is known without torch.
    from bench.commands.explain.rebuild import explain_with, rebuild

    try:
        return explain_with(rebuild(folder, record, plugin_files), record, text)
    except CellError as error:  # what the cell could do when it was measured, it no longer can
        raise RequestError(f"cell {folder.path.name}: {error}") from error


def find(run_folder: RunFolder, part: str) -> tuple[CellFolder, Record]:
    """The one cell of a run with this id, or with this part in its id.

    Raises:
        RunFolderError: no run folder, a damaged one, or a cell that has no record, or one of a failure.
        RequestError: no cell has the part, or several have; the message lists them.
    """
    ids = run_folder.cell_ids()
    matching = [part] if part in ids else [cell_id for cell_id in ids if part in cell_id]
    if len(matching) != 1:
        problem = "several cells match" if matching else "no cell matches"
        raise RequestError(f"{problem} {part!r:.100}; {_listed(matching or ids)}")
    folder = run_folder.cell(matching[0])
    record = read_record(folder.record)
    if record is None:
        raise RunFolderError(f"cell {matching[0]} has not been measured yet; run its study again")
    if record.status != "ok":
        failure = record.failure
        said = f" in {failure.phase}: {failure.type}: {failure.message}" if failure else ""
        log = folder.path / (failure.log if failure else "")
        raise RunFolderError(
            f"cell {matching[0]} has no model to ask, it ended as {record.status}{shortened(said)}; see "
            f"{log}, mend it and run its study again"
        )
    return folder, record


def _listed(ids: Sequence[str]) -> str:
    shown = "".join(f"\n  {cell_id}" for cell_id in ids[:CANDIDATES_SHOWN])
    more = f"\n  and {len(ids) - CANDIDATES_SHOWN} more" if len(ids) > CANDIDATES_SHOWN else ""
    return f"give an id, or a part that one alone has:{shown}{more}" if ids else "the run has no cells"
