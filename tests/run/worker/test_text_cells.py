"""Whole cells of methods without a model: what is measured, and what a wrong plugin becomes."""

import re
from pathlib import Path
from typing import Any

import pytest

from bench.record.record import NO_MODEL, Record
from bench.record.run_folder import RunFolder
from bench.run.executor import LocalExecutor
from tests.known import known
from tests.support import TEST_ROWS, TRAIN_ROWS, run_cell, small_study, write_texts

PLUGIN = '''
"""A method without a model, for one test."""

import time

import numpy as np

from bench.method import TextMethod


class Special(TextMethod):
    """Answers by the words good and fine."""

    label = "Special"

    def fit(self, train, validation, labels):
        {fit}

    def predict(self, texts):
        good = [float("good" in text or "fine" in text) for text in texts.joined]
        scores = np.stack([1 - np.asarray(good), np.asarray(good)], axis=1)
        {predict}
        return scores

    def save(self, folder):
        (folder / "words.json").write_text('["good", "fine"]')
'''


def measured(folder: Path, fit: str = "pass", predict: str = "pass", extra: str = "", **changes: Any) -> Record:
    plugin = folder / "special.py"
    plugin.write_text(PLUGIN.format(fit=fit, predict=predict) + extra, encoding="utf-8")
    texts = write_texts(folder / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    grid = [{"datasets": ["reviews"], "models": ["none"], "methods": ["special"]}]
    content = small_study(folder, texts, **{"grid": grid, "models": {}} | changes)
    return run_cell(content, folder, plugin, executor=LocalExecutor)


def test_a_cell_is_measured_without_a_model(tmp_path: Path) -> None:
    record = measured(tmp_path, extra="\n    def num_parameters(self):\n        return 2\n")
    assert record.status == "ok", record.failure
    assert known(record.quality).macro_f1 == 1
    assert known(record.parameters).trainable_params == 2
    training, inference = known(record.training), known(record.inference)
    assert (training.steps, training.samples, training.final_loss) == (1, 22, None)
    assert known(training.speed).samples_per_second > 0
    assert (inference.timed_samples, inference.tokens_per_second) == (len(TEST_ROWS), None)
    assert record.validation_macro_f1 is not None
    assert known(record.artifact_bytes) == len('["good", "fine"]')
    assert known(record.peak_train_bytes) > 10_000_000
    assert known(record.peak_inference_bytes) > 10_000_000
    verdicts = {check.name: check.verdict for check in record.checks}
    assert verdicts["batching changes no score"] == "valid"
    assert record.precision is None
    assert {record.unknown[name] for name in ("precision", "flops", "latency", "memory")} == {NO_MODEL}
    (cell_id,) = RunFolder(tmp_path / "runs" / "small").cell_ids()
    predictions = RunFolder(tmp_path / "runs" / "small").cell(cell_id).predictions.read_text().splitlines()
    assert len(predictions) == len(TEST_ROWS)


@pytest.mark.parametrize(
    ("fit", "predict", "message"),
    [
        ("raise KeyError('no such word')", "pass", "no such word"),
        ("pass", "scores = scores[:, :1]", r"must return class scores of shape \(\d+, 2\), .*, got \(\d+, 1\)"),
        ("pass", "scores[0] = np.nan", "must return finite scores, got NaN or infinity for 1 of"),
        ("pass", "scores = ['positive']", "which is no array of numbers"),
        ("pass", "scores = None", "must return class scores of shape"),
    ],
    ids=["raises", "shape", "nan", "words", "nothing"],
)
def test_a_wrong_plugin_is_a_row_with_its_reason(fit: str, predict: str, message: str, tmp_path: Path) -> None:
    record = measured(tmp_path, fit, predict)
    assert record.status == "error"
    found = known(record.failure).message
    assert re.search(message, found), found


def test_a_plugin_that_hangs_is_a_timeout(tmp_path: Path) -> None:
    record = measured(tmp_path, "time.sleep(600)", limits={"cell_timeout_seconds": 10})
    assert (record.status, known(record.failure).phase) == ("timeout", "train")


def test_labels_of_evaluated_texts_are_not_given(tmp_path: Path) -> None:
    """With the validation split evaluated, settings are chosen on a part of train."""
    fit = "assert len(train.labels) + len(validation.labels) == 22, (train, validation)"
    record = measured(tmp_path, fit, data={"evaluate_split": "validation"})
    assert record.status == "ok", record.failure
    assert any("settings were chosen on a part of train" in warning for warning in record.warnings)
    assert record.unknown["validation_macro_f1"] == "the validation split is the evaluated one"


def test_scores_that_depend_on_the_batch_are_suspect(tmp_path: Path) -> None:
    record = measured(tmp_path, predict="scores = scores + [[len(scores), 0]]")
    assert record.status == "ok", record.failure
    assert [check.name for check in record.checks if check.verdict == "suspect"].count("batching changes no score") == 1


def test_a_number_of_coefficients_that_is_none_is_unknown(tmp_path: Path) -> None:
    record = measured(tmp_path)
    assert record.parameters is None
    assert record.unknown["parameters"] == "the method does not count its coefficients"


def test_steps_of_microseconds_are_not_called_disturbed(tmp_path: Path) -> None:
    record = measured(tmp_path, train={"inference_batch_size": 1})
    (check,) = [check for check in record.checks if check.name == "stationary inference"]
    assert (check.verdict, check.found) == ("unknown", "the pass took less than 0.1 s")
    assert not [check for check in record.checks if check.name == "undisturbed inference"]
