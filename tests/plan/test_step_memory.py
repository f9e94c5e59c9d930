"""The peak at any batch size from one step, held against steps that are run at that batch size."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.plan.memory import matmul_workspace_bytes
from bench.plan.plan import Plan
from bench.plan.shape import Shape
from bench.plan.step_memory import StepMemory
from bench.study.request import Request
from bench.study.study import Study

pytestmark = pytest.mark.usefixtures("one_thread")
ROBERTA: dict[str, Any] = {
    "model_type": "roberta", "architectures": ["RobertaForSequenceClassification"], "vocab_size": 1500,
    "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 512,
    "max_position_embeddings": 128, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip
#: Roundings of the allocator, and experts that cannot share tokens evenly.
TOLERANCE = 2e-3


def shape_of(folder: Path, plugin: str, **given: Any) -> tuple[Shape, Plan]:
    (folder / "config.json").write_text(json.dumps(ROBERTA), encoding="utf-8")
    content = {
        "name": "steps", "device": "cuda", "baselines": False, "data": {"max_length": 64},
        "grid": [{"datasets": ["texts"], "models": ["model"], "methods": ["row"]}],
        "train": {"batch_size": 8, "precision": "fp32", **given.pop("train", {})},
        "datasets": {"texts": {"hub_id": "nobody/nothing", "labels": ["bad", "good"]}},
        "models": {"model": {"path": str(folder), "weights": "random", **given.pop("model", {})}},
        "methods": {"row": {"plugin": plugin, "options": given}},
    }  # fmt: skip
    plan = Plan(Request(study=Study.model_validate_json(json.dumps(content)).in_folder(folder)))
    return Shape(plan.cells[0], True, plan.resolved), plan


def memory_of(shape: Shape) -> StepMemory:
    return StepMemory(shape.adapted(shape.config), shape.method, shape.cell, shape.device, shape.dtype)


@pytest.mark.parametrize(
    ("plugin", "given"),
    [
        ("full_ft", {}),
        ("lora", {"dropout": 0.1}),
        ("p_tuning", {"num_virtual_tokens": 5, "reparameterization": "none"}),
        ("moe", {"num_experts": 3, "layers": "last:1"}),
        ("bitfit", {"train": {"precision": "bf16", "weights_storage": "mixed"}}),
        ("full_ft", {"train": {"precision": "bf16", "weights_storage": "true", "gradient_checkpointing": True}}),
        ("lora", {"model": {"attention": "eager"}, "train": {"precision": "bf16", "weights_storage": "mixed"}}),
    ],
    ids=["full", "lora", "p_tuning", "moe", "amp", "bf16 checkpointed", "eager amp"],
)
def test_a_peak_is_that_of_a_step_at_its_batch_size(tmp_path: Path, plugin: str, given: dict[str, Any]) -> None:
    shape, plan = shape_of(tmp_path, plugin, **given)
    sizes = np.array([1, 3, 8, 17, 64])
    peaks = memory_of(shape).peaks(sizes)
    directly = []
    for size in sizes.tolist():
        memory = plan.at_batch(shape.cell, size).train_memory
        assert memory is not None
        directly.append(memory.peak_bytes - matmul_workspace_bytes((8, 0), trains=True))
    assert peaks == pytest.approx(directly, rel=TOLERANCE)


def test_the_position_of_the_peak_changes_with_the_batch_size(tmp_path: Path) -> None:
    """With few sequences it is in the update, whose memory does not depend on them."""
    shape, _ = shape_of(tmp_path, "full_ft")
    none, one, many, more = memory_of(shape).peaks(np.array([0, 1, 100, 101]))
    assert one - none < (more - many) / 2


def test_a_mask_takes_memory_and_both_are_predicted_from_one_model(tmp_path: Path) -> None:
    memory = memory_of(shape_of(tmp_path, "lora")[0])
    sizes = np.array([32])
    masked, unmasked = memory.peaks(sizes), memory.peaks(sizes, masked=False)
    assert unmasked < masked
    assert memory.peaks(sizes) == masked
    assert unmasked == pytest.approx(max(memory.live_bytes(32, masked=False)), rel=TOLERANCE)


def test_the_highest_operator_is_the_peak_of_the_plan(tmp_path: Path) -> None:
    shape, plan = shape_of(tmp_path, "bitfit")
    row = plan.row(shape.cell)
    assert row.train_memory is not None
    assert max(memory_of(shape).live_bytes(8)) + matmul_workspace_bytes((8, 0), True) == row.train_memory.peak_bytes
