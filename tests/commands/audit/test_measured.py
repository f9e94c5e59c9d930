"""Means over the successful seeds of a run, in base units, under the names of the study."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.commands.audit.measured import comparable, means, read_measured, said
from bench.errors import RunFolderError
from bench.record.run_folder import RunFolder
from bench.report.results import archive
from tests.commands.compare.support import alone, report, run_folder, run_json
from tests.report.conftest import MakeRecord
from tests.report.predicted import results
from tests.support import write_files

NAMES = {"dataset_name": "imdb", "model_name": "roberta-base", "method_name": "lora"}


def test_means_over_the_seeds_that_succeeded(make_record: MakeRecord) -> None:
    records = [make_record(**NAMES, seed=0, macro_f1=0.92), make_record(**NAMES, seed=1, macro_f1=0.94),
               make_record("oom", **NAMES, seed=2)]  # fmt: skip
    row = means(records)[("imdb", "roberta-base", "lora")]
    assert row["f1"] == pytest.approx(0.93)
    assert (row["trainable_params"], row["total_params"]) == (887_042, 125_534_212)
    assert row["flops"] == pytest.approx(46.05e9)
    assert (row["throughput"], row["inference_throughput"], row["train_throughput"]) == (300, 300, 100)
    assert row["peak_memory"] == pytest.approx(1_512_800_000)
    assert (row["accuracy"], row["precision"], row["recall"]) == (0.7, 0.7, 0.7)


def test_random_weights_have_no_quality(make_record: MakeRecord) -> None:
    (row,) = means([make_record(**NAMES, weights="random")]).values()
    assert not {"f1", "accuracy", "precision", "recall"} & set(row)
    assert row["total_params"] == 125_534_212


def test_conditions_are_those_of_the_run(make_record: MakeRecord) -> None:
    assert "AMD EPYC 7B13" in said([make_record()])
    assert said(None) == ""


def test_a_run_folder_and_a_report_are_read(make_record: MakeRecord, tmp_path: Path) -> None:
    records = [make_record(**NAMES), make_record("oom", **NAMES, seed=1)]
    run = run_folder(tmp_path / "run", *map(alone, records), more_ids=["not__run__s0-0123456789"])
    assert [record.status for record in read_measured(run)] == ["ok", "oom"]
    assert means(read_measured(report(tmp_path / "report", *records))) == means(records)


def test_a_folder_that_says_nothing_is_refused(make_record: MakeRecord, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is neither a run folder nor a report"):
        read_measured(tmp_path / "nowhere")
    failed = run_folder(tmp_path / "failed", alone(make_record("oom", **NAMES)))
    with pytest.raises(RunFolderError, match="no cell has succeeded yet"):
        read_measured(failed)


def test_a_damaged_record_is_refused(make_record: MakeRecord, tmp_path: Path) -> None:
    records = [make_record(**NAMES), make_record(**NAMES, seed=1)]
    run = RunFolder(run_folder(tmp_path / "run", *map(alone, records)))
    path = run.cell(records[1].cell_id).record
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(RunFolderError, match=rf"^{re.escape(str(path))}"):
        read_measured(run.path)


def test_a_report_of_several_runs_is_refused(make_record: MakeRecord, tmp_path: Path) -> None:
    """Means over two machines would be of neither."""
    one, other = (
        results(run_json([record]), alone(record))
        for record in (make_record(**NAMES), make_record(**NAMES, fields={"started_at": "2026-02-02"}))
    )
    write_files(tmp_path, archive.texts(replace(one, runs=(*one.runs, *other.runs))))
    with pytest.raises(RunFolderError, match="is a report of 2 runs; give one of the runs themselves"):
        read_measured(tmp_path)


def test_a_run_under_other_settings_is_left_out_and_named(make_record: MakeRecord) -> None:
    record = make_record()
    shorter = record.cell.model_copy(update={"data": record.cell.data.model_copy(update={"max_length": 5})})
    kept, said = comparable([record], [record.cell])
    assert (kept, said) == ([record], [])
    kept, said = comparable([record], [shorter])
    assert kept == []
    assert said[0].endswith(f"was measured with data.max_length {record.cell.data.max_length} where the study has 5")
