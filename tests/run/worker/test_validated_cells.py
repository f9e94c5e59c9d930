"""Whole cells with validation points: what is on record, what stays as it was, and what a failure leaves."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.record.record import Record
from bench.record.run_folder import RunFolder
from tests.known import known
from tests.model.prompting.support import byte_tokenizer, causal_model
from tests.support import (
    TEST_ROWS,
    TRAIN_ROWS,
    WORDS,
    command,
    records,
    run_cell,
    small_study,
    write_plugin,
    write_study,
    write_texts,
)

pytestmark = pytest.mark.usefixtures("one_thread")
LABELS = ["negative", "positive"]
STEPS = 12
VALIDATION_ROWS = [(f"{start} {word}", label) for start in ("a", "a very") for word, label in WORDS]

RunOne = Callable[..., tuple[Record, Path]]


@pytest.fixture
def run_one(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunOne:
    """The record and the folder of one cell; ``extra`` are members of a method of its own."""
    monkeypatch.setattr("bench.measure.matmul.CPU_SIZE", 256)

    def of(extra: str | None = None, **changes: Any) -> tuple[Record, Path]:
        rows = {"train": TRAIN_ROWS, "validation": VALIDATION_ROWS, "test": TEST_ROWS}
        texts = write_texts(tmp_path / "reviews", **rows)
        settings: dict[str, Any] = {
            "epochs": 9, "max_steps": STEPS, "batch_size": 4, "precision": "fp32", "timing_warmup_steps": 2,
            "validation_points": 4,
        }  # fmt: skip
        changes["train"] = settings | changes.get("train", {})
        if extra is not None:
            changes["methods"] = ["special"]
        content = small_study(tiny_encoder, texts, **changes)
        plugins = [] if extra is None else [write_plugin(tmp_path, "special", extra=extra)]
        record = run_cell(content, tmp_path, *plugins)
        return record, RunFolder(tmp_path / "runs" / "small").cell(record.cell_id).path

    return of


def open_without_a_name() -> list[str]:
    """Files of this process that have no name any more."""
    links = (str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
    return [link for link in links if link.endswith("(deleted)")]


def checked(record: Record) -> dict[str, str]:
    return {check.name: check.verdict for check in record.checks}


class TestCells:
    def test_points_are_on_record_and_nothing_else_changes(self, run_one: RunOne) -> None:
        plain, plain_folder = run_one(train={"validation_points": 0})
        predictions = (plain_folder / "predictions.jsonl").read_bytes()
        record, folder = run_one()
        assert record.status == plain.status == "ok", record.failure
        assert record.cell_id != plain.cell_id
        assert (folder / "predictions.jsonl").read_bytes() == predictions
        assert (record.training is None, plain.training is None) == (False, False)
        assert record.training.final_loss == plain.training.final_loss  # type: ignore[union-attr]
        assert record.validation_macro_f1 == plain.validation_macro_f1
        assert record.unknown.keys() == plain.unknown.keys()

        steps = [line.split(",") for line in (folder / "steps.csv").read_text().splitlines()]
        seconds = [float(row[2]) for row in steps if row[0] == "train"]
        points = known(record.training).validation
        assert [point.step for point in points] == [3, 6, 9, 12]
        assert [point.train_seconds for point in points] == pytest.approx([sum(seconds[:n]) for n in (3, 6, 9, 12)])
        assert points[-1].train_seconds == known(record.training).train_seconds
        assert points[-1].macro_f1 == record.validation_macro_f1
        assert known(plain.training).validation == ()
        assert known(plain.training).train_seconds is not None

    def test_the_phases_are_their_own_and_the_stamp_holds(self, run_one: RunOne) -> None:
        record, _ = run_one()
        names = [phase.name for phase in record.phases]
        assert names == [
            "load", "adapt", "calibrate", "validate", "warm-up", "train", "calibrate", "memory", "validate", "save",
            "evaluate", "inference", "calibrate", "latency", "memory",
        ]  # fmt: skip
        assert sum(phase.seconds for phase in record.phases) <= record.wall_seconds
        settled = ["FLOP counters agree", "same seed, same loss", "tokens of training", "tokens of inference"]
        assert {name: checked(record)[name] for name in settled} == dict.fromkeys(settled, "valid")
        assert checked(record)["peaks restarted"] in ("valid", "unknown")

    @pytest.mark.parametrize("points", [1, 50])
    def test_one_point_or_more_than_there_are_steps(self, points: int, run_one: RunOne) -> None:
        record, _ = run_one(train={"validation_points": points})
        steps = [point.step for point in known(record.training).validation]
        assert steps == ([STEPS] if points == 1 else list(range(1, STEPS + 1)))

    def test_points_of_the_evaluated_split(self, run_one: RunOne) -> None:
        record, _ = run_one(data={"max_length": 12, "evaluate_split": "validation"})
        assert known(record.training).validation[-1].macro_f1 == known(record.quality).macro_f1
        assert record.validation_macro_f1 is None

    def test_a_method_that_trains_nothing_has_none(self, run_one: RunOne) -> None:
        record, _ = run_one("    trains = False\n", train={"validation_points": 3})
        assert record.status == "ok", record.failure
        assert record.training is None
        assert "validate" not in {phase.name for phase in record.phases}

    def test_hooks_are_called_once_a_step(self, run_one: RunOne) -> None:
        counts = """
    def after_step(self, model, step):
        assert all(module.training for module in model.modules())
        with Path(__file__).with_name("steps").open("a") as file:
            file.write(f"{step}\\n")
"""
        record, folder = run_one(counts)
        assert record.status == "ok", record.failure
        steps = [int(line) for line in (folder.parents[3] / "steps").read_text().splitlines()]
        assert steps[:STEPS] == list(range(STEPS))
        assert len(steps) == STEPS + 2, "the memory pass takes two on copies"

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc: open files are unknown here")
    def test_a_training_that_fails_leaves_nothing(self, run_one: RunOne) -> None:
        before = open_without_a_name()
        record, folder = run_one(
            "\n    def after_step(self, model, step):\n        if step == 7: raise RuntimeError('enough')\n"
        )
        assert record.status == "error"
        assert (known(record.failure).phase, known(record.failure).message) == ("train", "enough")
        assert {path.name for path in folder.iterdir()} <= {"cell.json", "record.json", "replay.sh", "steps.csv"}
        gc.collect()
        assert open_without_a_name() == before

    def test_weights_that_cannot_be_put_back_cost_the_points_alone(self, run_one: RunOne) -> None:
        grows = """
    def after_step(self, model, step):
        import torch
        model.register_buffer("notes", torch.zeros(step + 1))
"""
        record, _ = run_one(grows)
        assert record.status == "ok", record.failure
        assert known(record.training).validation == ()
        told = "ValueError: the training changed its set of trained weights, or the shape or dtype of one"
        assert record.unknown["training.validation"] == told
        assert record.quality is not None


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 16])
def test_a_causal_model_has_points_too(bits: int, run_one: RunOne, tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    model = causal_model("llama", len(tokenizer), hidden_size=64, intermediate_size=128)
    model.save_pretrained(tmp_path / "causal")
    tokenizer.save_pretrained(tmp_path / "causal")
    record, _ = run_one(
        methods=["lora"],
        models={"tiny": {"path": str(tmp_path / "causal"), "bits": bits}},
        data={"max_length": 160},
        prompt={"instruction": "label: {labels}", "label_words": LABELS, "generate": False},
    )
    assert record.status == "ok", record.failure
    assert [point.step for point in known(record.training).validation] == [3, 6, 9, 12]
    assert known(record.training).validation[-1].macro_f1 == record.validation_macro_f1
    assert checked(record)["same seed, same loss"] == "valid"


@pytest.mark.slow
def test_a_disk_without_room_for_the_points_is_a_row(small_disk: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    """The weights are 0.1 MB a point."""
    texts = write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    train = {"epochs": 9, "batch_size": 4, "precision": "fp32", "validation_points": 50}
    study = write_study(tmp_path / "small.toml", small_study(tiny_encoder, texts, train=train, methods=["full_ft"]))
    done = command("run", study, "--runs", small_disk, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    (row,) = records(small_disk / "small").values()
    assert (row["status"], row["failure"]["type"], row["failure"]["phase"]) == ("error", "RunFolderError", "validate")
    assert "GB of disk space for the weights of 50 validation points" in row["failure"]["message"]
