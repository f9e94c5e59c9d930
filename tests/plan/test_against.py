"""A plan's peaks beside those of a run."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.errors import RunFolderError
from bench.plan.against import Key, against_table, compare_peaks, measured_device, read_run, to_csv
from bench.plan.row import PlanRow
from bench.record.files import write_json
from bench.record.memory_breakdown import MemoryBreakdown
from bench.record.record import Record
from bench.record.run_folder import RunFolder
from bench.text.tables import terminal
from tests.report.conftest import _record

MEGA = 10**6


def breakdown(megabytes: int) -> MemoryBreakdown:
    return MemoryBreakdown.of_tensors("train", {"weights": megabytes * MEGA})


def planned(record: Record, **facts: Any) -> PlanRow:
    """The row of a plan for a record's cell: 90 MB in training and 45 in inference."""
    names = {part: getattr(record.cell, part).name for part in ("dataset", "model", "method")}
    labels = {f"{part}_label": name for part, name in names.items()}
    shape = {"num_labels": 2, "sequence_length": 8, "batch_size": 4, "inference_batch_size": 4, "precision": "bf16"}
    peaks = {"train_memory": breakdown(90), "inference_memory": breakdown(45)}
    return PlanRow.model_validate({**names, **labels, **shape, **peaks, "device": "cuda", **facts})


def on_gpu(**fields: Any) -> Record:
    peaks = {"peak_train_bytes": 100 * MEGA, "peak_inference_bytes": 50 * MEGA, "peak_kind": "cuda_allocated"}
    return _record(fields=peaks | fields)


def measured(*records: Record) -> dict[Key, Record]:
    return {(r.cell.dataset.name, r.cell.model.name, r.cell.method.name): r for r in records}


class TestRows:
    def test_ratios_are_predicted_over_measured(self) -> None:
        record = on_gpu()
        (row,) = compare_peaks([planned(record)], measured(record))
        assert (row.ratio("train"), row.ratio("inference"), row.status) == (0.9, 0.9, "ok")

    def test_on_a_cpu_the_process_itself_is_taken_off(self) -> None:
        parts = dict.fromkeys(
            ("weights_bytes", "gradients_bytes", "optimizer_state_bytes", "activations_bytes", "workspace_bytes",
             "unattributed_bytes", "peak_bytes"), 0,
        )  # fmt: skip
        memory = parts | {
            "of": "train", "allocator_slack_bytes": None, "cuda_context_bytes": None, "process_bytes": 30 * MEGA
        }  # fmt: skip
        record = on_gpu(peak_kind="host_vmhwm", memory=(memory,))
        (row,) = compare_peaks([planned(record, device="cpu")], measured(record))
        assert row.measured_train_peak_bytes == 70 * MEGA
        assert row.measured_inference_peak_bytes is None, "nothing says what the process held"

    def test_what_was_not_run_or_failed_has_no_ratio(self) -> None:
        failed = _record(status="oom")
        other = planned(failed, method="another", method_label="another")
        rows = compare_peaks([planned(failed), other], measured(failed))
        assert [row.status for row in rows] == ["oom", "not run"]
        assert [row.ratio("train") for row in rows] == [None, None]

    def test_the_gpu_waits_where_it_is_not_busy(self) -> None:
        phase = {
            "name": "train", "seconds": 9.0, "peak_host_bytes": 1, "peak_cuda_allocated_bytes": 1,
            "peak_cuda_reserved_bytes": 1, "gpu_busy_fraction": 0.75,
        }  # fmt: skip
        record = on_gpu(phases=(phase,))
        (row,) = compare_peaks([planned(record)], measured(record))
        assert row.train_waiting_fraction == 0.25


class TestDevice:
    def test_a_run_is_planned_for_the_gpu_that_measured_it(self) -> None:
        record = on_gpu()
        assert record.machine is not None
        machine = record.machine.model_copy(update={"device": "cuda", "gpu": "H200", "gpu_capability": (9, 0)})
        resolved = measured_device(measured(record.model_copy(update={"machine": machine})))
        assert (resolved.device, resolved.capability, resolved.name) == ("cuda", (9, 0), "H200")

    def test_a_run_that_never_began_says_so(self) -> None:
        with pytest.raises(RunFolderError, match="no cell of the run says which machine"):
            measured_device(measured(_record(status="killed", fields={"machine": None})))


class TestRunFolder:
    def write(self, folder: Path, *records: Record) -> Path:
        run = RunFolder(folder)
        for record in records:
            run.cell(record.cell_id).path.mkdir(parents=True)
            run.cell(record.cell_id).record.write_text(record.model_dump_json())
        write_json(run.run, {"schema_version": 1, "cell_ids": [record.cell_id for record in records], "study": {}})
        return folder

    def test_the_first_that_succeeded_stands_for_a_row(self, tmp_path: Path) -> None:
        failed, one, two = _record(status="error", seed=0), _record(seed=1), _record(seed=2)
        assert [record.cell.seed for record in read_run(self.write(tmp_path, failed, one, two)).values()] == [1]

    def test_no_run_folder(self, tmp_path: Path) -> None:
        with pytest.raises(RunFolderError, match=r"is no run folder: it has no run\.json; run the study first"):
            read_run(tmp_path)


class TestShown:
    def test_a_line_a_peak_and_what_is_suspect(self) -> None:
        record = on_gpu(checks=({"name": "other load", "verdict": "suspect", "found": "much"},))
        console = Console(file=io.StringIO(), width=80)
        terminal.show(against_table("Title", compare_peaks([planned(record)], measured(record))), console)
        assert isinstance(console.file, io.StringIO)
        said = console.file.getvalue()
        assert "train           90.0     100.0  0.900" in said
        assert "inference       45.0      50.0  0.900" in said
        assert "1 of 1 rows were measured, 1 of them are suspect." in said
        assert "other load" in said
        assert "Predicted over measured: 0.900 to 0.900 over 2 peaks." in said

    def test_csv(self) -> None:
        record = on_gpu()
        (line,) = csv.DictReader(io.StringIO(to_csv(compare_peaks([planned(record)], measured(record)))))
        assert (line["measured_train_peak_bytes"], line["train_ratio"]) == (str(100 * MEGA), "0.9")
        assert line["train_waiting_fraction"] == ""
