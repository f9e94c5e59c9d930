"""Find a measured cell by name, and explain a text with its model."""

from collections.abc import Sequence
from pathlib import Path

from bench.commands.explain.explanation import Explanation
from bench.errors import CellError, RequestError, RunFolderError
from bench.record.record import Record
from bench.record.run_folder import CellFolder, RunFolder, read_record
from bench.text.message import shortened

CANDIDATES_SHOWN = 10


def explain(folder: CellFolder, record: Record, text: str, plugin_files: Sequence[Path] = ()) -> Explanation:
    """Explain a text with a cell's model, in fp32 on the CPU.

    Args:
        folder: folder of a measured cell.
        record: record of the cell.
        text: text; tokens beyond the cell's max_length are cut.
        plugin_files: files given with ``--plugin``; code named only by the run folder is never run.

    Raises:
        RequestError: there is no text; the cell failed or has no intact artifact; its method is missing, has changed or
            has no explain hook; or its weights are missing.
    """
    if not text.strip():
        raise RequestError("there is no text to explain: it is empty")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise RequestError("the text is not valid in the terminal's encoding; give it in UTF-8")
    # Imported here because errors above need no torch.
    from bench.commands.explain.rebuild import explain_with, rebuild

    try:
        return explain_with(rebuild(folder, record, plugin_files), record, text)
    except CellError as error:  # e.g. the model's files have changed since
        raise RequestError(f"cell {folder.path.name}: {error}") from error


def find(run_folder: RunFolder, part: str) -> tuple[CellFolder, Record]:
    """The one cell of a run whose id equals or contains ``part``.

    Raises:
        RunFolderError: the run folder is missing or damaged, or the cell was not measured or failed.
        RequestError: no cell or several cells match; the message lists them.
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
            f"cell {matching[0]} has no model: it ended as {record.status}{shortened(said)}; see "
            f"{log}, fix the cause and run its study again"
        )
    return folder, record


def _listed(ids: Sequence[str]) -> str:
    shown = "".join(f"\n  {cell_id}" for cell_id in ids[:CANDIDATES_SHOWN])
    more = f"\n  and {len(ids) - CANDIDATES_SHOWN} more" if len(ids) > CANDIDATES_SHOWN else ""
    return f"give an id, or a part of one that is unique:{shown}{more}" if ids else "the run has no cells"
