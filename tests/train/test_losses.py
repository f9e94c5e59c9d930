"""The task's loss against PyTorch's and scikit-learn's, written out."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from bench.data.batches import IGNORED
from bench.errors import StudyError
from bench.train.losses import TaskLoss, balanced_weights

LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
TARGETS = torch.tensor([0, 1, 1])


def test_balanced_weights_of_three_to_one() -> None:
    """n / (C x count): 4 / (2 x 3) and 4 / (2 x 1)."""
    assert balanced_weights([0, 0, 1, 0], ("a", "b"), "dataset d").tolist() == pytest.approx([2 / 3, 2])


@given(labels=st.lists(st.integers(0, 3), max_size=40))
def test_they_are_scikit_learn_s(labels: list[int]) -> None:
    labels = [*labels, 0, 1, 2, 3]
    theirs = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    found = balanced_weights(labels, "abcd", "dataset d")
    assert found.tolist() == pytest.approx(theirs.tolist())
    counts = torch.bincount(torch.tensor(labels), minlength=4)
    assert (found * counts).tolist() == pytest.approx([len(labels) / 4] * 4), "all classes count alike"


def test_a_class_without_a_train_text_is_refused_by_name() -> None:
    said = r"dataset d: train\.class_weights = \"balanced\" needs a train text of each class, got none of 'b'; leave"
    with pytest.raises(StudyError, match=said):
        balanced_weights([0, 0, 2], ("a", "b", "c"), "dataset d")


def test_a_weighted_loss_is_divided_by_the_weights() -> None:
    each = torch.log_softmax(LOGITS, dim=1).neg()[torch.arange(3), TARGETS]
    loss = TaskLoss(torch.tensor([1.0, 3.0]))
    assert float(loss(LOGITS, TARGETS)) == pytest.approx(float((each * torch.tensor([1.0, 3, 3])).sum() / 7))
    assert float(loss.weight(TARGETS)) == 7


def test_smoothing_spreads_a_share_over_all_classes() -> None:
    """One target of two classes, smoothed by 0.2: 0.9 of its own log probability and 0.1 of the other's."""
    own, other = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert float(TaskLoss(label_smoothing=0.2)(LOGITS[:1], TARGETS[:1])) == pytest.approx(0.9 * own + 0.1 * other)


def test_without_either_it_is_the_mean_and_leaves_out_what_is_ignored() -> None:
    targets = torch.tensor([0, IGNORED, 1])
    each = torch.log_softmax(LOGITS, dim=1).neg()
    assert float(TaskLoss()(LOGITS, targets)) == pytest.approx(float((each[0, 0] + each[2, 1]) / 2))
    assert int(TaskLoss().weight(targets)) == 2
    assert float(TaskLoss(torch.tensor([1.0, 3.0])).weight(targets)) == 4
