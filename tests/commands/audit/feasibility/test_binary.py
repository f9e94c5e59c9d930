"""Binary scores, their confusion matrices, and how many texts left out would explain what none gives."""

import time

import numpy as np
import pytest

from bench.commands.audit.feasibility.binary import AVERAGINGS, Averaging, feasible
from bench.commands.audit.feasibility.left_out import fewest_left_out
from bench.commands.audit.feasibility.printing import PRINTINGS
from tests.commands.audit.feasibility.printed import intervals

IMDB = (12_500, 12_500)
IMPOSSIBLE = {
    "Llama": "0.9333,0.9164,0.9534,0.9346", "Mistral": "0.9048,0.9751,0.8303,0.8969",
    "Qwen": "0.9424,0.9589,0.9240,0.9411",
}  # fmt: skip


@pytest.mark.parametrize("scores", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_rows_without_a_confusion_matrix(scores: str) -> None:
    started = time.process_time()
    assert [feasible(IMDB, intervals(scores, printing)) for printing in PRINTINGS] == [False, False]
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("scores", "averagings"),
    [
        ("0.9692,0.9660,0.9726,0.9693", ["class"]),
        ("0.9565,0.9567,0.9565,0.9565", ["macro", "weighted"]),
        ("0.9543,0.9543,0.9543,0.9543", ["class", "macro", "weighted"]),
    ],
)
def test_averages_that_fit(scores: str, averagings: list[Averaging]) -> None:
    assert [each for each in AVERAGINGS if feasible(IMDB, intervals(scores), [each])] == averagings


def test_a_class_that_is_never_answered_has_any_precision_in_use() -> None:
    # Always the second class: its precision is 0.6 and its recall 1; the first one's precision is undefined.
    for precision in ("0.3000", "0.8000", "0.6000"):
        assert feasible((40, 60), intervals(f"0.6000,{precision},0.5000,0.3750"), ["macro", "class"])
    assert not feasible((40, 60), intervals("0.6000,0.4000,0.5000,0.3750"), ["macro", "class"])


def test_agrees_with_a_second_implementation() -> None:
    """Scores of the second class, held against mlscorecheck's check of one test set."""
    binary = pytest.importorskip("mlscorecheck.check.binary")
    random = np.random.default_rng(3)
    verdicts = set()
    for _ in range(40):
        negative, positive = (int(size) for size in random.integers(20, 200, 2))
        hits, rejected = int(random.integers(5, positive)), int(random.integers(5, negative))
        answered = hits + negative - rejected
        values = [(hits + rejected) / (positive + negative), hits / answered, hits / positive]
        values.append(2 * values[1] * values[2] / (values[1] + values[2]))
        values[int(random.integers(4))] += float(random.choice([0, 0.002, -0.002]))
        texts = [f"{min(value, 1):.4f}" for value in values]
        # Either class may be the positive one, so theirs is asked for both.
        ours = feasible((negative, positive), intervals(",".join(texts)), ["class"]) or False
        given = dict(zip(("acc", "ppv", "sens", "f1"), map(float, texts), strict=True))
        theirs = [
            not binary.check_1_testset_no_kfold(testset={"p": p, "n": n}, scores=given, eps=5e-5)["inconsistency"]
            for p, n in ((positive, negative), (negative, positive))
        ]
        assert ours == any(theirs), (negative, positive, texts)
        verdicts.add(ours)
    assert verdicts == {True, False}


@pytest.mark.parametrize("sizes", [(0, 10), (10,), (5, 5, 5)])
def test_two_classes_with_texts_are_needed(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="sizes must be two positive class counts, got"):
        feasible(sizes, intervals("0.5,,,"))


def test_too_many_matrices_are_not_decided() -> None:
    assert feasible((10**6, 10**6), intervals("0.5,0.5,0.5,0.5")) is None


@pytest.mark.parametrize(("name", "fewest"), [("Llama", 6), ("Mistral", 51), ("Qwen", 65)])
def test_fewest_texts_left_out(name: str, fewest: int) -> None:
    span = intervals(IMPOSSIBLE[name])
    found = fewest_left_out(IMDB, span)
    assert found is not None
    assert sum(found) == fewest
    assert feasible((IMDB[0] - found[0], IMDB[1] - found[1]), span, ["class"])


def test_texts_left_out_need_all_four_scores() -> None:
    assert fewest_left_out(IMDB, intervals("0.9333,0.9164,,0.9346")) is None
