"""A run folder's report: on the terminal and as files."""

from pathlib import Path

from rich.console import Console

from bench.errors import NewerSchemaError, RunFolderError
from bench.report import archive, comparison_table, comparisons, efficiency, insights, repeatability, table3, terminal
from bench.report.pairing import Measured
from bench.report.stacked import reader
from bench.report.statistics import one_line
from bench.store import RunFolder, read_record, study_of


def draw(folder: Path, reports: Path, console: Console) -> None:
    """Print Table 3 of a run folder, and its comparisons if any; write these and the rest to ``reports/<study>``.

    The rest: the efficiency table where records hold more than Table 3 shows, how far repeats agree, the records, and
    all insights.

    Raises:
        RunFolderError: not a run folder, no finished cell, or files that a newer tunebench wrote.
    """
    run_folder = RunFolder(folder)
    run = run_folder.read_run()
    study = study_of(run, run_folder.run)
    measured: list[Measured] = []
    for cell_id in run_folder.cell_ids():
        try:
            cell_folder = run_folder.cell(cell_id)
            record = read_record(cell_folder.record)
            if record is not None and record.cell_id != cell_id:
                raise RunFolderError(f"{cell_folder.record} is not of this cell: it names {record.cell_id}")
        except NewerSchemaError:
            raise
        except RunFolderError as error:
            console.print(
                f"warning: left out: {one_line(str(error), 1000)}", highlight=False, markup=False, soft_wrap=True
            )
            continue
        if record is not None:
            measured.append((record, cell_folder))
    records = [record for record, _ in measured]
    missing = len(run["cell_ids"]) - len(records)
    remarks = (study["notes"], f"Measured by: {archive.portable_command(run['command'])}")
    title = one_line(study["title"]) or study["name"]
    folders = {record.cell_id: cell_folder for record, cell_folder in measured}
    table = table3.build(title, records, missing, remarks, reader(folders))
    terminal.show(table, console)
    compared = comparison_table.build(study, measured)
    if compared is not None:
        comparisons.show(compared, console)
    target = reports / study["name"]
    target.mkdir(parents=True, exist_ok=True)
    paths = table3.write(table, target)
    costs = efficiency.build(title, records)
    if costs is not None:
        paths += efficiency.write(costs, target)
    repeats = repeatability.build(title, records)
    if repeats is not None:
        paths += repeatability.write(repeats, target)
    paths += archive.write(run, records, target)
    if compared is not None:
        paths += comparisons.write(compared, target)
    shown = insights.write([(record, cell_folder.path) for record, cell_folder in measured], target)
    written = [str(path) for path in (*paths, *shown[-1:])]
    if shown:
        written[-1] += f" and {len(shown) - 1} files of what it lists"
    for text in written:
        console.print(f"wrote {text}", highlight=False, markup=False, soft_wrap=True)
