"""Frames of made-up studies, in the form that the plots take."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pandas as pd

METHODS = ("Full FT", "BitFit", "LoRA", "P-Tuning", "MoE", "Zero-shot")
MODELS = ("RoBERTa-base", "Llama-3-8B", "Mistral-7B", "Qwen2.5-7B")
DATASETS = ("IMDb", "TweetEval-Emotion", "SST-5")


def row(dataset: str = "IMDb", model: str = "RoBERTa-base", method: str = "LoRA", **known: Any) -> dict[str, Any]:
    """One row of a table; what is not given is unknown."""
    names = [f"{name}_{end}" for name in ("macro_f1", "train_samples_per_second", "inference_samples_per_second")
             for end in ("mean", "low", "high")]  # fmt: skip
    names += ["trainable_params", "total_params", "forward_gflops", "peak_train_mb", "peak_inference_mb"]
    names += ["train_seconds", "energy_train_joules", "note"]
    return {"dataset": dataset, "model": model, "method": method, "seeds": 3} | dict.fromkeys(names, pd.NA) | known


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows) or {name: [] for name in row()}).convert_dtypes()


def study(
    datasets: Sequence[str] = DATASETS, models: Sequence[str] = MODELS, methods: Sequence[str] = METHODS
) -> pd.DataFrame:
    """All that a study knows; Zero-shot trains nothing, and the energy of all but the first model is unknown."""
    return table(list(_rows(datasets, models, methods)))


def _rows(datasets: Sequence[str], models: Sequence[str], methods: Sequence[str]) -> Iterator[dict[str, Any]]:
    for (d, dataset), (m, model), (k, method) in product(enumerate(datasets), enumerate(models), enumerate(methods)):
        f1, rate = 0.9 - 0.15 * d + 0.01 * m - 0.02 * k, 200 / (1 + 5 * m) * (1 + k / 10)
        trained = 0 if method == "Zero-shot" else 125_000_000 // 10 ** min(k, 3)
        known: dict[str, Any] = {"macro_f1_mean": f1, "macro_f1_low": f1 - 0.015, "macro_f1_high": f1 + 0.015}
        known |= {
            "trainable_params": trained, "total_params": 125_000_000, "forward_gflops": 22.0,
            "peak_inference_mb": 900.0,
        }  # fmt: skip
        if trained:
            known |= {
                f"train_samples_per_second_{end}": rate * by for end, by in (("mean", 1), ("low", 0.9), ("high", 1.1))
            }
            known |= {"train_seconds": 25_000 / rate, "peak_train_mb": 2500.0 - 200 * k}
            known |= {"energy_train_joules": 2e6 / rate} if m == 0 else {}
        yield row(dataset, model, method, **known)


def memory(rows: pd.DataFrame) -> pd.DataFrame:
    """Three peaks of each row of a table, of four parts each."""
    parts = {"weights": 500.0, "gradients": 250.0, "activations": 120.0, "unattributed": -3.0}
    peaks = product(rows.to_dict("records"), ("load", "train", "inference"), parts.items())
    return pd.DataFrame(
        [{name: each[name] for name in ("dataset", "model", "method")} | {"of": of, "part": part, "mb": mb}
         for each, of, (part, mb) in peaks]
    )  # fmt: skip


def curves(rows: pd.DataFrame, seeds: int = 1, points: int = 20) -> pd.DataFrame:
    """Curves of a training of each row of a table, with two validations."""
    found = []
    for each, seed in product(rows.to_dict("records"), range(seeds)):
        cell = {"dataset": each["dataset"], "model": each["model"], "method": each["method"], "seed": seed, "repeat": 0}
        empty = dict.fromkeys(("tokens_per_second", "loss_nats", "macro_f1"), pd.NA)
        for i in range(points):
            at = {"pass_name": "train", "step": (i + 1) * 10, "elapsed_seconds": (i + 1) * 2.5}
            found.append(cell | empty | at | {"tokens_per_second": 100.0 + i % 3, "loss_nats": 1 / (i + 1)})
        for i in (1, 2):
            at = {"pass_name": "validation", "step": i * points * 5, "elapsed_seconds": i * points * 1.25}
            found.append(cell | empty | at | {"macro_f1": 0.5 + i / 10})
    return pd.DataFrame(found).convert_dtypes()
