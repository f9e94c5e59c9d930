"""Print what the plan's rule predicts for litgpt's own models, whose peaks litgpt's authors measured on an A10G.

    git clone https://github.com/Lightning-AI/litgpt /tmp/litgpt && git -C /tmp/litgpt checkout 5895df10
    python -m tests.plan.litgpt_models /tmp/litgpt

``tunebench plan gpu_memory`` builds the same models by transformers and peft, which keep other tensors than litgpt.
Here the rule, allocation by allocation, runs over litgpt's code, so that what is left is the rule's own error. Nothing
of litgpt is installed: its files are imported from the checkout, and Lightning is stood in for.
"""

import csv
import importlib
import sys
import types
from collections.abc import Generator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from bench.measure.allocations import AllocationTracker
from bench.plan.cuda_kernels import cuda_kernels
from bench.plan.fake_tensors import convert_tensors, empty_like
from bench.plan.memory import ASSUMED_CAPABILITY, matmul_workspace_bytes
from bench.train.memory import hold_state, tracker_of

LIGHTNING = (
    "lightning", "lightning.fabric", "lightning.fabric.loggers", "lightning.fabric.strategies",
    "lightning.fabric.utilities", "lightning.fabric.utilities.load", "lightning.pytorch", "lightning.pytorch.loggers",
)  # fmt: skip
MEASURED = Path(__file__).parents[2] / "reports" / "published" / "gpu_memory" / "litgpt.csv"
#: By the name in MEASURED: litgpt's name, sequences of a micro-batch, LoRA's rank and dropout in its config_hub, and
#: whether every layer gets an update. Without a rank everything is trained.
MODELS: dict[str, tuple[str, int, int | None, float, bool]] = {
    "TinyLlama-1.1B LoRA, every linear layer and the head": ("tiny-llama-1.1b", 8, 32, 0.05, True),
    "TinyLlama-1.1B Full FT": ("tiny-llama-1.1b", 4, None, 0.0, False),
    "Phi-2 LoRA, every linear layer and the head": ("phi-2", 4, 8, 0.05, True),
    "Gemma-2B LoRA, every linear layer and the head": ("Gemma-2b", 2, 8, 0.1, True),
    "StableLM-Base-Alpha-3B LoRA": ("stablelm-base-alpha-3b", 1, 32, 0.05, False),
    "Llama-2-7B LoRA": ("Llama-2-7b-hf", 2, 32, 0.05, False),
    "Mistral-7B-v0.1 LoRA": ("Mistral-7B-v0.1", 2, 32, 0.05, False),
    "Falcon-7B LoRA": ("falcon-7b", 1, 32, 0.05, False),
    "Llama-3-8B LoRA": ("Llama-3-8B", 1, 32, 0.05, False),
}
TOKENS, MICRO_BATCHES, STEPS = 512, 2, 2


def stand_in_for_packages(checkout: Path) -> None:
    """Let ``import litgpt.model`` find the checkout, without the package's own start."""
    for name in LIGHTNING:
        sys.modules[name] = MagicMock()
    package = types.ModuleType("litgpt")
    package.__path__ = [str(checkout / "litgpt")]
    sys.modules["litgpt"] = package
    importlib.import_module("litgpt.model")  # before litgpt.config: each imports the other
    vars(package)["Config"] = importlib.import_module("litgpt.config").Config


def model_of(name: str, rank: int | None, dropout: float, everywhere: bool) -> nn.Module:
    """litgpt's model on the meta device, in bf16, with what it trains."""
    with torch.device("meta"):
        if rank is None:
            model: Any = importlib.import_module("litgpt.model")
            return model.GPT(model.Config.from_name(name)).to(torch.bfloat16)  # type: ignore[no-any-return]
        lora: Any = importlib.import_module("litgpt.lora")
        parts = dict.fromkeys(("lora_key", "lora_projection", "lora_mlp", "lora_head"), everywhere)
        config = lora.Config.from_name(
            name, lora_r=rank, lora_alpha=16, lora_dropout=dropout, lora_query=True, lora_value=True, **parts
        )
        adapted = lora.GPT(config).to(torch.bfloat16)
        lora.mark_only_lora_as_trainable(adapted)
        return adapted  # type: ignore[no-any-return]


def loss_of(model: nn.Module, ids: Tensor, chunked_head: bool) -> Generator[Tensor]:
    """The loss on every token, by litgpt's function; then what its training script still holds, until closed."""
    cross_entropy = importlib.import_module("litgpt.utils").chunked_cross_entropy
    if chunked_head:
        logits = [part.float() for part in model(ids, lm_head_chunk_size=128)]  # Fabric gives a model's output in fp32
        logits[-1] = logits[-1][..., :-1, :]
    else:
        logits = model(ids).float()[..., :-1, :]
    yield cross_entropy(logits, ids[..., 1:])


def peak_bytes(model: nn.Module, rows: int, chunked_head: bool) -> int:
    """The highest sum of what is allocated in a step with accumulated gradients, as on a CUDA device."""
    # The count of targets is asked for by max(), which no fake tensor can answer.
    vars(importlib.import_module("litgpt.utils"))["max"] = lambda one, other: other
    with FakeTensorMode():
        convert_tensors(model, empty_like)
        tracker = tracker_of(model, "cuda")
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        for parameter in trained:
            parameter.register_post_accumulate_grad_hook(lambda p: tracker.hold([p.grad], "gradients"))
        optimizer = torch.optim.AdamW(trained, lr=1e-3, foreach=True)
        ids = torch.ones(rows, TOKENS, dtype=torch.int64)
        tracker.hold([ids], "activations")
        highest = 0
        for _ in range(STEPS):
            highest = _step(model, optimizer, ids, chunked_head, tracker)
            hold_state(tracker, optimizer)
    return highest + matmul_workspace_bytes(ASSUMED_CAPABILITY, trains=True)


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, ids: Tensor, chunked_head: bool, tracker: AllocationTracker
) -> int:
    with tracker, cuda_kernels():
        tracker.restart_peak()
        for _ in range(MICRO_BATCHES):
            held = loss_of(model, ids, chunked_head)
            with tracker.making("activations"):
                loss = next(held)
            loss.backward()
            held.close()
            del loss
        optimizer.step()
        optimizer.zero_grad()
        return sum(tracker.peak.values())


def main() -> None:
    """Print a line a model: measured, predicted, and their ratio."""
    stand_in_for_packages(Path(sys.argv[1]))
    with MEASURED.open(encoding="utf-8") as file:
        measured = {f"{row['model']} {row['method']}": float(row["peak_memory_gb"]) for row in csv.DictReader(file)}
    for name, (model, rows, rank, dropout, everywhere) in MODELS.items():
        gigabytes = peak_bytes(model_of(model, rank, dropout, everywhere), rows, rank is not None) / 1e9
        print(f"{name}: {measured[name]:.2f} GB measured, {gigabytes:.2f} predicted, {gigabytes / measured[name]:.3f}")


if __name__ == "__main__":
    main()
