"""Find the files of a dataset's splits in a folder by their names."""

import re
from collections.abc import Mapping
from pathlib import Path

from bench.errors import DataError

SPLITS = ("train", "validation", "test")
#: Key of a single file with all texts, which are then divided.
WHOLE = "all"
SUFFIXES = (".jsonl.gz", ".jsonl", ".csv.gz", ".csv", ".tsv.gz", ".tsv", ".parquet")
#: Folder of the files in datasets of the hub.
HUB_FOLDER = "data"
#: Name of one of several files of a split, as on the hub: number from 0, total, and optionally a hash.
SHARD = re.compile(r"(?P<split>[a-z]+)-(?P<number>[0-9]{5})-of-(?P<of>[0-9]{5})(-[0-9a-f]{8,40})?")


def is_data_file(path: Path) -> bool:
    """Whether a path is a file of a supported format."""
    return path.name.endswith(SUFFIXES) and path.is_file()


def find(name: str, folder: Path) -> dict[str, str]:
    """The files of a dataset in a folder or its data/: ``train.csv``, or ``train-00000-of-00002.csv`` and so on.

    Args:
        name: name of the dataset, for messages.
        folder: folder of the files.

    Returns:
        Absolute paths by split; ``train/00001`` is the second file of train.

    Raises:
        DataError: train, test or a part of a split is missing, or a split is found twice.
    """
    files: dict[str, str] = {}
    for place in (folder, folder / HUB_FOLDER):
        if not files and place.is_dir():
            files = {key: path for split in SPLITS for key, path in _files(name, place, split).items()}
    missing = [split for split in ("train", "test") if not paths_of(files, split)]
    if missing:
        way_out = ""
        if missing == ["test"] and len(files) == 1:
            way_out = f'; path = "{next(iter(files.values()))}" makes splits of that file alone'
        raise DataError(
            f"dataset {name}: {folder} has no {missing[0]} split; "
            f"wanted one of {', '.join(missing[0] + suffix for suffix in SUFFIXES)}, "
            f"or {missing[0]}-00000-of-00001 with one of these endings{way_out}"
        )
    return files


def paths_of(files: Mapping[str, str], split: str) -> list[str]:
    """The paths of one split in order."""
    return [path for key, path in sorted(files.items()) if key.partition("/")[0] == split]


def _files(name: str, folder: Path, split: str) -> dict[str, str]:
    """The files of one split by key: a single file, or all shards of one set."""
    single = [path for suffix in SUFFIXES if is_data_file(path := folder / f"{split}{suffix}")]
    shards = [path for path in sorted(folder.glob(f"{split}-*-of-*")) if _shard(path)]
    sets = {(_ending(path), match["of"]) for path in shards if (match := _shard(path))}
    if len(single) + len(sets) > 1:
        found = ", ".join(path.name for path in [*single, *shards][:10])
        raise DataError(f"dataset {name}: {folder} has several files for {split}: {found}")
    if single:
        return {split: str(single[0].resolve())}
    numbers = [match["number"] for path in shards if (match := _shard(path))]
    if shards:
        _require_every(name, split, numbers, int(next(iter(sets))[1]), folder)
    return {f"{split}/{number}": str(path.resolve()) for number, path in zip(numbers, shards, strict=True)}


def _ending(path: Path) -> str:
    return next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), "")


def _shard(path: Path) -> re.Match[str] | None:
    ending = _ending(path)
    return SHARD.fullmatch(path.name.removesuffix(ending)) if ending and path.is_file() else None


def _require_every(name: str, split: str, numbers: list[str], wanted: int, folder: Path) -> None:
    """Check that each part of a split exists once.

    Raises:
        DataError: a part is missing, or found twice.
    """
    expected = [f"{number:05d}" for number in range(wanted)]
    if numbers == expected:
        return
    wrong = [number for number in expected if number not in numbers] or numbers
    raise DataError(
        f"dataset {name}: {folder} must have each of the {wanted} files of {split} once; "
        f"{'missing' if wrong is not numbers else 'found'}: {', '.join(wrong[:10])}"
    )
