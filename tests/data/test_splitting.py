"""Stratified splits of a dataset that comes as one file."""

from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data import texts
from bench.data.duplicates import key_of
from bench.data.splitting import stratified_splits
from bench.data.texts import Dataset
from bench.errors import DataError
from bench.study.datasets import resolve_dataset
from bench.study.settings import DataSettings
from bench.study.study import Study
from tests.data.forms import jsonl, laid, loaded, parquet

LABELS = ("neg", "pos", "mixed")
MANY = [(f"ticket number {number}", LABELS[number % 10 // 4]) for number in range(200)]  # 80, 80 and 40


def file_of(folder: Path, rows: Any = MANY, name: str = "tickets__jsonl") -> Path:
    return laid(folder, **{name: jsonl(rows)}) / name.replace("__", ".")


def sizes(dataset: Dataset) -> dict[str, int]:
    return {name: len(split) for name, split in dataset.splits.items()}


class TestOneFile:
    def test_is_divided_by_class(self, tmp_path: Path) -> None:
        dataset = loaded(file_of(tmp_path))
        assert sizes(dataset) == {"train": 144, "validation": 16, "test": 40}
        assert dataset.labels == ("mixed", "neg", "pos")
        assert Counter(dataset.splits["test"].labels) == {0: 8, 1: 16, 2: 16}
        assert dataset.validation_carved
        found = [text for split in dataset.splits.values() for text in split.texts]
        assert sorted(found) == sorted(text for text, _ in MANY)

    @pytest.mark.parametrize(("suffix", "content", "word"), [("jsonl", jsonl, "line"), ("parquet", parquet, "row")])
    def test_ids_are_places_in_the_file(self, suffix: str, content: Any, word: str, tmp_path: Path) -> None:
        path = laid(tmp_path, **{f"tickets__{suffix}": content(MANY)}) / f"tickets.{suffix}"
        for split in loaded(path).splits.values():
            assert [f"ticket number {int(id.removeprefix(f'{word}/')) - 1}" for id in split.ids] == split.texts

    def test_follows_seed_and_fractions_and_nothing_else(self, tmp_path: Path) -> None:
        first = loaded(file_of(tmp_path / "a"))
        assert loaded(file_of(tmp_path / "b")).sha256 == first.sha256
        assert set(loaded(file_of(tmp_path / "c", MANY[::-1])).splits["test"].texts) == set(first.splits["test"].texts)
        assert set(loaded(file_of(tmp_path / "d"), split_seed=1).splits["test"].texts) != set(
            first.splits["test"].texts
        )
        assert sizes(loaded(file_of(tmp_path / "e"), test_fraction=0.5, validation_fraction=0.2)) == {
            "train": 80, "validation": 20, "test": 100,
        }  # fmt: skip

    def test_equal_texts_are_in_one_split(self, tmp_path: Path) -> None:
        twice = [*MANY, *((f"  TICKET\u00a0number \n{number} ", LABELS[number % 10 // 4]) for number in range(200))]
        dataset = loaded(file_of(tmp_path, twice))
        keys = [{key_of(text) for text in split.texts} for split in dataset.splits.values()]
        assert not any(one & other for one, other in combinations(keys, 2))
        assert sizes(dataset) == {"train": 288, "validation": 32, "test": 80}

        empty = loaded(file_of(tmp_path, [("", label) for _, label in MANY]))
        assert sizes(empty) == {"train": 144, "validation": 16, "test": 40}, "empty texts are not equal"

    def test_samples_are_drawn_of_its_splits(self, tmp_path: Path) -> None:
        dataset = loaded(file_of(tmp_path), max_train_samples=20, max_evaluation_samples=10)
        assert sizes(dataset) == {"train": 20, "validation": 10, "test": 10}

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ([*MANY, ("a", None)], r"tickets\.jsonl: line 201: bad label None"), ([], "the file is empty"),
            (MANY[2:6], "its file has 4 different texts, too few for a non-empty validation"),
        ],
        ids=["a bad row", "empty", "too few"],
    )  # fmt: skip
    def test_is_refused(self, rows: Any, said: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=said):
            loaded(file_of(tmp_path, rows))

    def test_a_change_since_planning_is_refused(self, tmp_path: Path) -> None:
        path = file_of(tmp_path)
        study = Study.model_validate({"name": "s", "grid": [{"datasets": [str(path)], "models": ["m"]}]})
        source = resolve_dataset(str(path), study)
        assert (source.kind, source.name) == ("file", "tickets.jsonl")
        file_of(tmp_path, MANY[:-1])
        with pytest.raises(DataError, match="changed since the run was planned"):
            texts.load(source, DataSettings())


class TestNames:
    def resolved(self, name: str, base: Path) -> str:
        study = Study.model_validate({"name": "s", "grid": [{"datasets": [name], "models": ["m"]}]})
        return resolve_dataset(name, study.in_folder(base)).kind

    def test_a_file_beside_the_study(self, tmp_path: Path) -> None:
        file_of(tmp_path)
        assert self.resolved("tickets.jsonl", tmp_path) == "file"

    def test_a_file_of_another_kind(self, tmp_path: Path) -> None:
        (tmp_path / "tickets.xlsx").write_bytes(b"PK")
        with pytest.raises(DataError, match=r"a file of texts must end in one of \.jsonl\.gz, .* got tickets\.xlsx"):
            self.resolved("./tickets.xlsx", tmp_path)

    def test_a_folder_with_one_split_names_the_way(self, tmp_path: Path) -> None:
        path = file_of(tmp_path / "d", name="train__jsonl")
        with pytest.raises(DataError, match=rf'has no test split; .*; path = "{path}" makes splits of that file alone'):
            self.resolved("./d", tmp_path)


@given(
    groups=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=60),
    test=st.floats(0.05, 0.9),
    validation=st.floats(0.05, 0.9),
    seed=st.integers(0, 5),
)
def test_every_text_is_in_one_split_and_every_class_in_train(
    groups: list[tuple[int, int]], test: float, validation: float, seed: int
) -> None:
    keys = [b"%d" % at for at, (_, times) in enumerate(groups) for _ in range(times)]
    labels = [label for label, times in groups for _ in range(times)]
    found = stratified_splits(keys, labels, test, validation, seed)
    assert sorted(index for indices in found.values() for index in indices) == list(range(len(keys)))
    split_of = {index: split for split, indices in found.items() for index in indices}
    for key in set(keys):
        assert len({split_of[index] for index in range(len(keys)) if keys[index] == key}) == 1
    assert {labels[index] for index in found["train"]} == set(labels)
    several = {label for label in set(labels) if sum(one == label for one, _ in groups) > 1}
    assert {labels[index] for index in found["test"]} == several if test * len(groups) < len(groups) else True
