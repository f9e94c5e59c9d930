"""The cache of arrays: a damaged file is never used, and a failure costs only a notice and time."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bench.data import array_cache
from bench.data.array_cache import read_cached, write_cached
from bench.errors import RunFolderError
from bench.record.notices import kept_in, notices_of
from tests.known import known
from tests.support import environment

ARRAYS = {"ids": np.arange(20, dtype=np.int32), "truncated": np.array([3]), "none": np.zeros(0, dtype=np.int8)}
Told = Callable[[], list[str]]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """Notices since the test began."""
    (tmp_path / "job").mkdir()
    return lambda: notices_of(tmp_path / "job")


@pytest.fixture(autouse=True)
def _job(told: Told, tmp_path: Path):
    with kept_in(tmp_path / "job"):
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of the cache."""
    path = tmp_path / "cache" / "tokens" / "a.safetensors"
    write_cached(path, ARRAYS)
    return path


def test_what_is_kept_is_found(path: Path, told: Told) -> None:
    found = known(read_cached(path))
    assert {name: array.tolist() for name, array in found.items()} == {k: v.tolist() for k, v in ARRAYS.items()}
    assert {name: array.dtype for name, array in found.items()} == {k: v.dtype for k, v in ARRAYS.items()}
    assert read_cached(path.with_name("b.safetensors")) is None
    assert ([each.name for each in path.parent.iterdir()], told()) == (["a.safetensors"], [])


@pytest.mark.parametrize("bit", [0, 7])
def test_no_flipped_bit_is_believed(bit: int, path: Path) -> None:
    whole = path.read_bytes()
    wanted = {name: (array.dtype, array.tolist()) for name, array in ARRAYS.items()}
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        found = read_cached(path)  # padding of the header may change, since it is not read
        assert found is None or {name: (array.dtype, array.tolist()) for name, array in found.items()} == wanted, at


@pytest.mark.parametrize("length", [0, 1, 8, 50, -1])
def test_one_that_is_cut_short(length: int, path: Path, told: Told) -> None:
    path.write_bytes(path.read_bytes()[:length])
    assert (read_cached(path), len(told())) == (None, 1)


def test_one_of_before_there_were_digests(path: Path, told: Told) -> None:
    save_file(load_file(path), path)
    assert read_cached(path) is None
    assert "it has no digest" in told()[0]


def test_one_of_another_name_in_its_place(path: Path, told: Told) -> None:
    other = path.with_name("b.safetensors")
    write_cached(other, {**ARRAYS, "ids": ARRAYS["ids"] + 1})
    path.write_bytes(other.read_bytes())
    assert read_cached(path) is None
    assert told() == [
        f"the cache file {path} cannot be used, so its content is computed again: its digest does not match"
    ]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_something_else_in_its_place(make: Callable[[Path], None], path: Path, told: Told) -> None:
    path.unlink()
    make(path)
    assert read_cached(path) is None
    assert "it is not a regular file" in told()[0]


@pytest.mark.parametrize("to", ["gone", "self"])
def test_a_link_in_its_place_is_replaced(to: str, path: Path) -> None:
    path.unlink()
    path.symlink_to(path if to == "self" else path.with_name("gone"))
    assert read_cached(path) is None
    write_cached(path, ARRAYS)
    assert not path.is_symlink()
    assert read_cached(path) is not None


def test_a_file_in_place_of_the_folder(tmp_path: Path, told: Told) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "tokens" / "a.safetensors"
    write_cached(path, ARRAYS)
    assert (read_cached(path), len(told())) == (None, 1)
    assert f"the cache {path.parent} cannot be written" in told()[0]


def test_a_full_disk(path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise RunFolderError("cannot be written") from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(array_cache, "write_bytes", full)
    write_cached(path, ARRAYS)
    assert "No space left on device; make room there, or set TUNEBENCH_CACHE" in told()[0]
    assert read_cached(path) is not None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_a_folder_that_may_not_be_written(path: Path, told: Told) -> None:
    path.parent.chmod(0o500)
    write_cached(path.with_name("b"), ARRAYS)
    path.parent.chmod(0o700)
    assert "Permission denied" in told()[0]


def test_a_folder_that_is_gone_is_made_again(path: Path, told: Told) -> None:
    path.unlink()
    path.parent.rmdir()
    assert read_cached(path) is None
    write_cached(path, ARRAYS)
    assert read_cached(path) is not None
    assert told() == []


TWO = """
import sys
from pathlib import Path
import numpy as np
from bench.data.array_cache import write_cached, read_cached
arrays = {"ids": np.arange(200_000, dtype=np.int32)}
for _ in range(40):
    write_cached(Path(sys.argv[1]), arrays)
    found = read_cached(Path(sys.argv[1]))
    assert found is not None and (found["ids"] == arrays["ids"]).all()
"""


def test_two_processes_may_write_and_read_one_file(tmp_path: Path) -> None:
    start = [sys.executable, "-c", TWO, str(tmp_path / "cache" / "a.safetensors")]
    processes = [subprocess.Popen(start, env=environment(), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=100)[1] for process in processes]
    assert ([process.returncode for process in processes], said) == ([0, 0], ["", ""])
