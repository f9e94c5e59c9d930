"""Macro F1 of several runs on the same texts, with a bootstrap over the texts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.report.analysis.significance import LEVEL
from bench.report.results.predictions import Classes

RESAMPLES = 10_000
#: Fixed, so that a report can be reproduced digit by digit with the same numpy.
RNG_SEED = 0
#: Texts drawn at a time, 40 bytes each.
DRAWS_AT_ONCE = 4_000_000


def macro_f1(truth: Classes, predicted: Classes, num_labels: int) -> float:
    """Mean over classes of F1 = 2 TP / (actual + predicted); a class that is in neither counts 0.

    Args:
        truth: class of each text, shape [N].
        predicted: predicted class of each text, shape [N].
        num_labels: number of classes C.
    """
    counts = [np.bincount(of, minlength=num_labels) for of in (truth, predicted, truth[truth == predicted])]
    actual, guessed, right = (count.astype(np.float64) for count in counts)
    return float(_mean_f1(right, actual, guessed))


def _mean_f1(
    right: NDArray[np.float64], actual: NDArray[np.float64], predicted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean over the last axis, which counts texts by class."""
    both = actual + predicted
    return np.asarray(np.divide(2 * right, both, out=np.zeros_like(both), where=both > 0).mean(axis=-1))


class Resampled:
    """Macro F1 of runs on one test set, in each resample of its texts.

    A percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13) of the test set,
    paired: texts are drawn with replacement, the same for all runs (Koehn, Statistical Significance Tests for Machine
    Translation Evaluation, 2004, W04-3250), since all of them predicted one test set.

    For a mean over several seeds, seeds are drawn with replacement as well, as another seed would have given other
    predictions. With few seeds whose variation dominates, this interval is too narrow: with 2 or 3 seeds, that of a
    difference excludes 0 whenever all seeds agree. Student's interval is therefore computed too; it in turn is too
    narrow if the variation over texts dominates, so a verdict needs both.

    Attributes:
        truth: class of each text, shape [N].
        predicted: class that each of K runs predicts, shape [K, N].
        f1: macro F1 of each run, shape [K].
    """

    def __init__(
        self, truth: Classes, predicted: Classes, num_labels: int, num_seeds: int, resamples: int = RESAMPLES
    ) -> None:
        """Draw the resamples.

        Args:
            truth: class of each text, shape [N].
            predicted: class that each of K runs predicts, shape [K, N].
            num_labels: number of classes C.
            num_seeds: number of seeds of most means; their draws come first.
            resamples: number of resamples R.

        Raises:
            ValueError: shapes do not match, there are no texts, or a class is out of range.
        """
        if predicted.ndim != 2 or predicted.shape[1:] != truth.shape or not predicted.size:
            raise ValueError(f"predictions of shape {predicted.shape} for texts of shape {truth.shape}")
        if any(classes.min() < 0 or classes.max() >= num_labels for classes in (truth, predicted)):
            raise ValueError(f"classes must be at least 0 and below {num_labels}")
        self.truth, self.predicted = truth, predicted
        self.f1 = [macro_f1(truth, one, num_labels) for one in predicted]
        self._resamples = resamples
        rng = np.random.default_rng(RNG_SEED)
        self._draw_seeds(num_seeds, rng)
        self._f1 = self._draw_texts(num_labels, rng)

    def interval(self, runs: Sequence[int], minus: Sequence[int] = ()) -> tuple[float, float]:
        """Interval of the mean macro F1 of runs with different seeds, or of its difference from other runs.

        Args:
            runs: indices of the runs.
            minus: indices of the runs to subtract, in the order of the same seeds; empty: none.
        """
        values = self._f1[:, list(runs)]
        if minus:
            values = values - self._f1[:, list(minus)]
        means = (values * self._draw_seeds(len(runs), np.random.default_rng(RNG_SEED))).sum(axis=1)
        low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)

    def _draw_seeds(self, num_seeds: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Weight of each seed in each resample's mean, shape [R, S]; equal for all means over S seeds."""
        seeds = rng.integers(0, num_seeds, (self._resamples, num_seeds))
        return np.asarray(_occurrences(seeds, num_seeds) / num_seeds)

    def _draw_texts(self, num_labels: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Macro F1 of each run in each resample, shape [R, K]."""
        # One-hot columns of hits and predictions; multiplied by the weights of the texts they give counts.
        actual, num_texts = _one_hot(self.truth, num_labels), len(self.truth)
        guessed = [_one_hot(one, num_labels) for one in self.predicted]
        columns = np.concatenate([actual, *guessed, *(actual * one for one in guessed)], axis=1)
        found = np.empty((self._resamples, len(guessed)))
        at_once = max(1, min(self._resamples, DRAWS_AT_ONCE // max(columns.shape)))
        for start in range(0, self._resamples, at_once):
            part = slice(start, min(start + at_once, self._resamples))
            texts = rng.integers(0, num_texts, (part.stop - part.start, num_texts))
            # Counts are whole numbers below 2**24, which float32 holds exactly.
            counts = (_occurrences(texts, num_texts).astype(np.float32) @ columns).astype(np.float64)
            all_actual, all_guessed, right = np.split(
                counts.reshape(len(texts), -1, num_labels), [1, 1 + len(guessed)], axis=1
            )
            found[part] = _mean_f1(right, np.broadcast_to(all_actual, right.shape), all_guessed)
        return found


def _one_hot(classes: Classes, num_labels: int) -> NDArray[np.float32]:
    return np.eye(num_labels, dtype=np.float32)[classes]


def _occurrences(drawn: Classes, num_values: int) -> Classes:
    """The number of occurrences of each value in each row, shape [R, values]."""
    rows = np.arange(len(drawn))[:, None] * num_values
    return np.bincount((drawn + rows).ravel(), minlength=len(drawn) * num_values).reshape(-1, num_values)
