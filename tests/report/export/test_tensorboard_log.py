"""Event files, read back by TensorBoard itself."""

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from bench.errors import RunFolderError
from bench.record.record import Record
from bench.report.export import tensorboard_log
from bench.report.results.run import Results
from tests.commands.compare.support import changed
from tests.report.conftest import MakeRecord
from tests.report.export.conftest import ResultsOf


def read(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def points(read_back: EventAccumulator, tag: str) -> list[Any]:
    return [(event.step, event.value) for event in read_back.Scalars(tag)]


def told(read_back: EventAccumulator) -> dict[str, Any]:
    """What the table of hyper-parameters reads, by tag."""
    content = read_back.PluginTagToContent("hparams")
    return {tag: HParamsPluginData.FromString(data) for tag, data in content.items()}


def test_a_run_a_cell_with_curves_and_final_numbers(results_of: ResultsOf, validated: Record, tmp_path: Path) -> None:
    assert tensorboard_log.log(results_of(validated), tmp_path) == (1, 0)
    back = read(tmp_path / "s" / validated.cell_id)
    assert points(back, "train/loss_nats") == [(5, 0.75), (10, 0.25)]
    assert points(back, "train/tokens_per_second") == [(5, 16.0), (10, 32.0)]
    assert points(back, "inference/tokens_per_second") == [(3, 64.0)]
    assert points(back, "validation/macro_f1") == [(5, 0.5)]
    assert points(back, "result/macro_f1") == [(10, pytest.approx(0.93))]
    assert points(back, "result/peak_train_bytes") == [(10, 1_512_800_000)]
    tags = back.Tags()["scalars"]
    assert "result/generated_macro_f1" not in tags
    assert not [tag for tag in tags if tag.startswith("inference/loss")]


def test_hyper_parameters_and_how_the_run_ended(results_of: ResultsOf, make_record: MakeRecord, tmp_path: Path) -> None:
    ok, oom = make_record(options={"rank": 8, "on": True}), make_record("oom", seed=1)
    tensorboard_log.log(results_of(ok, oom), tmp_path)
    good, bad = (told(read(tmp_path / "s" / record.cell_id)) for record in (ok, oom))
    start = good["_hparams_/session_start_info"].session_start_info
    assert (start.group_name, start.hparams["method"].string_value) == (ok.cell_id, "LoRA")
    assert (start.hparams["batch_size"].number_value, start.hparams["option_rank"].number_value) == (16, 8)
    assert start.hparams["option_on"].bool_value is True
    assert (start.hparams["stamp"].string_value, start.start_time_secs) == ("valid", 1767323045.0)
    ends = [each["_hparams_/session_end_info"].session_end_info for each in (good, bad)]
    assert [end.status for end in ends] == [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE]
    assert ends[0].end_time_secs == 1767323054.0
    assert bad["_hparams_/session_start_info"].session_start_info.hparams["status"].string_value == "oom"


def test_the_same_results_give_the_same_bytes_once(
    results_of: ResultsOf, make_record: MakeRecord, tmp_path: Path
) -> None:
    logged = results_of(make_record())
    tensorboard_log.log(logged, tmp_path / "a")
    tensorboard_log.log(logged, tmp_path / "b")
    (a,), (b,) = (list((tmp_path / name).rglob("*tfevents*")) for name in "ab")
    assert (a.read_bytes(), tensorboard_log.log(logged, tmp_path / "a")) == (b.read_bytes(), (0, 1))
    assert [path for path in (tmp_path / "a").rglob("*") if path.is_file()] == [a]


def test_a_cell_that_was_measured_again_replaces_what_was_logged(
    results_of: ResultsOf, make_record: MakeRecord, tmp_path: Path
) -> None:
    record = make_record()
    tensorboard_log.log(results_of(record), tmp_path)
    assert tensorboard_log.log(results_of(changed(record, peak_train_bytes=5)), tmp_path) == (1, 0)
    assert points(read(tmp_path / "s" / record.cell_id), "result/peak_train_bytes") == [(10, 5.0)]


def test_runs_of_several_machines_are_told_apart(
    results_of: ResultsOf, make_record: MakeRecord, tmp_path: Path
) -> None:
    one, other = make_record(), make_record(device="cuda")
    tensorboard_log.log(Results((*results_of(one).runs, *results_of(other).runs)), tmp_path)
    places = {path.parent.relative_to(tmp_path / "s").parts for path in tmp_path.rglob("*tfevents*")}
    assert places == {("AMD_EPYC_7B13_2_cores", one.cell_id), ("NVIDIA_H200", other.cell_id)}


def test_a_record_from_elsewhere_does_not_lead_out_of_the_folder(
    results_of: ResultsOf, make_record: MakeRecord, tmp_path: Path
) -> None:
    record = changed(make_record(), cell_id="../../out", started_at="long ago")
    tensorboard_log.log(results_of(record), tmp_path / "in")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    (file,) = (tmp_path / "in").rglob("*tfevents*")
    assert file.parent.name == record.cell.id


def test_a_folder_that_cannot_be_written(results_of: ResultsOf, make_record: MakeRecord, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("a file")
    with pytest.raises(RunFolderError, match="cannot be written"):
        tensorboard_log.log(results_of(make_record()), tmp_path)


def test_cells_whose_settings_have_become_alike(results_of: ResultsOf, make_record: MakeRecord, tmp_path: Path) -> None:
    """As after two batch sizes that ran out of memory were both reduced to one."""
    records = [make_record(fields={"cell_id": name}) for name in ("first", "second")]
    assert tensorboard_log.log(results_of(*records), tmp_path) == (2, 0)
    assert tensorboard_log.log(results_of(*records), tmp_path) == (0, 2)
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"first", "second"}
