"""The record names what a method chose where its options leave it open."""

from pathlib import Path
from typing import Any

import pytest

from tests.support import TEST_ROWS, TRAIN_ROWS, run_cell, small_study, write_texts

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("full_ft", {}),
        ("lora", {"target_modules": ["query", "value"]}),
        ("moe", {"blocks": ["encoder.layer.0.intermediate"]}),
    ],
)
def test_the_record_names_the_layers(method: str, wanted: dict[str, Any], tiny_encoder: Path, tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    train = {"max_steps": 2, "batch_size": 4, "precision": "fp32", "timing_warmup_steps": 1}
    content = small_study(tiny_encoder, texts, train=train, methods=[method])
    content["methods"] = {"moe": {"options": {"layers": "first:1"}}} if method == "moe" else {}
    record = run_cell(content, tmp_path)
    assert record.status == "ok", record.failure
    assert record.choices == wanted
