"""Macro F1 of predictions, and the contribution of each text to it."""

import numpy as np
from numpy.typing import NDArray

from bench.report.results.predictions import Classes

Contributions = NDArray[np.float64]
"""Contributions of the texts to the macro F1 of S runs, shape [S, N]."""


def macro_f1(truth: Classes, predicted: Classes, num_labels: int) -> float:
    """Mean over classes of F1 = 2 TP / (actual + predicted); a class that is in neither counts 0.

    Args:
        truth: class of each text, shape [N].
        predicted: predicted class of each text, shape [N].
        num_labels: number of classes C.
    """
    f1, _ = _of_classes(truth, predicted, num_labels)
    return float(f1.mean())


def contributions(truth: Classes, predicted: Classes, num_labels: int) -> Contributions:
    """The contribution of each text to the macro F1 of each run; the mean over the texts is the macro F1.

    F1 of a class is a ratio of two means over texts. By the delta method, its error is that of the mean over texts of
    (2 tp - F1 (actual + predicted)) / mean(actual + predicted), where tp, actual and predicted are 0 or 1 for each
    text; macro F1 averages it over the classes (Takahashi, Yamamoto, Kuchiba and Koyama, Confidence interval for
    micro-averaged F1 and macro-averaged F1 scores, Applied Intelligence 52, 2022, pages 4961 to 4972).

    Args:
        truth: class of each text, shape [N].
        predicted: class that each of S runs predicts, shape [S, N].
        num_labels: number of classes C.

    Raises:
        ValueError: shapes do not match, there are no texts, or a class is out of range.
    """
    if predicted.ndim != 2 or predicted.shape[1:] != truth.shape or not predicted.size:
        raise ValueError(f"predictions of shape {predicted.shape} for texts of shape {truth.shape}")
    if any(classes.min() < 0 or classes.max() >= num_labels for classes in (truth, predicted)):
        raise ValueError(f"classes must be at least 0 and below {num_labels}")
    return np.stack([_of_run(truth, one, num_labels) for one in predicted])


def _of_run(truth: Classes, predicted: Classes, num_labels: int) -> NDArray[np.float64]:
    f1, weight = _of_classes(truth, predicted, num_labels)
    gained = 2 * weight[truth] * (truth == predicted)
    expected = (f1 * weight)[truth] + (f1 * weight)[predicted]
    return np.asarray(f1.mean() + (gained - expected) / num_labels)


def _of_classes(truth: Classes, predicted: Classes, num_labels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F1 of each class, and 1 / mean(actual + predicted), or 0 for a class that is in neither; shapes [C]."""
    counts = [np.bincount(of, minlength=num_labels) for of in (truth, predicted, truth[truth == predicted])]
    actual, guessed, right = (count.astype(np.float64) for count in counts)
    both = actual + guessed
    f1, weight = (np.divide(of, both, out=np.zeros_like(both), where=both > 0) for of in (2 * right, len(truth)))
    return f1, weight
