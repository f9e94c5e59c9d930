"""Duplicate texts, and the cautions about them."""

from collections.abc import Sequence

import pytest

from bench.data.cautions import cautions, macro_f1_ceiling
from bench.data.duplicates import find, key_of, normal_form
from bench.data.survey import survey
from bench.data.texts import Dataset, Split

Rows = Sequence[tuple[str, int]]


def split_of(name: str, rows: Rows, pairs: list[str] | None = None) -> Split:
    return Split([f"{name}/{at}" for at in range(len(rows))], [t for t, _ in rows], [y for _, y in rows], pairs)


def dataset(train: Rows, test: Rows, validation: Rows = (("v", 0),), labels: Sequence[str] = ("a", "b")) -> Dataset:
    splits = {
        name: split_of(name, rows) for name, rows in (("train", train), ("validation", validation), ("test", test))
    }
    return Dataset(labels=tuple(labels), splits=splits, validation_carved=False, sha256="")


def said(of: Dataset, split: str = "test") -> tuple[str, ...]:
    return cautions(of, find(of.splits), split)


def many(count: int, start: int = 0) -> list[tuple[str, int]]:
    return [(f"text {start + number}", number % 2) for number in range(count)]


class TestEqual:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("A film", "a  FILM\n"), ("caf\u00e9", "cafe\u0301"), ("a\u00a0film", "a film"), ("\ufb01lm", "film"),
            ("\uff26\uff29\uff2c\uff2d", "film"), ("Stra\u00dfe", "STRASSE"), ("\u0130stanbul", "i\u0307stanbul"),
        ],
    )  # fmt: skip
    def test_but_for_blanks_case_and_form(self, one: str, other: str) -> None:
        assert normal_form(one) == normal_form(other)
        assert key_of(one) == key_of(other)

    @pytest.mark.parametrize(("one", "other"), [("a film", "a film."), ("\u0430", "a"), ("afilm", "a film")])
    def test_others_are_not(self, one: str, other: str) -> None:
        assert key_of(one) != key_of(other)

    def test_pairs_are_where_both_are(self) -> None:
        assert key_of("A", "b") == key_of("a", "B")
        assert key_of("a", "b") != key_of("b", "a")
        assert key_of("a b", "c") != key_of("a", "b c")
        assert key_of("a", " ") is None


def test_places_by_split() -> None:
    found = find(
        dataset(
            train=[("x", 0), ("X ", 0), ("y", 1), ("", 0), ("z", 0)],
            validation=[("y", 1), ("w", 0)],
            test=[("x", 1), ("new", 0), (" ", 1), ("new", 0)],
        ).splits
    )
    assert found.in_train == {"validation": [0], "test": [0]}
    assert found.repeated == {"train": [1], "validation": [], "test": [3]}
    assert found.conflicting == {"train": [0, 1], "validation": [], "test": [0]}
    assert found.empty == {"train": [3], "validation": [], "test": [2]}


class TestSaid:
    def test_nothing_of_sound_data(self) -> None:
        assert said(dataset(many(100), many(100, 500))) == ()

    @pytest.mark.parametrize(("leaked", "told"), [(1, False), (2, True)])
    def test_leaks_above_one_percent(self, leaked: int, told: bool) -> None:
        found = said(dataset(many(100), [*many(100 - leaked, 500), *many(leaked)]))
        assert found == ((f"{leaked}.0 % of the test texts are in train too ({leaked} of 100)",) if told else ())

    def test_another_label(self) -> None:
        train = [*many(96), ("same", 0), ("Same", 1), ("", 0), (" ", 1)]
        assert said(dataset(train, many(10, 500), many(3, 900))) == (
            "1.8 % of the texts occur again with another label (2 of 113)",
            "1.8 % of the texts are empty (2 of 113)",
        )

    def test_a_class_that_the_evaluated_split_lacks(self) -> None:
        of = dataset(many(10), [("t", 0)], many(4, 900), labels=("a", "b", "c"))
        assert said(of) == ("test has no text of b, c: macro F1 can reach 0.333 at most",)
        assert said(of, "validation") == ("validation has no text of c: macro F1 can reach 0.667 at most",)
        assert macro_f1_ceiling(of, "test") == pytest.approx(1 / 3)

    def test_labels_that_are_alike(self) -> None:
        assert said(dataset(many(10), many(4, 900), labels=("Pos", "pos"))) == (
            "labels 'Pos', 'pos' differ only by case, blanks or Unicode form and are separate classes",
        )


class TestSurvey:
    def test_shows_sizes_classes_lengths_and_places(self) -> None:
        of = dataset([*many(98), ("one two three four", 1), ("", 0)], [*many(2), ("a b c", 0)], many(2, 700))
        assert survey(of) == [
            "classes: 2: a, b", "train: 100 texts; a 50, b 50",
            "train: words per text: 0 to 4, median 2, 95 % have at most 2", "validation: 2 texts; a 1, b 1",
            "validation: words per text: 2 to 2, median 2, 95 % have at most 2", "test: 3 texts; a 2, b 1",
            "test: words per text: 2 to 3, median 2, 95 % have at most 3", "validation: 0 of 2 texts in train too",
            "test: 2 of 3 texts in train too: test/0, test/1", "train: 0 of 100 texts repeated within their split",
            "validation: 0 of 2 texts repeated within their split", "test: 0 of 3 texts repeated within their split",
            "train: 0 of 100 texts repeated with another label", "validation: 0 of 2 texts repeated with another label",
            "test: 0 of 3 texts repeated with another label", "train: 1 of 100 texts empty: train/99",
            "validation: 0 of 2 texts empty", "test: 0 of 3 texts empty",
            "caution: 66.7 % of the test texts are in train too (2 of 3)",
        ]  # fmt: skip

    def test_of_pairs(self) -> None:
        split = split_of("t", [("a b", 0), ("c", 1)], ["d e f", "g"])
        of = Dataset(
            labels=("x", "y"), splits=dict.fromkeys(("train", "validation", "test"), split), validation_carved=True,
            sha256="", columns=("premise", "hypothesis"),
        )  # fmt: skip
        lines = survey(of)
        assert lines[1] == "pairs of premise and hypothesis"
        assert lines[3] == "train: words per text: 2 to 5, median 4, 95 % have at most 5"
        assert lines[4] == "validation (carved from train): 2 texts; x 1, y 1"
