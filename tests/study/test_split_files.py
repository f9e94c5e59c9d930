"""Which files hold which split, by their names."""

from pathlib import Path

import pytest

from bench.errors import DataError
from bench.study.split_files import find, is_data_file, paths_of


def folder_of(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def shards(split: str, count: int, ending: str = ".parquet") -> list[str]:
    return [f"{split}-{number:05d}-of-{count:05d}{ending}" for number in range(count)]


def test_one_file_a_split(tmp_path: Path) -> None:
    found = find("d", folder_of(tmp_path, "train.tsv", "test.csv.gz", "dev.csv", "validation.txt"))
    assert {split: Path(path).name for split, path in found.items()} == {"train": "train.tsv", "test": "test.csv.gz"}


@pytest.mark.parametrize("folder", ["", "data/"])
@pytest.mark.parametrize("hash", ["", "-0123456789abcdef"])
def test_several_files_a_split(folder: str, hash: str, tmp_path: Path) -> None:
    names = [*shards("train", 11), *shards("test", 1)]
    names = [folder + name.replace(".parquet", f"{hash}.parquet") for name in names]
    found = find("d", folder_of(tmp_path, *names))
    assert [str(Path(path).relative_to(tmp_path.resolve())) for path in paths_of(found, "train")] == names[:11]
    assert list(found)[:2] == ["train/00000", "train/00001"]
    assert paths_of(found, "validation") == []


def test_the_folder_comes_before_its_data_folder(tmp_path: Path) -> None:
    found = find("d", folder_of(tmp_path, "train.csv", "test.csv", *(f"data/{name}" for name in shards("train", 2))))
    assert [Path(path).name for path in found.values()] == ["train.csv", "test.csv"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train.csv", "train.jsonl", "test.csv"], "has several files for train: train.jsonl, train.csv"),
        (
            ["train.csv", *shards("train", 1), "test.csv"],
            "has several files for train: train.csv, train-00000-of-00001",
        ),
        ([*shards("train", 2), *shards("train", 2, ".csv"), "test.csv"], "has several files for train: "),
        ([*shards("train", 2), *shards("train", 3), "test.csv"], "has several files for train: "),
        ([*shards("train", 3)[:2], "test.csv"], "must have each of the 3 files of train once; missing: 00002"),
        ([*shards("train", 3)[1:], "test.csv"], "must have each of the 3 files of train once; missing: 00000"),
        (["train-00000-of-00000.csv", "test.csv"], "must have each of the 0 files of train once; found: 00000"),
        (
            ["train-00000-of-00001-0123456789abcdef.csv", "train-00000-of-00001-fedcba9876543210.csv", "test.csv"],
            "must have each of the 1 files of train once; found: 00000, 00000",
        ),
        (["train-1-of-2.csv", "test.csv"], "has no train split"),
        (["test.csv"], "has no train split; wanted one of train.jsonl.gz, train.jsonl, train.csv.gz, train.csv"),
        (shards("train", 2), "has no test split"),
        ([], "has no train split"),
    ],
)
def test_what_is_missing_or_there_twice(names: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find("d", folder_of(tmp_path, *names))
    assert str(caught.value).startswith("dataset d: ")
    assert said in str(caught.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "train.csv").mkdir()
    assert not is_data_file(tmp_path / "train.csv")
    with pytest.raises(DataError, match="has no train split"):
        find("d", folder_of(tmp_path, "test.csv"))
