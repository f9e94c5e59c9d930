"""Quality against scikit-learn, and predictions in the split's order."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_score, recall_score
from torch import Tensor, nn

from bench.data.batches import collate, prediction_order
from bench.data.tokens import Tokens
from bench.record.quality import Confusion
from bench.train.evaluate import NO_CLASS, predict, quality

LABELS = ("a", "b", "c", "d")


@given(pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_quality_is_scikit_learn_s_over_the_fixed_label_set(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = [t for t, _ in pairs], [p for _, p in pairs]
    found = quality(np.array(predicted), truth, LABELS, "test")
    given_sets = {"labels": [0, 1, 2, 3], "zero_division": 0}
    assert found.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro", **given_sets))
    assert found.weighted_f1 == pytest.approx(f1_score(truth, predicted, average="weighted", **given_sets))
    assert found.macro_precision == pytest.approx(precision_score(truth, predicted, average="macro", **given_sets))
    assert found.macro_recall == pytest.approx(recall_score(truth, predicted, average="macro", **given_sets))
    assert found.accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert list(found.f1_by_label.values()) == pytest.approx(f1_score(truth, predicted, average=None, **given_sets))
    assert found.label_counts == {label: truth.count(i) for i, label in enumerate(LABELS)}
    assert found.samples == len(truth)
    theirs = confusion_matrix(truth, predicted, labels=[0, 1, 2, 3])
    assert found.confusion == Confusion(labels=LABELS, texts=tuple((*row, 0) for row in theirs.tolist()))


@given(data=st.data(), count=st.integers(2, 30))
def test_f1_is_scikit_learn_s_for_any_number_of_classes_absent_ones_too(data: st.DataObject, count: int) -> None:
    """Of the classes few have a text, others are predicted alone, and some answers name none."""
    present = st.sampled_from(data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=4)))
    answers = present | st.integers(0, count - 1) | st.just(NO_CLASS)
    truth, predicted = zip(*data.draw(st.lists(st.tuples(present, answers), min_size=1, max_size=30)), strict=True)
    found = quality(np.array(predicted), list(truth), [f"class {label}" for label in range(count)], "test")
    for average, ours in (("macro", found.macro_f1), ("weighted", found.weighted_f1)):
        theirs = f1_score(truth, predicted, labels=range(count), average=average, zero_division=0)
        assert ours == pytest.approx(theirs, abs=1e-12)


def test_a_class_that_is_never_predicted_counts_as_zero_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = quality(np.array([0, 0, 1]), [0, 0, 1], LABELS, "test")
    assert (found.f1_by_label, found.macro_f1) == ({"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0}, 0.5)


def test_perfect_and_wrong() -> None:
    truth = [0, 1, 2, 3]
    assert quality(np.array(truth), truth, LABELS, "test").macro_f1 == 1
    assert quality(np.array([1, 2, 3, 0]), truth, LABELS, "test").macro_f1 == 0


def test_an_answer_that_names_no_class_is_wrong_and_no_class_of_its_own() -> None:
    """Two classes, half right: with a third class of unparsable answers the macro average could not pass 2/3."""
    found = quality(np.array([0, 1, NO_CLASS, NO_CLASS]), [0, 1, 0, 1], ("no", "yes"), "test")
    assert found.f1_by_label == {"no": pytest.approx(2 / 3), "yes": pytest.approx(2 / 3)}
    assert (found.accuracy, found.macro_precision) == (0.5, 1)
    assert found.macro_f1 == pytest.approx(2 / 3)
    texts = ((1, 0, 1), (0, 1, 1))
    assert found.confusion == Confusion(labels=("no", "yes"), texts=texts), "the last column counts those of no class"
    assert quality(np.array([NO_CLASS] * 2), [0, 1], ("no", "yes"), "test").macro_f1 == 0


def test_majority_floor_of_tweet_eval_emotion() -> None:
    """558 of 1,421 in one of four classes: F1 of that class is 2 x 558 / (1421 + 558), the others' 0."""
    truth = [0] * 558 + [1] * 358 + [2] * 123 + [3] * 382
    found = quality(np.array([1] * 1421), truth, LABELS, "test")
    assert round(found.majority_macro_f1, 4) == 0.1410
    assert found.majority_macro_f1 == pytest.approx(2 * 558 / (1421 + 558) / 4)


class FirstToken(nn.Module):
    """Scores that tell the first token of each text, and what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bool, bool, int]] = []

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None) -> SimpleNamespace:
        self.seen.append((self.training, torch.is_grad_enabled(), len(input_ids)))
        return SimpleNamespace(logits=torch.stack([input_ids[:, 0], -input_ids[:, 0]], dim=1).to(torch.bfloat16))


@pytest.mark.parametrize("warmup", [0, 2])
def test_predictions_are_in_the_order_of_the_split(warmup: int) -> None:
    lengths = np.array([3, 1, 7, 2, 9, 1, 4])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = np.concatenate([[i + 1] * length for i, length in enumerate(lengths)]).astype(np.int32)
    tokens = Tokens(ids, offsets, 0)
    batches = [collate(tokens, [0] * 7, indices, 0) for indices in prediction_order(tokens.lengths, 3)]
    model, told = FirstToken().train(), []
    cpu = torch.device("cpu")
    scores, log = predict(model, batches, 2, cpu, torch.float32, lambda *done: told.append(done), warmup)
    assert scores.tolist() == [[i + 1, -i - 1] for i in range(7)]
    assert scores.dtype == np.float32
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert (sum(log.samples), sum(log.tokens), len(log.seconds)) == (7, int(lengths.sum()), 3)
    assert len(model.seen) == 3 + warmup
    assert {(training, grad) for training, grad, _ in model.seen} == {(False, False)}
