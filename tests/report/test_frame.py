"""Frames of records and of curves: what users compute with."""

import contextlib
import io
import shutil
import warnings
from pathlib import Path

import pandas as pd
import pytest

import bench
from bench.errors import RunFolderError
from bench.record.record import Record
from bench.record.run_folder import RunFolder
from bench.report.frame_columns import columns
from bench.report.results import archive
from bench.report.tables import table3
from tests import pages
from tests.commands.compare.support import alone, changed, report, run_folder
from tests.report.conftest import MakeRecord
from tests.report.tuned import tuning
from tests.support import python

ROOT = Path(__file__).parents[2]
NULLABLE = {"string", "Int64", "Float64", "boolean"}
WITHIN_CELL = {
    "windows": 20, "window_steps": 2, "relative_standard_error": 0.01, "p10_samples_per_second": 90.0,
    "p90_samples_per_second": 110.0, "p10_tokens_per_second": 1800.0, "p90_tokens_per_second": 2200.0,
}  # fmt: skip


def full(record: Record) -> Record:
    """The record with all that a record can tell of an encoder."""
    speed = {"energy_joules_per_sample": 0.25, "mfu_fraction": 0.5, "within_cell": WITHIN_CELL}
    content = record.model_dump()
    content["training"]["speed"] |= speed
    content["inference"] |= speed
    content["training"]["train_seconds"] = 3.5
    content["training"] |= {"planned_steps": 12, "best_step": 5, "best_seconds": 1.75, "kept_step": 5}
    content["training"]["training_flops"] = 2e12
    content["machine"] |= {"gpu": "NVIDIA H200", "driver": "570.1", "device": "cuda"}
    content["data"]["rows"]["train"] = 400
    phase = {"peak_host_bytes": None, "peak_cuda_allocated_bytes": None, "peak_cuda_reserved_bytes": None}
    return changed(
        Record.model_validate(content),
        phases=[phase | {"name": name, "seconds": seconds, "energy_joules": 2 * seconds}
                for name, seconds in zip(("load", "warm-up", "train", "memory", "memory"), range(1, 6), strict=True)],
        latency=[{"batch_size": size, "timed_batches": 299}
                 | {f"p{of}_seconds": size * of / 25e3 for of in (50, 90, 99)}
                 | {f"p{of}_interval_seconds": (size * of / 30e3, size * of / 20e3) for of in (50, 90, 99)}
                 for size in (1, 64)],
        matmul_flops_per_second=1e12, artifact_bytes=3_548_168, validation_macro_f1=0.5, study_batch_size=32,
        worker_start_seconds=0.5, warnings=["one", "two"], tuning=tuning(0.5, 0.75),
    )  # fmt: skip


def failed(record: Record) -> Record:
    return changed(record, failure={"phase": "train", "type": "E", "message": "no", "fitting_batch_size": 4})


class TestRecords:
    def test_a_row_a_cell_failed_ones_too(self, make_record: MakeRecord, tmp_path: Path) -> None:
        records = [make_record(seed=0), failed(make_record("oom", seed=1)), make_record(method="BitFit")]
        frame = bench.load_records(run_folder(tmp_path / "run", *map(alone, records)))
        assert list(frame["cell_id"]) == [record.cell_id for record in records]
        assert (list(frame["status"]), list(frame["seed"])) == (["ok", "oom", "ok"], [0, 1, 0])
        assert frame["row_id"].nunique() == 2
        stopped = frame.iloc[1]
        assert (stopped["failure_phase"], stopped["fitting_batch_size"]) == ("train", 4)
        assert stopped["macro_f1"] is pd.NA
        assert stopped["batch_size"] == 16

    def test_a_report_says_what_its_run_folder_says(self, make_record: MakeRecord, tmp_path: Path) -> None:
        records = [make_record(seed=0), make_record("oom", seed=1)]
        of_run = bench.load_records(str(run_folder(tmp_path / "run", *map(alone, records))))
        pd.testing.assert_frame_equal(of_run, bench.load_records(report(tmp_path / "report", *records)))

    def test_unknown_is_na_in_a_nullable_column(self, make_record: MakeRecord, tmp_path: Path) -> None:
        bare = Record.model_validate(
            {key: value for key, value in make_record("error").model_dump().items()
             if key in ("cell_id", "cell", "status", "started_at", "wall_seconds")}
        )  # fmt: skip
        frame = bench.load_records(report(tmp_path / "r", bare))
        assert {str(dtype) for dtype in frame.dtypes} <= NULLABLE
        row = frame.iloc[0]
        assert all(row[name] is pd.NA for name, column in columns().items()
                   if column.role == "result" and name != "wall_seconds")  # fmt: skip
        assert row["stamp"] == "unstamped"
        assert row["suspect_checks"] is pd.NA

    def test_every_column_is_known_of_some_record(self, make_record: MakeRecord, tmp_path: Path) -> None:
        causal = make_record(kind="causal", bits=4, generated_f1=0.25, parse_failures=0.125, seed=7)
        random = make_record(weights="random", scale="tiny")
        stopped = failed(make_record("oom", seed=1))
        longest = make_record(seed=3)
        train = longest.cell.train.model_copy(update={"max_steps": 9})
        longest = changed(longest, cell=longest.cell.model_copy(update={"train": train}))
        frame = bench.load_records(report(tmp_path / "r", full(make_record()), causal, random, stopped, longest))
        of_encoders = {
            "generate", "insights", "calibrate", "validate", "adapt", "save", "evaluate", "inference", "latency",
        }  # fmt: skip
        unknown = {name for name in columns() if frame[name].isna().all()}
        assert unknown == {f"{name}_phase_seconds" for name in of_encoders}

    def test_numbers_are_those_of_the_record_in_si_units(self, make_record: MakeRecord, tmp_path: Path) -> None:
        row = bench.load_records(report(tmp_path / "r", full(make_record()))).iloc[0]
        wanted = {
            "macro_f1": 0.93, "trainable_params": 887_042, "forward_flops": 46_050_000_000,
            "train_seconds": 3.5, "train_energy_joules": 10.0, "train_phase_seconds": 3.0, "warm_up_phase_seconds": 2.0,
            "memory_phase_seconds": 9.0, "latency_batch_1_p99_seconds": 0.00396,
            "latency_batch_study_p50_seconds": 0.128, "latency_batch_1_p90_within_cell_high_seconds": 0.0045,
            "latency_batch_study_timed_batches": 299, "train_within_cell_relative_standard_error": 0.01,
            "inference_within_cell_p90_tokens_per_second": 2200.0,
            "inference_batch_size": 64, "train_mfu_fraction": 0.5, "peak_train_bytes": 1_512_800_000,
            "evaluated_texts": 100, "option_rank": 8, "version_torch": "2.9.0", "warnings": "one; two",
        }  # fmt: skip
        assert {name: row[name] for name in wanted} == wanted

    def test_energy_of_a_training_half_of_which_was_not_read(self, make_record: MakeRecord, tmp_path: Path) -> None:
        content = full(make_record()).model_dump()
        content["phases"][1]["energy_joules"] = None
        frame = bench.load_records(report(tmp_path / "r", Record.model_validate(content)))
        assert frame["train_energy_joules"].isna().all()

    def test_random_weights_have_no_quality(self, make_record: MakeRecord, tmp_path: Path) -> None:
        record = make_record(weights="random", kind="causal", generated_f1=0.5)
        frame = bench.load_records(report(tmp_path / "r", record))
        assert frame[["macro_f1", "accuracy", "generated_macro_f1", "parse_failure_fraction"]].isna().all(axis=None)

    def test_options_are_typed_and_na_where_a_method_has_none(self, make_record: MakeRecord, tmp_path: Path) -> None:
        records = [
            make_record(options={"rank": 8, "alpha": 1, "merge": None, "layers": "last:2", "on": True}),
            make_record(method="B", options={"alpha": 0.5, "layers": [1, 2]}),
        ]
        frame = bench.load_records(report(tmp_path / "r", *records))
        kinds = {name: str(frame[f"option_{name}"].dtype) for name in ("rank", "alpha", "merge", "layers", "on")}
        assert kinds == {"rank": "Int64", "alpha": "Float64", "merge": "string", "layers": "string", "on": "boolean"}
        assert list(frame["option_layers"]) == ["last:2", "[1, 2]"]
        assert frame["option_rank"].iloc[1] is pd.NA

    def test_several_runs_are_told_apart(self, make_record: MakeRecord, tmp_path: Path) -> None:
        a, b = (
            report(tmp_path / "a", make_record()),
            report(tmp_path / "b", make_record(device="cuda", fields={"started_at": "2026-02-02"})),
        )
        assert list(bench.load_records(a, b)["machine"]) == ["AMD EPYC 7B13, 2 cores", "NVIDIA H200"]
        with pytest.raises(RunFolderError, match="given twice"):
            bench.load_records(a, a)

    def test_no_cell_has_been_measured_yet(self, tmp_path: Path) -> None:
        frame = bench.load_records(run_folder(tmp_path / "run"))
        assert len(frame) == 0
        assert list(frame.columns) == list(columns())

    def test_a_record_that_cannot_be_read_is_a_warning(self, make_record: MakeRecord, tmp_path: Path) -> None:
        kept, broken = make_record(), make_record(seed=1)
        folder = run_folder(tmp_path / "run", alone(kept), alone(broken))
        RunFolder(folder).cell(broken.cell_id).record.write_text("{")
        with pytest.warns(UserWarning, match="left out") as said:
            frame = bench.load_records(folder)
        assert (list(frame["cell_id"]), said[0].filename) == ([kept.cell_id], __file__)

    def test_means_are_those_of_the_table(self) -> None:
        for name in ("minilm_real", "repeatability", "expert_ablation"):
            frame = bench.load_records(ROOT / "reports" / name)
            table = table3.build(name, archive.read(ROOT / "reports" / name).runs[0].records).frame
            means = frame[frame["status"] == "ok"].groupby("row_id", sort=False).mean(numeric_only=True)
            for column in ("train_samples_per_second", "inference_samples_per_second", "macro_f1"):
                assert means[column].tolist() == pytest.approx(table[f"{column}_mean"].tolist()), (name, column)

    def test_its_help_documents_every_column(self) -> None:
        said = bench.load_records.__doc__ or ""
        assert [name for name in columns() if f"\n{name}: " not in said] == []
        assert all(column.meaning for column in columns().values())


class TestCurves:
    def test_a_row_a_point_of_each_pass(self, make_record: MakeRecord, tmp_path: Path) -> None:
        record = make_record()
        points = [{"step": 2, "train_seconds": 1.5, "macro_f1": 0.5}]
        training = {**(record.training.model_dump() if record.training else {}), "validation": points}
        record = changed(record, training=training)
        folder = run_folder(tmp_path / "run", alone(record), alone(make_record("oom", seed=1)))
        steps = ["pass,step,seconds,samples,tokens,padded_tokens,loss,learning_rate"]
        steps += ["train,0,0.5,1,16,20,0.75,0.1", "train,1,1.0,2,16,20,0.25,0.1", "inference,0,0.25,3,64,99,,"]
        RunFolder(folder).cell(record.cell_id).steps.write_text("\n".join(steps) + "\n")
        frame = bench.load_curves(folder)
        assert {str(dtype) for dtype in frame.dtypes} <= NULLABLE
        assert set(frame["cell_id"]) == {record.cell_id}
        shown = frame[["pass_name", "step", "elapsed_seconds", "tokens_per_second", "loss_nats", "macro_f1"]]
        assert shown.astype(object).values.tolist() == [
            ["train", 1, 0.5, 32.0, 0.75, pd.NA], ["train", 2, 1.5, 16.0, 0.25, pd.NA],
            ["inference", 1, 0.25, 256.0, pd.NA, pd.NA], ["validation", 2, 1.5, pd.NA, pd.NA, 0.5],
        ]  # fmt: skip
        assert frame["run"].eq("s").all()

    def test_a_report_of_before_there_were_curves(self, tmp_path: Path) -> None:
        for name in ("records.jsonl", "study.json"):
            shutil.copy(ROOT / "reports" / "repeatability" / name, tmp_path)
        frame = bench.load_curves(tmp_path)
        assert len(frame) == 0
        assert str(frame["elapsed_seconds"].dtype) == "Float64"


class TestPublicNames:
    def test_importing_bench_loads_nothing_heavy(self) -> None:
        code = (
            "import sys, bench; assert {'load_curves', 'load_records'} <= set(dir(bench)); "
            "print(sorted({'torch', 'pandas', 'numpy', 'pydantic', 'scipy', 'matplotlib'} & set(sys.modules)))"
        )
        assert python(code) == "[]"

    def test_are_complete_and_sorted(self) -> None:
        assert bench.__all__ == sorted(bench.__all__)
        assert all(getattr(bench, name) is not None for name in bench.__all__)
        with pytest.raises(AttributeError, match="no attribute 'load_record'"):
            bench.load_record  # noqa: B018 - asking for it is the test


def test_the_snippet_of_the_documentation_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (snippet,) = pages.blocks(ROOT / "docs" / "python.md", "python")
    assert len(snippet.splitlines()) <= 25
    monkeypatch.chdir(ROOT)
    names: dict[str, pd.DataFrame] = {}
    with contextlib.redirect_stdout(io.StringIO()) as said, warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(snippet, "python.md", "exec"), names)
    assert "0.7691" in said.getvalue()
    table = pd.read_csv("reports/minilm_real/table3.csv")
    assert names["f1"]["mean"].tolist() == pytest.approx(table["macro_f1_mean"].tolist())
    assert names["f1"]["std"].tolist() == pytest.approx(table["macro_f1_std"].tolist())
    assert names["shares"].loc[("SST-5", "LoRA"), "macro_f1"] == pytest.approx(0.3971 / 0.4476, abs=1e-3)
