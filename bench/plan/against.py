"""Compare a plan's predicted peaks with those that a run of the same study measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from bench.errors import RunFolderError
from bench.measure.resolved_device import ResolvedDevice
from bench.plan.render import MEGA, scaled
from bench.plan.row import PlanRow
from bench.record.digests import known_digests, read_kept
from bench.record.memory_breakdown import MemoryBreakdown
from bench.record.record import Record
from bench.record.run_folder import RunFolder
from bench.text.tables.csv_text import csv_lines
from bench.text.tables.table import Column, Footnote, Table, Values

Moment = Literal["train", "inference"]
MOMENTS: tuple[Moment, ...] = ("train", "inference")
#: Dataset, model and method by their study names.
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakComparison:
    """Predicted and measured peaks of one row; of several seeds and repeats, the first successful one counts.

    Attributes:
        dataset: name of the dataset.
        model: name of the model.
        method: name of the method.
        status: status of the measured cell; ``not run`` if there is none.
        predicted_train_peak_bytes: predicted peak of training; None if nothing is trained or predicted.
        measured_train_peak_bytes: measured peak of tensors and matmul libraries; None if unknown.
        predicted_inference_peak_bytes: predicted peak of inference; None if unknown.
        measured_inference_peak_bytes: measured peak of inference; None if unknown.
        train_waiting_fraction: fraction of the training in which the GPU ran no kernel; None if unknown.
        suspect_checks: names of the failed validity checks.
    """

    dataset: str
    model: str
    method: str
    status: str
    predicted_train_peak_bytes: int | None
    measured_train_peak_bytes: int | None
    predicted_inference_peak_bytes: int | None
    measured_inference_peak_bytes: int | None
    train_waiting_fraction: float | None
    suspect_checks: tuple[str, ...]

    @property
    def named(self) -> str:
        """The row's names in one phrase."""
        return f"{self.dataset} / {self.model} / {self.method}"

    def ratio(self, moment: Moment) -> float | None:
        """The predicted peak divided by the measured one; None if either is unknown."""
        predicted: int | None = getattr(self, f"predicted_{moment}_peak_bytes")
        measured: int | None = getattr(self, f"measured_{moment}_peak_bytes")
        return predicted / measured if predicted and measured else None


def read_run(folder: Path) -> dict[Key, Record]:
    """The record of each row of a run folder: the first that succeeded, else the first.

    Raises:
        RunFolderError: the folder is no run folder, or a record is damaged.
    """
    run = RunFolder(folder)
    if not run.run.exists():
        raise RunFolderError(f"{folder} is no run folder: it has no {run.run.name}; run the study first")
    found: dict[Key, Record] = {}
    known = known_digests(run.read_run(), run.run)
    for cell_id in run.cell_ids():
        record = read_kept(run.cell(cell_id), known)
        if record is None:
            continue
        key = (record.cell.dataset.name, record.cell.model.name, record.cell.method.name)
        if key not in found or (found[key].status != "ok" and record.status == "ok"):
            found[key] = record
    return found


def measured_device(measured: Mapping[Key, Record]) -> ResolvedDevice:
    """The device of a run, so that the plan assumes the machine that measured it.

    Raises:
        RunFolderError: no record names the machine.
    """
    with_machine = [record for record in measured.values() if record.machine is not None]
    if not with_machine:
        raise RunFolderError("no cell of the run says which machine it ran on; run the study first")
    machine = with_machine[0].machine
    assert machine is not None, "filtered above"
    precisions = [record.precision for record in with_machine if record.cell.train.precision == "auto"]
    return ResolvedDevice(
        device=machine.device, precision_of_auto="fp32" if "fp32" in precisions else "bf16",
        capability=machine.gpu_capability, name=machine.gpu,
    )  # fmt: skip


def compare_peaks(rows: Sequence[PlanRow], measured: Mapping[Key, Record]) -> list[PeakComparison]:
    """Each row of a plan, made for the machine of ``measured_device``, with its measurement."""
    return [_row(row, measured.get((row.dataset, row.model, row.method))) for row in rows]


def _row(row: PlanRow, record: Record | None) -> PeakComparison:
    return PeakComparison(
        dataset=row.dataset, model=row.model, method=row.method, status="not run" if record is None else record.status,
        predicted_train_peak_bytes=_total(row.train_memory), measured_train_peak_bytes=_of_tensors(record, "train"),
        predicted_inference_peak_bytes=_total(row.inference_memory),
        measured_inference_peak_bytes=_of_tensors(record, "inference"),
        train_waiting_fraction=None if record is None else _waiting(record),
        suspect_checks=() if record is None else tuple(c.name for c in record.checks if c.verdict == "suspect"),
    )  # fmt: skip


def _total(memory: MemoryBreakdown | None) -> int | None:
    return None if memory is None else memory.peak_bytes


def _of_tensors(record: Record | None, moment: Moment) -> int | None:
    """The peak of tensors: of CUDA's allocator, or on a CPU the process's peak without interpreter and libraries."""
    if record is None:
        return None
    peak: int | None = getattr(record, f"peak_{moment}_bytes")
    if peak is None or record.peak_kind == "cuda_allocated":
        return peak
    process = next((part.process_bytes for part in record.memory if part.of == moment), None)
    return None if process is None else peak - process


def _waiting(record: Record) -> float | None:
    busy = [phase.gpu_busy_fraction for phase in record.phases if phase.name == "train"]
    return None if not busy or busy[0] is None else 1 - busy[0]


def against_table(title: str, rows: Sequence[PeakComparison]) -> Table:
    """A table with one line per peak; footnotes list suspect rows and the range of the ratios.

    Args:
        title: heading of the table.
        rows: rows of the plan with their measurements.
    """
    return Table(
        title=title, heads={"named": "Dataset / Model / Method"}, columns=COLUMNS,
        rows=[
            _peak(row, moment)
            for row in rows
            for moment in MOMENTS
            if moment == "inference" or row.predicted_train_peak_bytes is not None
        ],
        footnotes=tuple(Footnote("", text) for text in _summary(rows)),
    )  # fmt: skip


def to_csv(rows: Sequence[PeakComparison]) -> str:
    """The rows as csv, memory in bytes, empty if unknown."""
    names = [field.name for field in fields(PeakComparison)]
    values = (
        [*(getattr(row, name) for name in names[:-1]), "; ".join(row.suspect_checks), *map(row.ratio, MOMENTS)]
        for row in rows
    )
    return csv_lines([*names, "train_ratio", "inference_ratio"], values)


def _peak(row: PeakComparison, moment: Moment) -> dict[str, str | float | None]:
    waiting = row.train_waiting_fraction if moment == "train" else None
    return {
        "named": row.named, "moment": moment, "status": row.status,
        "predicted": getattr(row, f"predicted_{moment}_peak_bytes"),
        "measured": getattr(row, f"measured_{moment}_peak_bytes"), "ratio": row.ratio(moment),
        "waiting": None if waiting is None else 100 * waiting,
    }  # fmt: skip


def _measured(row: Values) -> str:
    failed = row["measured"] is None and row["status"] != "ok"
    return str(row["status"]) if failed else scaled("measured", MEGA, 1)(row)


COLUMNS = (
    Column("moment", "Peak of", lambda row: str(row["moment"]), prose=True),
    Column("predicted", "Predicted\nMB", scaled("predicted", MEGA, 1)), Column("measured", "Measured\nMB", _measured),
    Column("ratio", "Ratio", scaled("ratio", digits=3)), Column("waiting", "GPU waits\n%", scaled("waiting", digits=0)),
)  # fmt: skip


def _summary(rows: Sequence[PeakComparison]) -> list[str]:
    measured = [row for row in rows if row.status == "ok"]
    ratios = [ratio for row in measured for moment in MOMENTS if (ratio := row.ratio(moment)) is not None]
    suspect = [row for row in measured if row.suspect_checks]
    sentences = [
        f"{len(measured)} of {len(rows)} rows were measured, {len(suspect)} of them are suspect.",
        *(f"  suspect: {row.named}: {', '.join(row.suspect_checks)}" for row in suspect),
    ]
    if ratios:
        sentences.append(
            f"Predicted over measured: {min(ratios):.3f} to {max(ratios):.3f} over {len(ratios)} peaks. A prediction "
            "assumes full sequences; a peak measured on a CPU also includes gaps in the heap."
        )
    return sentences
