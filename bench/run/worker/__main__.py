"""``python -m bench.run.worker CELL_JSON`` measures one cell again."""

import shutil
import sys
from pathlib import Path

from bench.clocks import monotonic_seconds
from bench.measure.host_limits import limit_data
from bench.record.files import write_json
from bench.record.run_folder import CellFolder, read_cell, read_record
from bench.run.worker.entry import run


def replay(cell_path: Path) -> int:
    """Measure one cell again from its cell.json, into a folder ``replay`` beside it; returns an exit code."""
    folder = cell_path.resolve().parent / "replay"
    folder.mkdir(exist_ok=True)
    cell = read_cell(cell_path)
    write_json(CellFolder(folder).cell, cell.model_dump(mode="json"))
    if cell.limits.cell_memory_bytes is not None:
        limit_data(cell.limits.cell_memory_bytes)
    run(folder, monotonic_seconds())
    CellFolder(folder).measured.replace(CellFolder(folder).record)
    shutil.rmtree(CellFolder(folder).marks, ignore_errors=True)  # no parent compares them with its clock
    print(CellFolder(folder).record)
    record = read_record(CellFolder(folder).record)
    return 0 if record is not None and record.status == "ok" else 1


if __name__ == "__main__":
    sys.exit(replay(Path(sys.argv[1])))
