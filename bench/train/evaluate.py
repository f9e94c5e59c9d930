"""Predictions and their quality."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from torch import Tensor, nn

from bench.data.batches import Batch
from bench.measure.clock import StepClock, held_garbage_collection
from bench.model.cpu_layers import pack_linear_layers
from bench.model.load import class_logits
from bench.model.quantization import allow_cpu_layout, cast_parameters
from bench.record.baselines import majority_macro_f1
from bench.record.quality import Quality
from bench.train.loop import StepHook, StepLog, autocast


def predict(
    model: nn.Module, batches: Sequence[Batch], num_labels: int, device: torch.device, dtype: torch.dtype,
    on_step: StepHook, warmup_batches: int = 0, score: Callable[[Batch], Tensor] | None = None,
) -> tuple[NDArray[np.float32], StepLog]:  # fmt: skip
    """Class scores of every sample, and the time of each batch.

    Args:
        model: model on the device, ready for inference.
        batches: batches that together hold each sample once.
        num_labels: number of classes C.
        device: device of the model.
        dtype: dtype of the matmuls.
        on_step: callback after each batch.
        warmup_batches: number of first batches to run once before the clock starts.
        score: function from a batch to class scores, shape (B, C); None: logits of an encoder.

    Returns:
        Scores, float32, shape (samples, C), in the split's order; and the log.
    """
    outputs, log = timed_scores(model, batches, device, dtype, on_step, warmup_batches, score)
    scores = np.empty((sum(log.samples), num_labels), dtype=np.float32)
    for batch, output in zip(batches, outputs, strict=True):
        scores[batch.indices] = output.float().cpu().numpy()
    return scores, log


def timed_scores(
    model: nn.Module, batches: Sequence[Batch], device: torch.device, dtype: torch.dtype, on_step: StepHook,
    warmup_batches: int = 0, score: Callable[[Batch], Tensor] | None = None,
) -> tuple[list[Tensor], StepLog]:  # fmt: skip
    """Class scores of each batch, shape (B, C), on the device, and its time; arguments as in ``predict``."""
    log, outputs = StepLog(), []
    score = score or partial(logits_of, model)
    model.eval()
    batches = [batch.pinned_for(device) for batch in batches]  # before the clock starts
    # Models cache tensors, e.g. of positions; those of inference mode could not be used in later training.
    trains = any(parameter.requires_grad for parameter in model.parameters())
    with torch.no_grad() if trains else torch.inference_mode(), autocast(device, dtype), held_garbage_collection():
        for batch in batches[:warmup_batches]:
            score(batch.to(device))
        clock = StepClock(device)
        for done, batch in enumerate(batches, start=1):
            outputs.append(score(batch.to(device)))
            log.count(batch)
            clock.mark()
            on_step(done, len(batches))
        log.seconds = clock.seconds()
    return outputs, log


def for_inference(model: nn.Module, dtype: torch.dtype, device: torch.device, *, packed: bool = False) -> nn.Module:
    """The model for predictions: nothing to train, weights in the dtype of the computation.

    Args:
        model: trained model.
        dtype: dtype of the computation.
        device: device of the model.
        packed: whether its bf16 linear layers are packed, on the CPU only.
    """
    cast_parameters(model.requires_grad_(False), dtype)
    if device.type == "cpu":
        allow_cpu_layout(model, True)
    if packed:
        pack_linear_layers(model)
    return model


def logits_of(model: nn.Module, batch: Batch) -> Tensor:
    """An encoder's class logits of a batch, shape (B, C)."""
    return class_logits(model, batch.input_ids, batch.attention_mask, batch.token_types)


#: Prediction of an answer that names no class.
NO_CLASS = -1


def quality(predicted: NDArray[np.int64], truth: Sequence[int], labels: Sequence[str], split: str) -> Quality:
    """Quality of predictions over the task's fixed label set; a class that is never predicted counts with F1 0.

    Args:
        predicted: predicted class index of each sample; NO_CLASS is wrong, and not a class of the average.
        truth: true class index of each sample.
        labels: class names by index.
        split: name of the split.
    """
    target = np.asarray(truth)
    f1_by_label, summary = _scores(target, predicted, len(labels))
    counts = np.bincount(target, minlength=len(labels))
    return Quality.model_validate(
        {
            "split": split, "samples": len(target), **summary,
            "f1_by_label": dict(zip(labels, f1_by_label, strict=True)),
            "label_counts": dict(zip(labels, counts.tolist(), strict=True)),
            "majority_macro_f1": majority_macro_f1(counts.tolist()),
            "confusion": {"labels": labels, "texts": _confusion(target, predicted, len(labels))},
        }
    )  # fmt: skip


def _confusion(target: NDArray[np.int64], predicted: NDArray[np.int64], num_labels: int) -> list[list[int]]:
    """Texts by true class and predicted class, shape (C, C + 1); the last column is NO_CLASS."""
    columns = num_labels + 1
    places = target * columns + np.where(predicted == NO_CLASS, num_labels, predicted)
    found: list[list[int]] = np.bincount(places, minlength=num_labels * columns).reshape(num_labels, columns).tolist()
    return found


def _scores(
    target: NDArray[np.int64], predicted: NDArray[np.int64], num_labels: int
) -> tuple[list[float], dict[str, float]]:
    label_set = list(range(num_labels))

    def averaged(average: str | None) -> tuple[NDArray[np.float64], ...]:
        found = precision_recall_fscore_support(target, predicted, labels=label_set, average=average, zero_division=0.0)
        return tuple(found)

    macro, weighted, each = averaged("macro"), averaged("weighted"), averaged(None)
    summary = {
        "macro_precision": float(macro[0]), "macro_recall": float(macro[1]), "macro_f1": float(macro[2]),
        "weighted_f1": float(weighted[2]), "accuracy": float(accuracy_score(target, predicted)),
    }  # fmt: skip
    return [float(value) for value in each[2]], summary
