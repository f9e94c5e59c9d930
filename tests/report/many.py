"""A study of many cells, as rich as a worker on a GPU would have left them, for what must hold at size."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from bench.method.insight import Chart, Insight
from bench.record.record import Record
from bench.report.results.measured import Evidence, Measured, Shown
from bench.report.results.predictions import Predictions
from bench.report.results.run import Results, Run
from bench.report.results.step_curve import MOST_POINTS, StepCurve
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.predicted import study

DATASETS = ("IMDb", "TweetEval-Emotion", "SST-5")
MODELS = ("RoBERTa-base", "Qwen2.5-7B")
#: Name, trainable parameters of the 125 million that the model stores, and what its F1 comes to.
METHODS: tuple[tuple[str, int, float], ...] = (
    ("Full FT", 125_000_000, 0.86), ("BitFit", 700_000, 0.81), ("LoRA r4", 450_000, 0.83), ("LoRA r8", 900_000, 0.84),
    ("LoRA r16", 1_800_000, 0.85), ("P-Tuning", 300_000, 0.78), ("MoE 2", 2_400_000, 0.84), ("MoE 4", 4_800_000, 0.855),
    ("MoE 8", 9_600_000, 0.86), ("Head alone", 600_000, 0.7), ("Zero-shot", 0, 0.55),
)  # fmt: skip
TOTAL = 125_000_000
SEEDS = (0, 1, 2)
LABELS = ("n", "p")
TEXTS = 500
CHECKS = ("warm-up", "throughput", "memory", "other processes", "clock", "gradients", "flops", "repeat")


def many(make_record: MakeRecord, count: int = 200) -> Results:
    """The results of one run of so many cells: some failed, some suspect, most with all that a cell can have."""
    places = itertools.product(DATASETS, MODELS, enumerate(METHODS), SEEDS)
    cells = [
        _cell(make_record, at, dataset, model, method, seed)
        for at, (dataset, model, method, seed) in enumerate(itertools.islice(itertools.cycle(places), count))
    ]
    ids = tuple(record.cell_id for record, _ in cells)
    settings = study(name="many", title="Many cells", notes="Made by hand.")
    run = Run(settings, "tunebench run many", "2026-01-02T05:00:00+00:00", ids, tuple(cells))
    return Results((run,), sha256="5" * 64)


def _cell(
    make_record: MakeRecord, at: int, dataset: str, model: str, method: tuple[int, tuple[str, int, float]], seed: int
) -> Measured:
    (number, (name, trainable, f1)), rng = method, np.random.default_rng(at)
    lap = at // (len(DATASETS) * len(MODELS) * len(METHODS) * len(SEEDS))  # further laps are further seeds
    given: dict[str, Any] = {
        "dataset": dataset, "model": model, "method": name, "seed": seed + len(SEEDS) * lap, "device": "cuda",
        "options": {"rank": number, "learning_rate": 10.0 ** -(number % 3 + 3)},
        "kind": "causal" if model.startswith("Qwen") else "encoder",
    }  # fmt: skip
    if at % 29 == 28:
        record = make_record("oom", message="CUDA out of memory. Tried to allocate 2.00 GiB.", **given)
        return Measured(
            record, Evidence("the cell stopped", log="Traceback\n  torch.OutOfMemoryError: no memory\n" * 9)
        )
    truth = np.arange(TEXTS) % len(LABELS)
    predicted = np.where(rng.random(TEXTS) < f1 + 0.02 * DATASETS.index(dataset), truth, 1 - truth)
    found = float(f1_score(truth, predicted, average="macro"))
    record = make_record(fields=_measured(make_record(**given), at, number, trainable, found), **given)
    ids = tuple(f"test/{text}" for text in range(TEXTS))
    curves = tuple(_curve(one, at, rng) for one in ("train", "inference"))
    shown = tuple(_shown()) if name.startswith("MoE") and seed == 0 else ()
    log = "".join(f"[{step}] a line of what the worker said\n" for step in range(20))
    return Measured(record, Evidence(Predictions(ids, truth, predicted), curves, shown, log=log))


def _measured(record: Record, at: int, number: int, trainable: int, f1: float) -> dict[str, Any]:
    """What is changed in a record that is as short as they come."""
    seconds, trains = 60.0 + 11 * number + at % 7, trainable > 0
    peak = 2_000_000_000 + 150_000_000 * number + 3_000_000 * (at % 5)
    speeds = (100.0 - 4 * number + at % 3, 320.0 - 9 * number + at % 4)
    return {
        "data": known(record.data).model_dump() | {"rows": {"train": 2000, "validation": 200, "test": TEXTS}},
        "quality": known(record.quality).model_dump() | {"macro_f1": f1, "accuracy": f1, "samples": TEXTS},
        "parameters": {"trainable_params": trainable, "total_params": max(TOTAL, trainable), "logical_params": TOTAL},
        "training": _training(speeds[0], seconds, f1) if trains else None,
        "inference": _speed(speeds[1], 64),
        "latency": [_latency(1, 0.01 + number / 1e3), _latency(64, 0.2 + number / 100)],
        "matmul_flops_per_second": 3.1e14,
        "peak_train_bytes": peak if trains else None, "peak_inference_bytes": peak // 2,
        "memory": [_memory_breakdown(of, peak) for of in ("load", "train", "inference") if trains or of != "train"],
        "phases": [_phase(name, share * seconds, peak) for name, share in _phases(trains)],
        "checks": [{"name": name, "verdict": "suspect" if (at, check) in ((3, 0), (40, 2)) else "valid",
                    "found": f"{check + at} of 100 steps, limit 50"} for check, name in enumerate(CHECKS)],
        "validation_macro_f1": f1 - 0.01, "artifact_bytes": 4 * max(trainable, 1), "wall_seconds": 1.7 * seconds,
        "unknown": {} if trains else {"training": "the method does not train", "peak_train_bytes": "nothing trained"},
    }  # fmt: skip


def _training(rate: float, seconds: float, f1: float) -> dict[str, Any]:
    points = [{"step": 20 * part, "train_seconds": seconds * part / 6, "macro_f1": f1 * (1 - 0.4 / part**2)}
              for part in range(1, 7)]  # fmt: skip
    return {
        "steps": 120, "samples": 1920, "final_loss": 1.2 - f1, "speed": _speed(rate, 16),
        "train_seconds": seconds, "validation": points,
    }  # fmt: skip


def _speed(rate: float, batch_size: int) -> dict[str, Any]:
    within = {f"p{end}_{unit}_per_second": factor * (rate + end / 10) for end in (10, 90)
              for unit, factor in (("samples", 1), ("tokens", 20))}  # fmt: skip
    return {
        "timed_steps": 100, "timed_seconds": 100 * batch_size / rate, "timed_samples": 100 * batch_size,
        "timed_tokens": 2000 * batch_size, "timed_padded_tokens": 2500 * batch_size, "batch_size": batch_size,
        "samples_per_second": rate, "tokens_per_second": 20 * rate, "energy_joules_per_sample": 300 / rate,
        "model_flops_per_second": rate * 4e10, "mfu_fraction": rate * 4e10 / 3.1e14,
        "within_cell": within | {"windows": 20, "window_steps": 5, "relative_standard_error": 0.01},
    }  # fmt: skip


def _latency(batch_size: int, seconds: float) -> dict[str, Any]:
    return {"batch_size": batch_size, "timed_batches": 299} | {
        f"p{of}_seconds": seconds * of / 50 for of in (50, 90, 99)
    }


def _memory_breakdown(of: str, peak: int) -> dict[str, Any]:
    parts = {"weights": 30, "gradients": 12, "optimizer_state": 25, "activations": 20, "workspace": 5,
             "allocator_slack": 4, "cuda_context": 3, "unattributed": 1}  # fmt: skip
    return {f"{name}_bytes": peak * share // 100 for name, share in parts.items()} | {
        "of": of, "process_bytes": None, "peak_bytes": peak,
    }  # fmt: skip


def _phases(trains: bool) -> list[tuple[str, float]]:
    shares = {"load": 0.05, "adapt": 0.01, "warm-up": 0.04, "train": 1.0, "save": 0.01, "evaluate": 0.1,
              "inference": 0.2, "latency": 0.1, "memory": 0.1}  # fmt: skip
    return [(name, share) for name, share in shares.items() if trains or name not in ("warm-up", "train", "save")]


def _phase(name: str, seconds: float, peak: int) -> dict[str, Any]:
    return {
        "name": name, "seconds": seconds, "energy_joules": 250 * seconds, "peak_host_bytes": 3_000_000_000,
        "peak_cuda_allocated_bytes": peak // 2, "peak_cuda_reserved_bytes": peak,
    }  # fmt: skip


def _curve(name: Any, at: int, rng: np.random.Generator) -> StepCurve:
    ends = np.arange(1, MOST_POINTS + 1)
    rates = 90 + rng.normal(0, 2, MOST_POINTS) - 30 * ((at % 11 == 0) & (ends > 80))
    loss = 0.3 + 0.5 * np.exp(-ends / 30) + rng.normal(0, 0.02, MOST_POINTS)
    return StepCurve(
        name=name, last_step=tuple((3 * ends).tolist()), elapsed_seconds=_short(np.cumsum(48 / rates)),
        tokens_per_second=_short(20 * rates), loss=_short(loss) if name == "train" else None,
    )  # fmt: skip


def _short(values: Any) -> tuple[float, ...]:
    return tuple(float(f"{value:.5g}") for value in values)


def _shown() -> Sequence[Shown]:
    """An insight of each kind of chart, and one without."""
    layers, experts = range(12), range(4)
    grid = list(itertools.product(layers, experts))
    columns: Mapping[str, tuple[Any, ...]] = {
        "layer": tuple(f"layer {layer}" for layer, _ in grid), "depth": tuple(layer for layer, _ in grid),
        "expert": tuple(f"expert {expert}" for _, expert in grid),
        "share": tuple(0.25 + 0.1 * ((layer * (expert + 1)) % 3 - 1) for layer, expert in grid),
    }  # fmt: skip
    labels = {"x_label": "layer", "y_label": "share of tokens"}
    charts = (
        Chart(kind="heatmap", x="layer", y="expert", value="share", x_label="layer", y_label="expert", centre=0.25),
        Chart(kind="bars", x="layer", y="share", colour="expert", reference=0.25, **labels),
        Chart(kind="lines", x="depth", y="share", colour="expert", **labels),
        Chart(kind="scatter", x="depth", y="share", colour="expert", **labels),
    )
    caption = "Share of the tokens that each expert is given; n = 500 texts."
    parts = [Insight(name=f"share_{chart.kind}", title=f"Experts as {chart.kind}", caption=caption,
                     columns=dict(columns), chart=chart) for chart in charts]  # fmt: skip
    bare = Insight(
        name="facts", title="Facts", caption="A few of them.", columns={"fact": ("entropy",), "value": (1.3,)}
    )
    return [Shown(part=part) for part in (*parts, bare)]
