"""Records made by hand: what a worker would have written, without a worker."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.record.record import Record
from bench.study.cell import Cell

MakeRecord = Callable[..., Record]


def _cell(settings: dict[str, Any]) -> Cell:
    dataset, model, method = settings["dataset"], settings["model"], settings["method"]
    return Cell.model_validate(
        {
            "study": "s",
            "dataset": {
                "name": settings.get("dataset_name", dataset), "label": dataset, "fingerprint": "f",
                "kind": settings["dataset_kind"] or ("synthetic" if settings["synthetic"] else "hub"), "hub_id": "o/d",
            },
            "model": {
                "name": settings.get("model_name", model), "label": model, "kind": settings["kind"],
                "fingerprint": "f", **{key: settings[key] for key in ("weights", "bits", "scale")},
            },
            "method": {
                "name": settings.get("method_name", method), "label": method, "plugin": "lora",
                "path": "m/lora.py", "sha256": "0",
                "given": settings["options"], "options": settings["options"],
            },
            "seed": settings["seed"], "repeat": settings["repeat"],
            "data": {"max_length": settings["max_length"]},
            "train": {"batch_size": 16, "inference_batch_size": 64},
            "prompt": _asked(settings) if settings["kind"] == "causal" else None,
            "limits": {},
        }
    )  # fmt: skip


def _asked(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: settings[key] for key in ("examples_per_class", "length_normalization")} | {
        "generate": settings["generated_f1"] is not None
    }


def _speed(rate: float, batch_size: int) -> dict[str, Any]:
    return {
        "timed_steps": 10, "timed_seconds": 2.0, "timed_samples": 20, "timed_tokens": 400,
        "timed_padded_tokens": 500,
        "samples_per_second": rate, "tokens_per_second": rate * 20, "batch_size": batch_size,
    }  # fmt: skip


def _quality(macro_f1: float) -> dict[str, Any]:
    return {
        "split": "test", "samples": 100, "macro_f1": macro_f1, "weighted_f1": 0.7, "accuracy": 0.7,
        "macro_precision": 0.7, "macro_recall": 0.7, "f1_by_label": {"n": 0.7, "p": 0.7},
        "label_counts": {"n": 50, "p": 50}, "majority_macro_f1": 1 / 3,
    }  # fmt: skip


def _generation(settings: dict[str, Any]) -> dict[str, Any]:
    """What a worker writes of an encoder, of a causal model, and of one with random weights."""
    if settings["kind"] == "encoder":
        return {}
    prompt = {
        "sha256": "0", "example": "Text: x Answer:", "constant_tokens": 4, "label_words": ["n", "p"],
        "examples_per_class": settings["examples_per_class"],
        "length_normalization": settings["length_normalization"],
    }  # fmt: skip
    if settings["generated_f1"] is None:
        return {"prompt": prompt, "unknown": {"generation": "generation was not asked for"}}
    random = settings["weights"] == "random"
    generation = {
        "quality": None if random else _quality(settings["generated_f1"]),
        "parse_failure_fraction": settings["parse_failures"], "max_new_tokens": 5, "speed": _speed(7.0, 64),
    }  # fmt: skip
    unknown = {field: "the model has random weights" for field in ("quality", "generation.quality") if random}
    quality = {"quality": None} if random else {}
    return {"prompt": prompt, "generation": generation, "unknown": unknown} | quality


def _machine(device: str) -> dict[str, Any]:
    return {
        "cpu": "AMD EPYC 7B13", "cores": 2, "memory_bytes": 8_000_000_000, "system": "Linux",
        "python": "3.11.9",
        "gpu": "NVIDIA H200" if device == "cuda" else None, "driver": "570.1" if device == "cuda" else None,
        "device": device, "threads": 2, "commit": "0123456789abcdef", "dirty": False,
        "packages": {"torch": "2.9.0", "transformers": "4.57.0", "peft": "0.18.0", "tunebench": "0.1.0"},
    }  # fmt: skip


def _measured(settings: dict[str, Any]) -> dict[str, Any]:
    cuda = settings["device"] == "cuda"
    return {
        "precision": "fp32",
        "parameters": {
            "trainable_params": 887_042,
            "total_params": 125_534_212,
            "logical_params": 125_534_212,
        },
        "flops": {"forward_flops": 46_050_000_000, "sequence_length": settings["max_length"]},
        "training": {
            "steps": 10, "samples": 160, "final_loss": 0.5, "speed": _speed(settings["train_rate"], 16),
        },
        "inference": _speed(settings["inference_rate"], 64),
        "quality": _quality(settings["macro_f1"]),
        "peak_train_bytes": 1_512_800_000,
        "peak_inference_bytes": 700_040_000,
        "peak_kind": "cuda_allocated" if cuda else "host_vmhwm",
        "data": {
            "sha256": "d", "rows": {"test": 100}, "synthetic": settings["synthetic"], "validation_carved": False,
            "labels": ["n", "p"], "tokens_per_sample": 20.0, "truncated_fraction": 0.0,
        },
        "checks": [{"name": "warm-up", "verdict": "valid", "found": "ended when step times had become stationary"}],
    } | _generation(settings)  # fmt: skip


DEFAULTS: dict[str, Any] = {
    "dataset": "IMDb", "model": "RoBERTa", "method": "LoRA", "synthetic": False, "weights": "pretrained",
    "options": {"rank": 8}, "seed": 0, "repeat": 0, "max_length": 256, "device": "cpu",
    "macro_f1": 0.93, "train_rate": 100.0, "inference_rate": 300.0,
    "dataset_kind": None, "kind": "encoder", "bits": None, "scale": None,
    "generated_f1": None, "parse_failures": 0.0, "examples_per_class": 0, "length_normalization": "none",
}  # fmt: skip


def _record(
    status: str = "ok",
    phase: str = "train",
    message: str = "out of memory",
    fields: dict[str, Any] | None = None,
    **given: Any,
) -> Record:
    """A valid record.

    Args:
        status: with anything but ok, nothing was measured and there is a failure.
        phase: of the failure.
        message: of the failure.
        fields: of the record itself, over all else.
        given: over DEFAULTS.
    """
    settings = DEFAULTS | given
    cell = _cell(settings)
    record: dict[str, Any] = {
        "cell_id": cell.id, "cell": cell, "status": status, "started_at": "2026-01-02T03:04:05Z",
        "wall_seconds": 9.0, "machine": _machine(settings["device"]),
    }  # fmt: skip
    if status == "ok":
        record |= _measured(settings)
    else:
        record["failure"] = {"phase": phase, "type": "Stopped", "message": message}
    return Record.model_validate(record | (fields or {}))


@pytest.fixture
def make_record() -> MakeRecord:
    """The factory of records."""
    return _record
