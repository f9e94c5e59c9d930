"""Datasets of every kind, and errors for broken ones."""

import csv
import gzip
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data import splitting, texts
from bench.data.texts import Dataset
from bench.errors import DataError
from bench.study.datasets import profile_dataset, resolve_dataset
from bench.study.settings import DataSettings
from bench.study.study import Study
from tests.conftest import TextFolder
from tests.data.forms import everywhere, jsonl, laid, loaded, located, parquet

ROWS = [("the good film", 1), ("a bad one, alas", 0), ('quoted "words"\nover two lines', 1), ("é 漢 \U0001f600", 0)]
MANY = [(f"text {i}", i % 3) for i in range(90)]


def as_csv(rows: list[tuple[str, Any]]) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("text", "label"), *rows])
    return stream.getvalue().encode()


FORMATS = {
    "jsonl": jsonl(ROWS), "jsonl.gz": jsonl(ROWS), "csv": as_csv(ROWS), "csv.gz": as_csv(ROWS),
    "parquet": parquet(ROWS),
}  # fmt: skip


class TestRead:
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_every_format_gives_the_same_rows(self, suffix: str, tmp_path: Path) -> None:
        dataset = loaded(everywhere(tmp_path / "a folder", suffix, FORMATS[suffix]))
        assert dataset.labels == ("0", "1")
        for found in dataset.splits.values():
            assert list(zip(found.texts, found.labels, strict=True)) == ROWS
        assert dataset.splits["test"].ids == ["test/0", "test/1", "test/2", "test/3"]
        assert not dataset.validation_carved

    def test_other_columns(self, tmp_path: Path) -> None:
        row = json.dumps({"review": "good", "text": "no", "stars": "up", "label": 7}).encode() + b"\n"
        other = row.replace(b"up", b"down")
        dataset = loaded(everywhere(tmp_path, "jsonl", row + other), {"text": "review", "label": "stars"})
        assert (dataset.labels, dataset.splits["train"].texts[0]) == (("down", "up"), "good")

    def test_synthetic(self) -> None:
        study = Study.model_validate({"name": "s", "grid": [{"datasets": ["synthetic_stars"], "models": ["m"]}]})
        dataset = texts.load(resolve_dataset("synthetic_stars", study), DataSettings())
        assert len(dataset.labels) == 5
        assert set(dataset.splits) == {"train", "validation", "test"}

    def test_filler_of_recorded_lengths(self) -> None:
        dataset = texts.load(profile_dataset("sst5"), DataSettings())
        assert {name: len(split) for name, split in dataset.splits.items()} == {
            "train": 8544, "validation": 1101, "test": 2210,
        }  # fmt: skip
        assert not dataset.validation_carved
        assert Counter(dataset.splits["test"].labels) == {0: 279, 1: 633, 2: 389, 3: 510, 4: 399}
        assert texts.load(profile_dataset("sst5"), DataSettings()).sha256 == dataset.sha256


class TestLabels:
    @pytest.mark.parametrize(
        ("given_labels", "entry", "labels", "indices"),
        [
            ([0, 2, 1], {}, ("0", "1", "2"), [0, 2, 1]),
            (["0", "2", "1"], {}, ("0", "1", "2"), [0, 2, 1]),
            (["sad", "joy", "fear"], {}, ("fear", "joy", "sad"), [2, 1, 0]),
            (["sad", "joy", "sad"], {"labels": ["sad", "joy", "fear"]}, ("sad", "joy", "fear"), [0, 1, 0]),
            ([2, 0, 1], {"labels": ["sad", "joy", "fear"]}, ("sad", "joy", "fear"), [2, 0, 1]),
        ],
    )
    def test_by_index_or_name(
        self, given_labels: list[Any], entry: dict[str, Any], labels: tuple[str, ...], indices: list[int],
        text_folder: TextFolder,
    ) -> None:  # fmt: skip
        rows = [("a text", label) for label in given_labels]
        dataset = loaded(text_folder(train=rows, validation=rows, test=rows), entry)
        assert (dataset.labels, dataset.splits["test"].labels) == (labels, indices)

    @pytest.mark.parametrize("labels", [[1, 2], [0, 0], ["only"], [0, 2], [-1, 0], ["0", "00"]])
    def test_that_cannot_be_inferred(self, labels: list[Any], text_folder: TextFolder) -> None:
        rows = [("a", label) for label in labels]
        with pytest.raises(DataError, match="dataset mine: "):
            loaded(text_folder(train=rows, validation=rows, test=rows))

    def test_bad_label_in_csv_names_the_line_of_the_file(self, tmp_path: Path) -> None:
        folder = everywhere(tmp_path, "csv", as_csv([("over\ntwo lines", 0), ("fine", 1), ("not", 5)]))
        with pytest.raises(DataError, match=r"train\.csv: line 5: bad label '5'"):
            loaded(folder, {"labels": ["a", "b"]})


class TestBroken:
    GOOD = jsonl(ROWS)

    def refused(self, tmp_path: Path, name: str, data: bytes) -> str:
        laid(tmp_path, train__jsonl=self.GOOD, validation__jsonl=self.GOOD)
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError) as caught:
            loaded(tmp_path)
        message = str(caught.value)
        assert message.startswith("dataset mine: ")
        return message

    @pytest.mark.parametrize(
        ("name", "data", "words"),
        [
            ("test.jsonl", b"", "split test is empty"),
            ("test.parquet", parquet([]), "split test is empty"),
            ("test.jsonl", GOOD + b'{"text": "caf\xe9", "label": 1}\n', "test.jsonl: line 5: not UTF-8 text"),
            ("test.csv", b"text,label\ncaf\xe9,1\n", "test.csv: not UTF-8 text"),
            ("test.jsonl", GOOD + b'{"text": "cut', "test.jsonl: line 5: not valid JSON"),
            ("test.jsonl", b'{"text": "a"}', "line 1: no column 'label'; it has text; set text and label in [data"),
            ("test.csv", b"txt,label\na,1\n", "no column 'text'; it has txt, label"),
            ("test.csv", b'text,label\n"open,1\n', "test.csv: not valid CSV"),
            ("test.jsonl.gz", gzip.compress(GOOD, mtime=0)[:-12], "test.jsonl.gz: corrupt or cut short"),
            ("test.csv.gz", gzip.compress(as_csv(ROWS), mtime=0)[:-4] + b"0000", "test.csv.gz: corrupt or cut short"),
            ("test.parquet", b"PAR1 and then nothing", "test.parquet: not valid Parquet"),
            ("test.parquet", b"", "test.parquet: not valid Parquet"),
        ],
    )
    def test_file_says_where_and_what(self, name: str, data: bytes, words: str, tmp_path: Path) -> None:
        assert words in self.refused(tmp_path, name, data)

    @given(
        data=st.binary(max_size=80),
        suffix=st.sampled_from(["jsonl", "jsonl.gz", "csv", "csv.gz", "tsv", "tsv.gz", "parquet"]),
    )
    def test_noise_is_never_anything_but_a_data_error(
        self, data: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        self.refused(tmp_path_factory.mktemp("noise"), f"test.{suffix}", data)

    def test_split_that_vanished_since_it_was_found(self, text_folder: TextFolder) -> None:
        folder = text_folder(train=ROWS, validation=ROWS, test=ROWS)
        found = located(folder)
        (folder / "test.jsonl").unlink()
        with pytest.raises(DataError, match=r"test\.jsonl cannot be read"):
            texts.load(found, DataSettings())


class TestCarving:
    def splits(self, text_folder: TextFolder, rows: list[tuple[str, int]] = MANY, **settings: Any) -> Dataset:
        return loaded(text_folder(train=rows, test=[("test text", i) for i in range(3)]), **settings)

    def test_takes_its_share_from_train_and_never_from_test(self, text_folder: TextFolder) -> None:
        dataset = self.splits(text_folder, validation_fraction=0.2)
        train, validation = (dataset.splits[name].texts for name in ("train", "validation"))
        assert dataset.validation_carved
        assert (len(train), len(validation)) == (72, 18)
        assert sorted(train + validation) == sorted(text for text, _ in MANY)
        assert dataset.splits["test"].texts == ["test text"] * 3
        assert Counter(dataset.splits["validation"].labels) == {0: 6, 1: 6, 2: 6}
        for split in (dataset.splits[name] for name in ("train", "validation")):
            assert set(zip(split.texts, split.labels, strict=True)) <= set(MANY)
            assert [MANY[int(i.removeprefix("train/"))][0] for i in split.ids] == split.texts

    def test_follows_the_split_seed_alone(self, text_folder: TextFolder) -> None:
        found = [self.splits(text_folder, split_seed=seed).splits["validation"].ids for seed in (0, 0, 1)]
        assert found[0] == found[1] != found[2]

    def test_of_too_few_rows(self, text_folder: TextFolder) -> None:
        with pytest.raises(DataError, match="train has 3 rows, too few to carve a validation split"):
            self.splits(text_folder, MANY[:3])


class TestSubsampling:
    def test_is_stratified_and_each_split_has_its_limit(self, text_folder: TextFolder) -> None:
        folder = text_folder(train=MANY, validation=MANY, test=MANY)
        dataset = loaded(folder, max_train_samples=31, max_evaluation_samples=12)
        assert {name: len(split) for name, split in dataset.splits.items()} == {
            "train": 31, "validation": 12, "test": 12,
        }  # fmt: skip
        assert set(Counter(dataset.splits["train"].labels).values()) <= {10, 11}
        assert Counter(dataset.splits["test"].labels) == {0: 4, 1: 4, 2: 4}
        assert len(set(dataset.splits["train"].ids)) == 31

    def test_of_more_than_there_are_changes_nothing(self, text_folder: TextFolder) -> None:
        folder = text_folder(train=ROWS, validation=ROWS, test=ROWS)
        assert loaded(folder, max_train_samples=99).sha256 == loaded(folder).sha256

    @given(
        sizes=st.lists(st.integers(0, 30), min_size=1, max_size=8).filter(any),
        share=st.floats(0, 1),
        seed=st.integers(0, 99),
    )
    def test_every_class_keeps_its_share_to_within_one_row(self, sizes: list[int], share: float, seed: int) -> None:
        labels = [label for label, size in enumerate(sizes) for _ in range(size)]
        count = max(1, round(share * len(labels)))
        chosen = splitting.stratified(labels, count, np.random.default_rng(seed))
        assert len(set(chosen)) == count
        got = Counter(labels[i] for i in chosen)
        for label, size in enumerate(sizes):
            assert abs(got[label] - size * count / len(labels)) < 1


class TestHash:
    def test_follows_every_text_and_label(self, text_folder: TextFolder) -> None:
        changed = [("the good film!", 1), *ROWS[1:]]
        relabelled = [(ROWS[0][0], 0), *ROWS[1:]]
        found = [
            loaded(text_folder(f"d{i}", train=ROWS, validation=ROWS, test=rows)).sha256
            for i, rows in enumerate([ROWS, ROWS, changed, relabelled, ROWS[::-1]])
        ]
        assert (found[0], len(set(found))) == (found[1], 4)


def test_files_that_changed_after_planning_are_refused(tmp_path: Path) -> None:
    folder = laid(tmp_path / "d", train__jsonl=jsonl(ROWS * 5), test__jsonl=jsonl(ROWS))
    planned = located(folder)
    texts.load(planned, DataSettings())
    laid(folder, test__jsonl=jsonl(ROWS[:3]))
    with pytest.raises(DataError, match="changed since the run was planned"):
        texts.load(planned, DataSettings())


def test_a_length_profile_that_changed_after_planning_is_refused() -> None:
    planned = profile_dataset("sst5").model_copy(update={"fingerprint": "profile generator 0, of then"})
    with pytest.raises(DataError, match="dataset sst5: its length profile has changed since the run was planned"):
        texts.load(planned, DataSettings())
