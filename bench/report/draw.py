"""A run folder's report: on the terminal and as files."""

from pathlib import Path

from rich.console import Console

from bench.errors import NewerSchemaError, RunFolderError
from bench.report import archive, comparison_table, comparisons, insights, table3, terminal
from bench.report.pairing import Measured
from bench.store import RunFolder, read_record


def draw(folder: Path, reports: Path, console: Console) -> None:
    """Print Table 3 of a run folder, and its comparisons if any; write them and all insights to ``reports/<study>``.

    Raises:
        RunFolderError: not a run folder, no finished cell, or files that a newer tunebench wrote.
    """
    run_folder = RunFolder(folder)
    run = run_folder.read_run()
    measured: list[Measured] = []
    for cell_id in run_folder.cell_ids():
        try:
            cell_folder = run_folder.cell(cell_id)
            record = read_record(cell_folder.record)
        except NewerSchemaError:
            raise
        except RunFolderError as error:
            console.print(f"warning: left out: {error}", highlight=False, markup=False, soft_wrap=True)
            continue
        if record is not None:
            measured.append((record, cell_folder))
    records = [record for record, _ in measured]
    missing = len(run["cell_ids"]) - len(records)
    study = run["study"]
    remarks = (study["notes"], f"Measured by: {archive.portable_command(run['command'])}")
    table = table3.build(study["title"] or study["name"], records, missing, remarks)
    terminal.show(table, console)
    compared = comparison_table.build(study, measured)
    if compared is not None:
        comparisons.show(compared, console)
    target = reports / study["name"]
    target.mkdir(parents=True, exist_ok=True)
    paths = [*table3.write(table, target), *archive.write(run, records, target)]
    if compared is not None:
        paths += comparisons.write(compared, target)
    shown = insights.write([(record, cell_folder.path) for record, cell_folder in measured], target)
    written = [str(path) for path in (*paths, *shown[-1:])]
    if shown:
        written[-1] += f" and {len(shown) - 1} files of what it lists"
    for text in written:
        console.print(f"wrote {text}", highlight=False, markup=False, soft_wrap=True)
