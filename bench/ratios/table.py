"""The table of a measurement: throughput ratios with their intervals."""

from typing import Any

from bench.ratios.estimate import LEAST_BLOCKS, Ratio, estimate, log_ratios
from bench.ratios.measurement import Measurement, Member, Outcome
from bench.ratios.window import TASKS, Task
from bench.report.analysis.names import HEADS, NAMES, labels
from bench.report.tables.footnotes import Notes, mark_sources
from bench.text.json_text import dumps
from bench.text.tables.table import DASH, Column, Footnote, Table, Values

INTERRUPTED = "the measurement was interrupted before this method ended"
ALONE = "no other method has the same dataset, model, data settings and batch sizes"


def ratio_table(measurement: Measurement) -> Table:
    """One row for each method, the reference with a ratio of 1."""
    notes, cells = Notes(), [member.cell for member in measurement.members]
    rows = []
    for at, member in enumerate(measurement.members):
        mark_sources(notes, at, member.cell, member.cell.dataset.synthetic)
        row = labels(member.cell, cells) | {f"{name}_name": getattr(member.cell, name).name for name in NAMES}
        for task in TASKS:
            row |= _columns(at, member, task, measurement, notes)
        rows.append(row | {"note": notes.of_row(at)})
    settings = measurement.settings
    return Table(
        name="ratios", title=f"{settings.study}: throughput ratios", caption=_caption(measurement), heads=HEADS,
        columns=COLUMNS, rows=rows, marks=notes.marks(),
        footnotes=(*notes.footnotes(), Footnote("", _reading(measurement))),
    )  # fmt: skip


def to_json(measurement: Measurement, table: Table) -> str:
    """The table as JSON: the settings and a list of rows with the columns of the csv file."""
    return dumps({"schema_version": 1, "settings": measurement.settings.model_dump(mode="json"), "rows": table.rows})


def _columns(at: int, member: Member, task: Task, measurement: Measurement, notes: Notes) -> dict[str, Any]:
    """The raw values of a task in one row; why a ratio is missing or wide becomes a footnote."""
    windows = [window for window in measurement.windows if window.task == task]
    own = [window for window in windows if window.member == member.cell.id]
    found = None if member.is_reference else estimate(log_ratios(windows, member.cell.id, member.reference_id))
    why = _why_not(member, task, measurement, found)
    reached = None if found is None else found.within_percent <= measurement.settings.within_percent
    if why:
        notes.add(at, task, why)
    elif reached is False:
        notes.add(at, task, f"the goal of ±{measurement.settings.within_percent:g} % was not reached in the time")
    outcome = measurement.outcomes.get(member.cell.id)
    values = {
        "ratio": 1.0 if member.is_reference and not why else found and found.ratio, "low": found and found.low,
        "high": found and found.high, "within_percent": found and found.within_percent, "reached": reached,
        "windows": len(own), "seconds": outcome and outcome.task_seconds.get(task), "why_not": why or None,
    }  # fmt: skip
    return {f"{task}_{name}": value for name, value in values.items()}


def _why_not(member: Member, task: Task, measurement: Measurement, found: Ratio | None) -> str:
    """Why a row has no ratio; empty if it has one."""
    own, other = (measurement.outcomes.get(cell_id) for cell_id in (member.cell.id, member.reference_id))
    if found is not None:
        return ""
    if sum(one.reference_id == member.reference_id for one in measurement.members) == 1:
        return ALONE
    if own is None or other is None:
        return "" if member.is_reference else INTERRUPTED
    if own.failed is not None:
        return str(own.failed)
    if task == "training" and own.ready is not None and not own.ready.trains:
        return "nothing is trained"
    if member.is_reference:
        return ""
    return _why_no_reference(member, task, measurement, other)


def _why_no_reference(member: Member, task: Task, measurement: Measurement, other: Outcome) -> str:
    """Why there is no ratio although the method itself was prepared or never tried."""
    name = next(one.cell.method.label for one in measurement.members if one.cell.id == member.reference_id)
    if other.failed is not None:
        return f"the reference, {name}, failed: {other.failed}"
    if task == "training" and other.ready is not None and not other.ready.trains:
        return f"the reference, {name}, is not trained"
    return f"the time was over before {LEAST_BLOCKS} blocks; give more --seconds"


def _caption(measurement: Measurement) -> str:
    """The conditions of measurement."""
    ready = [outcome.ready for outcome in measurement.outcomes.values() if outcome.ready is not None]
    facts: dict[str, set[str]] = {
        "device": {str(one.device) for one in ready}, "precision": {str(one.precision) for one in ready},
        "threads": {str(one.threads) for one in ready},
        "training batch size": {str(member.cell.train.batch_size) for member in measurement.members},
        "inference batch size": {str(member.cell.train.inference_batch_size) for member in measurement.members},
        "seed": {str(member.cell.seed) for member in measurement.members},
    }  # fmt: skip
    said = "; ".join(f"{name} {', '.join(sorted(values)) or 'unknown'}" for name, values in facts.items())
    settings = measurement.settings
    goal = f"±{settings.within_percent:g} % in {settings.seconds:g} s a pair"
    return f"Measured at {settings.written_at} with {said}; the goal was {goal}."


def _reading(measurement: Measurement) -> str:
    """What the numbers mean."""
    names = dict.fromkeys(one.cell.method.label for one in measurement.members if one.is_reference)
    return (
        f"Ratio: samples per second over those of {' or '.join(names)} on the same batches, with its 95 % interval. "
        "Above 1 is faster. The processes stay resident and take turns, so that changes of the host cancel. Texts and "
        "seeds are not in the interval."
    )


def _ratio(task: Task) -> Column:
    def write(row: Values) -> str:
        ratio, low, high = (row[f"{task}_{name}"] for name in ("ratio", "low", "high"))
        if ratio is None:
            return DASH
        return "1 (reference)" if low is None else f"{ratio:.3f} ({low:.3f} to {high:.3f})"

    return Column(task, f"{task.capitalize()} ratio\n(95 % interval)", write)


def _number(task: Task, name: str, digits: int, header: str) -> Column:
    def write(row: Values) -> str:
        value = row[f"{task}_{name}"]
        return DASH if value is None else f"{value:.{digits}f}"

    return Column(f"{task}_{name}", f"{task.capitalize()}\n{header}", write, optional=True)


COLUMNS = tuple(
    column
    for task in TASKS
    for column in (
        _ratio(task),
        _number(task, "within_percent", 2, "± %"),
        _number(task, "windows", 0, "windows"),
        _number(task, "seconds", 0, "seconds"),
    )
)
