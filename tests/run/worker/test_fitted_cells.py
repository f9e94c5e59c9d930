"""Whole cells that are fitted otherwise: class weights, smoothed labels, an optimizer whose state is in 8 bits."""

from pathlib import Path
from typing import Any

import pytest

from bench.errors import RequestError
from bench.record.record import Record
from bench.run.executor import LocalExecutor
from tests.known import known
from tests.support import TEST_ROWS, TRAIN_ROWS, run_cell, small_study, write_texts

pytestmark = pytest.mark.slow
#: Three of the class 0 to one of the class 1.
UNEVEN = [
    (f"a {word} film", label) for word, label in (("bad", 0), ("poor", 0), ("dull", 0), ("good", 1)) for _ in "123"
]


def fitted(
    encoder: Path, folder: Path, rows: list[tuple[str, Any]] = UNEVEN, labels: Any = None, **train: Any
) -> Record:
    """The record of one cell of six steps."""
    texts = write_texts(folder / "reviews", train=rows, test=TEST_ROWS)
    entry = {"path": str(texts)} | ({} if labels is None else {"labels": labels})
    settings = {"epochs": 9, "max_steps": 6, "batch_size": 4, "precision": "fp32", "timing_warmup_steps": 1}
    content = small_study(encoder, texts, train=settings | train, datasets={"reviews": entry})
    return run_cell(content, folder, executor=LocalExecutor)  # in its own process: this one's peaks hold other tests


def verdicts(record: Record) -> dict[str, str]:
    return {check.name: check.verdict for check in record.checks}


@pytest.mark.parametrize(
    "train",
    [
        {"class_weights": "balanced", "gradient_accumulation_steps": 2},
        {"label_smoothing": 0.1},
        {"optimizer": "adamw_8bit"},
    ],
    ids=lambda train: next(iter(train)),
)
def test_each_way_trains_and_is_stamped(tiny_encoder: Path, tmp_path: Path, train: dict[str, Any]) -> None:
    record = fitted(tiny_encoder, tmp_path, **train)
    assert record.status == "ok", record.failure
    assert known(record.training).steps == 6
    found = verdicts(record)
    assert (
        found["same seed, same loss"] == found["tokens of training"] == found["train memory accounted for"] == "valid"
    )
    assert sum(map(sum, known(known(record.quality).confusion).texts)) == len(TEST_ROWS)


def test_class_weights_need_a_text_of_each_class(tiny_encoder: Path, tmp_path: Path) -> None:
    """It is said before any work, and by the dataset's name."""
    with pytest.raises(
        RequestError, match=r"dataset reviews: .* needs a train text of each class, got none of 'neither'"
    ):
        fitted(tiny_encoder, tmp_path, TRAIN_ROWS, ["negative", "positive", "neither"], class_weights="balanced")
