"""Means over the successful seeds of a run, in base units, under the names of the study."""

from pathlib import Path

import pytest

from bench.audit.measured import comparable, means, read_measured, said
from bench.errors import RunFolderError
from bench.store import RunFolder, write_json
from tests.report.conftest import MakeRecord

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


def test_a_run_folder_is_read(make_record: MakeRecord, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_json(run.run, {"schema_version": 1, "cell_ids": ["a", "b", "c"]})
    with pytest.raises(RunFolderError, match="no cell has succeeded yet"):
        read_measured(tmp_path)
    for cell_id, record in (("a", make_record(**NAMES)), ("c", make_record("oom", **NAMES))):
        run.cell(cell_id).path.mkdir(parents=True)
        write_json(run.cell(cell_id).record, record.model_dump(mode="json"))
    assert [record.status for record in read_measured(tmp_path)] == ["ok", "oom"]
    with pytest.raises(RunFolderError, match="is not a run folder"):
        read_measured(tmp_path / "nowhere")


def test_a_run_under_other_settings_is_left_out_and_named(make_record: MakeRecord) -> None:
    record = make_record()
    shorter = record.cell.model_copy(update={"data": record.cell.data.model_copy(update={"max_length": 5})})
    kept, said = comparable([record], [record.cell])
    assert (kept, said) == ([record], [])
    kept, said = comparable([record], [shorter])
    assert kept == []
    assert said[0].endswith(f"was measured with data.max_length {record.cell.data.max_length} where the study has 5")
