"""The task loss: cross-entropy with optional class weights and label smoothing."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from bench.data.batches import IGNORED
from bench.errors import StudyError


def balanced_weights(labels: Sequence[int], names: Sequence[str], where: str) -> Tensor:
    """The weight of each class, float32, shape (C,): n / (C x texts of the class), as scikit-learn's ``balanced``.

    See King and Zeng, Logistic Regression in Rare Events Data, Political Analysis 9, 2001.

    Args:
        labels: class index of each of the n train texts.
        names: names of the C classes.
        where: dataset, for messages.

    Raises:
        StudyError: a class has no train text.
    """
    counts = np.bincount(np.asarray(labels), minlength=len(names))
    if not counts.all():
        raise StudyError(
            f'{where}: train.class_weights = "balanced" needs a train text of each class, got none of '
            f'{names[int(counts.argmin())]!r}; leave the class out of labels, or set train.class_weights = "none"'
        )
    return torch.from_numpy(len(labels) / (len(names) * counts)).float()


class TaskLoss:
    """Cross-entropy in nats over the targets of a batch.

    Attributes:
        class_weights: float32, shape (C,), on the logits' device; None: all targets have the same weight.
        label_smoothing: share of a target that is spread over all classes.
    """

    def __init__(self, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> None:
        """See the attributes."""
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over targets, a scalar, weighted by the class weights.

        Args:
            logits: logits, shape (N, C).
            targets: class indices, int64, shape (N,); IGNORED ones are left out.
        """
        return nn.functional.cross_entropy(
            logits.float(), targets, self.class_weights, ignore_index=IGNORED, label_smoothing=self.label_smoothing
        )

    def weight(self, targets: Tensor) -> Tensor:
        """The divisor of the mean, a scalar: the number of targets, or the sum of their class weights."""
        if self.class_weights is None:
            return (targets != IGNORED).sum()
        return (self.class_weights[targets.clamp_min(0)] * (targets != IGNORED)).sum()
