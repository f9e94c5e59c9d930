"""The shipped methods without a model, on texts of every kind."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from bench.method import LabelledTexts, TextMethod, Texts, registry
from bench.method.class_scores import checked_scores

FOUND = registry.find()
LABELS = ("calm", "glad", "sad")
FILMS = [("a dull film", 0), ("a bright film", 1), ("a sad film", 2)] * 4
NAMES = ("majority", "tfidf_linear")


def made(name: str, **options: object) -> TextMethod:
    method = registry.load_any(name, FOUND[name].path)
    assert issubclass(method, TextMethod)
    return method(registry.options(name, method, options))


def labelled(rows: Sequence[tuple[str, int]], second: Sequence[str] | None = None) -> LabelledTexts:
    texts = Texts(first=[text for text, _ in rows], second=second)
    return LabelledTexts(texts=texts, labels=[label for _, label in rows])


def scores(
    name: str, train: LabelledTexts, asked: Texts, validation: LabelledTexts | None = None
) -> NDArray[np.float32]:
    method = made(name)
    method.fit(train, validation or train, LABELS)
    return checked_scores(method.predict(asked), len(asked), len(LABELS), name)


def answers(name: str, rows: Sequence[tuple[str, int]], *asked: str) -> list[int]:
    found: list[int] = scores(name, labelled(rows), Texts(first=asked)).argmax(axis=1).tolist()
    return found


def test_majority_answers_with_the_most_frequent_class_of_train() -> None:
    assert answers("majority", [*FILMS, ("one more", 2)], "a dull film", "") == [2, 2]


def test_linear_classifier_learns_words() -> None:
    assert answers("tfidf_linear", FILMS, "so dull", "how bright", "sad, so sad") == [0, 1, 2]


def test_linear_classifier_learns_scripts_without_blanks_from_characters() -> None:
    rows = [("今天很无聊", 0), ("今天很明亮", 1), ("今天很难过", 2)] * 4
    assert answers("tfidf_linear", rows, "真的很无聊", "真的很明亮", "真的很难过") == [0, 1, 2]


@pytest.mark.parametrize("name", NAMES)
def test_a_class_without_train_texts_is_never_answered(name: str) -> None:
    rows = [row for row in FILMS if row[1] != 1]
    assert set(answers(name, rows, *(text for text, _ in FILMS))) <= {0, 2}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "rows",
    [[("a", 0), ("b", 2)], [("", 0), (" ", 1)], [("only", 1)], [("", 1)], [("x y", 1), ("z", 1)]],
    ids=["two texts", "empty texts", "one text", "one empty text", "one class"],
)
def test_few_texts_are_enough(name: str, rows: list[tuple[str, int]]) -> None:
    found = scores(name, labelled(rows), Texts(first=["", "a", "unseen"]), labelled([("a", 2)]))
    assert set(found.argmax(axis=1).tolist()) <= {label for _, label in rows}


def test_pairs_are_told_apart_by_their_second_text() -> None:
    rows = [("a film", label % 2) for label in range(12)]
    train = labelled(rows, ["dull", "bright"] * 6)
    found = scores("tfidf_linear", train, Texts(first=["a film"] * 2, second=["bright", "dull"]))
    assert found.argmax(axis=1).tolist() == [1, 0]


def test_n_grams_of_one_text_each_do_not_stop_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """In large data such n-grams are left out, and here there are no others."""
    method = made("tfidf_linear")
    monkeypatch.setitem(type(method).fit.__globals__, "FEWEST_TEXTS_TO_PRUNE", 30)
    rows = [(chr(0x4E00 + 2 * at) + chr(0x4E01 + 2 * at), at % 3) for at in range(30)]
    method.fit(labelled(rows), labelled(rows), LABELS)
    assert np.shape(method.predict(Texts(first=["一丁"]))) == (1, 3)


def test_long_data_are_read_from_the_start_of_each_text(monkeypatch: pytest.MonkeyPatch) -> None:
    method = made("tfidf_linear")
    globals_of_fit = type(method).fit.__globals__
    monkeypatch.setitem(globals_of_fit, "MOST_CHARACTERS", {"words": 10_000, "characters": 60})
    rows = [(f"{word} {'and so on ' * 20}", label) for word, label in (("dull", 0), ("bright", 1), ("sad", 2))] * 4
    method.fit(labelled(rows), labelled(rows), LABELS)
    remarks = method.remarks()
    assert "n-grams of characters are those of the first 5 characters of a text" in remarks
    assert np.asarray(method.predict(Texts(first=["dull", "sad"]))).argmax(axis=1).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("lengths", "most", "read"), [((1, 2, 9), 6, 3), ((5, 5), 4, 2), ((1, 2), 3, 3), ((0, 0), 3, 3), ((9,), 1, 1)]
)
def test_length_that_may_be_read_of_each_text(lengths: tuple[int, ...], most: int, read: int) -> None:
    length = type(made("tfidf_linear")).fit.__globals__["_length"]
    assert length(["x" * size for size in lengths], most) == read


def test_settings_are_chosen_on_a_part_of_many_texts() -> None:
    method = made("tfidf_linear", search_texts=6, strengths=[1.0], class_weights=["none"])
    method.fit(labelled(FILMS), labelled(FILMS), LABELS)
    assert method.remarks() == ["C = 1, class weights none: the best of 1 on validation"]


def test_artifact_holds_what_is_needed_to_predict(tmp_path: Path) -> None:
    method = made("tfidf_linear")
    method.fit(labelled(FILMS), labelled(FILMS), LABELS)
    method.save(tmp_path)
    content = json.loads((tmp_path / "ngrams.json").read_text(encoding="utf-8"))
    weights = load_file(tmp_path / "weights.safetensors")
    count = sum(len(part["ngrams"]) for part in content["parts"].values())
    assert weights["coefficients"].shape == (3, count)
    assert method.num_parameters() == 3 * count + 3
    assert content["classes"] == [0, 1, 2]
