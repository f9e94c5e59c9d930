"""A whole study with a search: trials, then the cells with the best settings; nothing runs twice."""

import csv
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bench.errors import StudyError
from bench.record.record import Record
from bench.record.run_folder import read_record
from bench.run.run import run, tune
from bench.study.request import Request
from bench.study.study import Study
from bench.study.tuned_study import tuned_study
from tests.known import known
from tests.support import TEST_ROWS, TRAIN_ROWS, InlineExecutor, command, refused, small_study, write_study, write_texts

SPACE = {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}, "train.epochs": [1, 2]}
TUNE: dict[str, Any] = {"trials": 3, "spaces": {"full_ft": SPACE}}


class Watcher:
    """A watcher that remembers which cells ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def started(self, pending: Any, finished: int) -> None: ...
    def checking(self, what: str) -> None: ...
    def warned(self, message: str) -> None: ...

    def cell_started(self, cell: Any) -> None:
        self.ran.append(cell.id)

    def cell_progress(self, cell: Any, phase: str, done: int, of: int) -> None: ...
    def cell_ended(self, cell: Any, record: Any) -> None: ...


def content_of(encoder: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    texts = write_texts(folder / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    return small_study(encoder, texts, **{"tune": TUNE, "seeds": [0, 1]} | changes)


def measured(content: dict[str, Any], folder: Path, **request: Any) -> tuple[list[Record], list[str]]:
    watcher = Watcher()
    study = Study.model_validate(content)
    found = run(Request(study=study, **request), folder / "runs" / "small", InlineExecutor, watcher)
    return found, watcher.ran


def trials_in(folder: Path) -> list[Record]:
    found = [known(read_record(path)) for path in (folder / "runs" / "small").glob("cells/*/record.json")]
    return [record for record in found if record.cell.searching]


def test_a_search_then_the_cells_with_its_best_settings(tiny_encoder: Path, tmp_path: Path) -> None:
    content = content_of(tiny_encoder, tmp_path)
    found, ran = measured(content, tmp_path)
    assert [record.status for record in found] == ["ok", "ok"], [record.failure for record in found]
    assert len(ran) == 3 + 2
    trials = trials_in(tmp_path)
    assert len(trials) == 3
    for trial in trials:
        assert known(trial.quality).split == "validation"
        assert trial.inference is None
        assert {peak.of for peak in trial.memory} == {"load"}
        assert known(known(trial.training).training_flops) > 0
    tuning = known(found[0].tuning)
    best = tuning.trials[known(tuning.best)]
    assert known(best.macro_f1) == max(known(trial.macro_f1) for trial in tuning.trials)
    for record in found:
        assert record.tuning == tuning
        assert record.cell.method.given["learning_rate"] == best.settings["learning_rate"]
        assert record.cell.train.epochs == best.settings["train.epochs"]
        assert known(record.quality).split == "test"
        (check,) = [check for check in record.checks if check.name == "tuned"]
        assert check.found
    assert tuning.seconds == pytest.approx(sum(trial.wall_seconds for trial in trials))
    assert tuning.training_flops == pytest.approx(sum(known(known(one.training).training_flops) for one in trials))
    again, ran = measured(content, tmp_path)
    assert ran == []
    assert again == found


def test_a_larger_budget_only_adds_trials_and_marks_the_old_records(tiny_encoder: Path, tmp_path: Path) -> None:
    found, _ = measured(content_of(tiny_encoder, tmp_path), tmp_path)
    more = content_of(tiny_encoder, tmp_path, tune=TUNE | {"trials": 4})
    again, ran = measured(more, tmp_path)
    assert len(known(again[0].tuning).trials) == 4
    kept = known(again[0].tuning).best == known(found[0].tuning).best
    assert len(ran) == (1 if kept else 3)
    on_disk = known(read_record(tmp_path / "runs" / "small" / "cells" / again[0].cell_id / "record.json"))
    assert on_disk.tuning == again[0].tuning


def test_trials_have_their_own_data_and_train_settings(tiny_encoder: Path, tmp_path: Path) -> None:
    tuned = TUNE | {"trials": 1, "data": {"max_train_samples": 8}, "train": {"max_steps": 1}}
    found, _ = measured(content_of(tiny_encoder, tmp_path, tune=tuned), tmp_path)
    (trial,) = trials_in(tmp_path)
    assert known(trial.training).steps == 1
    assert known(trial.data).rows["train"] == 8
    assert known(found[0].training).steps == 4
    assert known(found[0].data).rows["train"] > 8


def test_one_method_can_be_searched_first(tiny_encoder: Path, tmp_path: Path) -> None:
    content = content_of(tiny_encoder, tmp_path, methods=["full_ft", "bitfit"], seeds=[0])
    _, ran = measured(content, tmp_path, only={"method": frozenset(["bitfit"])})
    assert len(ran) == 4
    found, ran = measured(content, tmp_path)
    assert len(ran) == 4
    assert {record.cell.method.name for record in found} == {"full_ft", "bitfit"}


def test_a_failing_trial_is_no_reason_to_stop(tiny_encoder: Path, tmp_path: Path) -> None:
    spaces = {"full_ft": {"learning_rate": [1e-3, 1e30]}}
    found, _ = measured(content_of(tiny_encoder, tmp_path, tune=TUNE | {"trials": 6, "spaces": spaces}), tmp_path)
    trials = known(found[0].tuning).trials
    failed = [trial for trial in trials if trial.macro_f1 is None]
    assert failed
    assert all(trial.settings["learning_rate"] == 1e30 for trial in failed)
    assert all(record.status == "ok" for record in found)


def test_tune_gives_a_study_that_measures_the_same_cells(tiny_encoder: Path, tmp_path: Path) -> None:
    study = Study.model_validate(content_of(tiny_encoder, tmp_path))
    cells = [cell for cell, _ in tune(Request(study=study), tmp_path / "runs" / "small", InlineExecutor, Watcher())]
    content = tuned_study(study, cells)
    assert "tune" not in content
    found, ran = measured(content, tmp_path)
    assert sorted(ran) == sorted(cell.id for cell in cells) == sorted(record.cell_id for record in found)


def test_a_study_without_a_search_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    content = content_of(tiny_encoder, tmp_path)
    content.pop("tune")
    with pytest.raises(StudyError, match=r"no table \[tune\]"):
        tune(Request(study=Study.model_validate(content)), tmp_path / "runs" / "small", InlineExecutor, Watcher())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tune": {"trials": 0}}, "tune.trials must be at least 1, got 0"),
        ({"tune": {}}, "give exactly one of trials and seconds"),
        ({"tune": {"trials": 1, "seconds": 5}}, "give exactly one of trials and seconds"),
        ({"tune": {"seconds": 0}}, "tune.seconds must be above 0"),
        ({"tune": {"trials": 1, "seeds": [0, 0]}}, "the same seed twice"),
        ({"tune": {"trials": 1, "seeds": []}}, "tune.seeds"),
        ({"tune": {"trials": 1, "data": {"evaluate_split": "test"}}}, "must not set evaluate_split"),
        ({"tune": {"trials": 1, "data": {"max_lenght": 4}}}, "max_length"),
        ({"tune": {"trials": 1, "train": {"epoch": 4}}}, "epochs"),
        ({"tune": {"trials": 1, "spaces": {"full_ft": {"rank": [1]}}}}, "rank"),
        ({"tune": {"trials": 1, "spaces": {"lora": {"r": [1]}}}}, "lora"),
        ({"tune": {"trials": 1, "spaces": {"full_ft": {"learning_rate": {"low": 2, "high": 1}}}}}, "must be below"),
        ({"tune": {"trials": 1, "spaces": {"full_ft": {"learning_rate": []}}}}, "learning_rate"),
        ({"tune": {"trials": 1, "spaces": {"full_ft": {"learning_rate": ["fast"]}}}}, "learning_rate"),
        ({"tune": {"trials": 1, "spaces": {"full_ft": {"learning_rate": [-1.0]}}}}, "learning_rate"),
        ({"tune": {"trials": 1, "spaces": {"full_ft": {"train.epochs": [0]}}}}, "epochs must be at least 1"),
        ({"tune": {"trials": 1, "pruning": True}}, "needs train.validation_points"),
        ({"tune": {"trials": 1, "sampler": "tpe"}}, "sampler"),
        ({"tune": {"trials": 1}, "methods": {"full_ft": {"options": {"learning_rate": 1e-3}}}}, "a learning_rate"),
        ({"data": {"max_length": 12, "evaluate_split": "validation"}}, "evaluates on the validation split"),
        ({"methods": ["zero_shot"]}, "zero_shot"),
    ],
)  # fmt: skip
def test_a_wrong_search_is_refused_in_words(tiny_encoder: Path, tmp_path: Path, changes: Any, said: str) -> None:
    study = write_study(tmp_path / "small.toml", content_of(tiny_encoder, tmp_path, **changes))
    refused(command("tune", study, cwd=tmp_path), said)


def test_the_command_prints_a_study_file_and_nothing_else(tiny_encoder: Path, tmp_path: Path) -> None:
    study = write_study(tmp_path / "small.toml", content_of(tiny_encoder, tmp_path, tune=TUNE | {"trials": 2}))
    done = command("tune", study, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert tomllib.loads(done.stdout)["grid"][0]["options"]["full_ft"]["learning_rate"] > 0
    best = tmp_path / "best.toml"
    best.write_text(done.stdout)
    done = command("run", best, "--format", "csv", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "reports" / "small" / "table3.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 1
