"""A method that looks for the labels it will be judged by finds none in memory while it trains and is asked."""

import json
from pathlib import Path

import pytest

from bench.data.held_out_labels import HeldOutLabels
from tests.support import TRAIN_ROWS, run_cell, small_study, write_plugin, write_texts

pytestmark = pytest.mark.usefixtures("one_thread")
#: In an order that nothing else has, and as text, since this process must hold no list of them.
LABELS = {"test": "011010001110110010111100010", "validation": "1011100001101001100011101001110"}
#: Walks all that the interpreter knows of and what that refers to: lists, arrays and tensors of a split's length.
SPY = """
    def look(self, when, lengths={lengths}, target={target!r}):
        import gc, json
        import numpy as np, torch
        objects = gc.get_objects()
        found = set()
        for one in [*objects, *(each for of in objects for each in gc.get_referents(of))]:
            if isinstance(one, torch.Tensor) and one.ndim == 1 and not one.is_meta:
                values = one.tolist() if len(one) in lengths else ()
            elif isinstance(one, np.ndarray) and one.ndim == 1:
                values = one.tolist() if len(one) in lengths else ()
            else:
                values = one if type(one) in (list, tuple) and len(one) in lengths else ()
            if len(values) and all(type(value) in (int, float) and value in (0, 1) for value in values):
                found.add("".join(str(int(value)) for value in values))
        with open(target, "a") as handle:
            handle.write(json.dumps([when, sorted(found)]) + "\\n")

    def parameter_groups(self, model):
        self.look("before training")
        model.register_forward_hook(lambda *_: None if model.training else self.look("asked"))
        return super().parameter_groups(model)

    def after_step(self, model, step):
        self.look("training")

    def save(self, model, folder):
        self.look("saved")

    def prepare_inference(self, model):
        self.look("prepared")
        return model
"""


def test_no_object_holds_labels_of_another_split_than_train(tiny_encoder: Path, tmp_path: Path) -> None:
    target = tmp_path / "found.jsonl"
    texts = write_texts(tmp_path / "reviews", train=TRAIN_ROWS)
    for name, labels in LABELS.items():
        lines = (json.dumps({"text": f"film {number}", "label": int(label)}) for number, label in enumerate(labels))
        (texts / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    lengths = (len(TRAIN_ROWS), *map(len, LABELS.values()))
    extra = SPY.format(lengths=lengths, target=str(target))
    plugin = write_plugin(tmp_path, "spy", "self.look('adapted')", extra)
    train = {"epochs": 1, "max_steps": 4, "batch_size": 4, "precision": "fp32", "validation_points": 2}
    content = small_study(
        tiny_encoder, texts, methods=["spy"], train=train | {"early_stopping_patience": 2, "keep_artifact": False}
    )
    record = run_cell(content, tmp_path, plugin)
    assert record.status == "ok", record.failure
    seen = [json.loads(line) for line in target.read_text().splitlines()]
    assert {when for when, _ in seen} >= {"adapted", "before training", "training", "asked", "saved", "prepared"}
    train_labels = "".join(str(label) for _, label in TRAIN_ROWS)
    for when, found in seen:
        assert train_labels in found, f"{when}: the walk sees what is there"
        assert not set(found) & set(LABELS.values()), f"{when}: labels of another split lie in memory"


class TestHeldOutLabels:
    def test_are_read_anew_and_not_kept(self, tmp_path: Path) -> None:
        test, validation = [0, 2, 1], [1, 1]
        with HeldOutLabels({"test": test, "validation": validation}, tmp_path) as sealed:
            assert test == validation == []
            assert "test" in sealed
            assert "train" not in sealed
            assert (sealed.of("validation"), sealed.of("test"), sealed.of("test")) == ([1, 1], [0, 2, 1], [0, 2, 1])
        assert list(tmp_path.iterdir()) == []
