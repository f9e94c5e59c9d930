"""Plan rows made by hand: parameters as building the models without weights counts them, FLOPs of the right size."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.commands.audit.match import Matched, match
from bench.commands.audit.published import load
from bench.plan.row import PlanRow
from bench.record.memory_breakdown import MemoryBreakdown

CLASSES = {"imdb": 2, "tweet_eval_emotion": 4, "sst5": 5}
DATASET_LABELS = {"imdb": "IMDb", "tweet_eval_emotion": "TweetEval-Emotion", "sst5": "SST-5"}
COUNTS = {
    "imdb": {"negative": 12500, "positive": 12500},
    "tweet_eval_emotion": {"anger": 558, "joy": 358, "optimism": 123, "sadness": 382},
    "sst5": {"very negative": 279, "negative": 633, "neutral": 389, "positive": 510, "very positive": 399},
}
METHOD_LABELS = {
    "full_ft": "Full FT", "bitfit": "BitFit", "lora": "LoRA", "p_tuning": "P-Tuning", "moe": "MoE",
    "zero_shot": "Zero-shot",
}  # fmt: skip
#: Label; trainable and total parameters with the adapter; FLOPs a token, and of attention a squared token (rounded
#: figures, made for these tests).
LLMS = {
    "llama-3-8b-instruct": ("Llama-3-8B", 41_943_040, 4_582_543_360, 13_959_692_288, 524_288),
    "mistral-7b-instruct-v0.3": ("Mistral-7B", 41_943_040, 3_800_305_664, 13_959_692_288, 524_288),
    "qwen2.5-7b-instruct": ("Qwen2.5-7B", 40_370_176, 4_393_342_464, 13_052_608_512, 401_408),
}
CAUSAL = frozenset(LLMS)
MOE_TOTALS = {2: 172_422_146, 4: 200_738_308, 5: 172_424_453}
#: A classification head of 768 -> C and its copy: what a further class adds.
HEAD = 769

MakeRow = Callable[..., PlanRow]
MatchText = Callable[..., tuple[Matched, ...]]


def plan_row(dataset: str, model: str, method: str, **given: Any) -> PlanRow:
    settings: dict[str, Any] = {
        "dataset": dataset, "model": model, "method": method, "dataset_label": DATASET_LABELS.get(dataset, dataset),
        "model_label": "RoBERTa-base" if model == "roberta-base" else LLMS[model][0] if model in LLMS else model,
        "method_label": METHOD_LABELS.get(method, method), "trains": method != "zero_shot",
        "num_labels": CLASSES.get(dataset, 2), "sequence_length": 256, "batch_size": 32, "inference_batch_size": 32,
        "device": "cuda", "precision": "bf16",
    }  # fmt: skip
    return PlanRow.model_validate(settings | given)


def roberta_row(dataset: str, method: str) -> PlanRow:
    more = CLASSES[dataset] - 2
    full = 124_647_170 + more * HEAD
    trainable, total, flops, experts = {
        "full_ft": (full, full, 45_903_600_000, None),
        "bitfit": (102_914 + more, full, 45_903_600_000, None),
        "lora": (887_042 + more * HEAD, 125_534_212 + 2 * more * HEAD, 46_054_600_000, None),
        "p_tuning": (607_490 + more * HEAD, 125_254_660 + 2 * more * HEAD, 49_690_000_000, None),
        "moe": (MOE_TOTALS[CLASSES[dataset]],) * 2 + (48_322_000_000, 7_247_757_312),
    }[method]
    memory = MemoryBreakdown.of_tensors(
        "train", {"weights": 500, "gradients": 400, "optimizer_state": 300, "activations": 200, "workspace": 100}
    )
    return plan_row(
        dataset, "roberta-base", method, trainable_params=trainable, total_params=total, forward_flops=flops,
        train_flops=3 * flops, expert_flops=experts, train_memory=memory,
    )  # fmt: skip


def llm_flops(row: PlanRow, tokens: int) -> int | None:
    if row.model not in LLMS:
        return None
    _, trainable, _, linear, square = LLMS[row.model]
    return (linear + (2 * trainable if row.trains else 0)) * tokens + square * tokens**2


def llm_row(dataset: str, model: str, method: str) -> PlanRow:
    _, trainable, total, _, _ = LLMS[model]
    trains = method == "lora"
    row = plan_row(
        dataset, model, method, trainable_params=trainable if trains else 0,
        total_params=total if trains else total - trainable,
    )  # fmt: skip
    flops = llm_flops(row, 256)
    assert flops is not None
    return row.model_copy(update={"forward_flops": flops, "train_flops": 2 * flops if trains else None})


@pytest.fixture(scope="session")
def paper_plan() -> tuple[PlanRow, ...]:
    encoder = [roberta_row(dataset, method) for dataset in CLASSES for method in METHOD_LABELS if method != "zero_shot"]
    causal = [
        llm_row(dataset, model, method) for dataset in CLASSES for model in LLMS for method in ("lora", "zero_shot")
    ]
    return (*encoder, *causal)


@pytest.fixture
def matched(tmp_path: Path, paper_plan: tuple[PlanRow, ...]) -> MatchText:
    """Rows of a table given as text, matched with the paper's plan or another; the table is named ``table``."""

    def from_text(columns: str, *lines: str, plan: Sequence[PlanRow] | None = None) -> tuple[Matched, ...]:
        path = tmp_path / "mine.csv"
        path.write_text("\n".join((columns, *lines)) + "\n", encoding="utf-8")
        return match(load(path), paper_plan if plan is None else plan, CAUSAL)

    return from_text
