"""Splits that each seed draws anew: other train and validation texts, the same test texts."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from bench.data import texts
from bench.data.duplicates import key_of
from bench.data.texts import Dataset
from bench.study.settings import DataSettings
from tests.conftest import TextFolder
from tests.data.forms import jsonl, laid, located

MANY = [(f"text number {number}", number % 4 // 3) for number in range(200)]


def drawn(path: Path, seed: int, **settings: Any) -> Dataset:
    return texts.load(located(path), DataSettings(resample_splits=True, **settings), seed)


@pytest.fixture(params=["own validation", "carved", "one file"])
def path(request: pytest.FixtureRequest, text_folder: TextFolder, tmp_path: Path) -> Path:
    if request.param == "one file":
        return laid(tmp_path, tickets__jsonl=jsonl(MANY)) / "tickets.jsonl"
    validation = {"validation": MANY[150:170]} if request.param == "own validation" else {}
    return text_folder(train=MANY[:150], test=MANY[170:], **validation)


def test_each_seed_draws_train_and_validation(path: Path) -> None:
    first, same, other = (drawn(path, seed) for seed in (0, 0, 1))
    fixed = texts.load(located(path), DataSettings(), 1)
    assert first.sha256 == same.sha256 != other.sha256
    for name in ("train", "validation"):
        assert set(first.splits[name].texts) != set(other.splits[name].texts)
        assert len(first.splits[name]) == len(other.splits[name]) == len(fixed.splits[name])
    assert first.splits["test"] == other.splits["test"] == fixed.splits["test"]
    pools = [sorted(one.splits["train"].texts + one.splits["validation"].texts) for one in (first, other, fixed)]
    assert pools[0] == pools[1] == pools[2]


def test_classes_keep_their_shares(path: Path) -> None:
    for name, split in drawn(path, 3).splits.items():
        assert sum(split.labels) / len(split) == pytest.approx(0.25, abs=0.08), name


def test_samples_are_drawn_by_the_seed_but_those_of_test_are_not(path: Path) -> None:
    first, other = (drawn(path, seed, max_train_samples=40, max_evaluation_samples=10) for seed in (0, 1))
    assert [len(split) for split in first.splits.values()] == [40, 10, 10]
    assert set(first.splits["train"].texts) != set(other.splits["train"].texts)
    assert first.splits["test"] == other.splits["test"]


def test_equal_texts_stay_in_one_split(tmp_path: Path) -> None:
    twice = [*MANY, *((f"  TEXT  number {number}", label) for number, (_, label) in enumerate(MANY))]
    splits = drawn(laid(tmp_path, tickets__jsonl=jsonl(twice)) / "tickets.jsonl", 2).splits.values()
    keys = [{key_of(text) for text in split.texts} for split in splits]
    assert not any(one & other for one, other in combinations(keys, 2))


def test_the_seed_does_not_matter_otherwise(path: Path) -> None:
    assert texts.load(located(path), DataSettings(), 0).sha256 == texts.load(located(path), DataSettings(), 1).sha256
