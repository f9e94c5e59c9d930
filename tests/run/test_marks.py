"""Marks of phases: what the kernel's dates of them say, held against what a worker says."""

import os
from pathlib import Path

import pytest

from bench.record.record import Phase, PhaseName, Record
from bench.run import marks
from bench.run.marks import UNCOMPARED, Marks, Watch
from tests.report.conftest import _record

START_NS = 1_700_000_000_123_456_789


def phase(name: PhaseName, seconds: float) -> Phase:
    return Phase(
        name=name, seconds=seconds, peak_host_bytes=None, peak_cuda_allocated_bytes=None,
        peak_cuda_reserved_bytes=None, gpu_busy_fraction=None,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Marks of a load of 1 s, nothing for 0.5 s, and a training of 10 s with a validation of 4 s amid it."""
    made = Marks(tmp_path / "marks")
    spent: list[tuple[PhaseName | None, float]] = [
        ("load", 1.0), (None, 0.5), ("train", 3.0), ("validate", 4.0), ("train", 7.0), (None, 0.0)
    ]  # fmt: skip
    at = START_NS
    for number, (name, seconds) in enumerate(spent, start=1):
        made.enter(name)
        os.utime(tmp_path / "marks" / f"{number:06d}.{name or 'outside'}", ns=(at, at))
        at += round(seconds * 1e9)
    return tmp_path / "marks"


TRUE = (phase("load", 1.0), phase("train", 10.0), phase("validate", 4.0))


def test_the_dates_add_up_by_phase(folder: Path) -> None:
    assert marks.read(folder) == pytest.approx({"load": 1.0, "outside": 0.5, "train": 10.0, "validate": 4.0})


def test_dates_of_whole_seconds_tell_nothing(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, ns=(10**18, 10**18))
    assert marks.read(folder) is None
    assert marks.read(folder / "missing") is None


class Parent:
    """A parent's clocks, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.ahead = 100.0, 1e9
        monkeypatch.setattr(marks, "monotonic_seconds", lambda: self.now)
        monkeypatch.setattr(marks, "date_ahead_seconds", lambda: self.ahead)


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> Parent:
    return Parent(monkeypatch)


def told(*phases: Phase, wall: float = 15.5) -> Record:
    fields = {"phases": phases, "wall_seconds": wall, "worker_start_seconds": 0.1, "checks": [UNCOMPARED]}
    return _record(fields=fields)


@pytest.mark.parametrize(
    ("factors", "verdict", "named"),
    [
        ((1, 1, 1), "valid", ""),
        ((1.7, 1.7, 1.7), "suspect", "train: 17.00 s by the worker's clock, 10.00 s by the kernel's"),
        ((1 / 1.7,) * 3, "suspect", "train: 5.88 s by the worker's clock, 10.00 s by the kernel's"),
        ((1, 1 / 1.05, 1), "suspect", "train: 9.52 s"),  # the timed phase alone
        ((1, 1, 1.1), "suspect", "validate: 4.40 s"),
        ((1, 1.01, 1), "valid", "train: 10.10 s"),
    ],
)
def test_a_clock_that_is_scaled_is_found_in_its_phase(
    factors: tuple[float, float, float], verdict: str, named: str, folder: Path, parent: Parent
) -> None:
    watch = Watch.start()
    parent.now += 16
    phases = [phase(each.name, each.seconds * factor) for each, factor in zip(TRUE, factors, strict=True)]
    (check,) = marks.with_check(told(*phases), watch.check(told(*phases), folder)).checks
    assert (check.name, check.verdict) == ("clock", verdict)
    assert named in check.found
    assert not folder.exists()


def test_a_phase_that_the_record_leaves_out_is_found(folder: Path, parent: Parent) -> None:
    check = Watch.start().check(told(TRUE[0], TRUE[1]), folder)
    assert check.verdict == "suspect"
    assert "validate: 0.00 s" in check.found


@pytest.mark.parametrize(("wall", "verdict"), [(15.5, "valid"), (13.9, "valid"), (9.1, "suspect"), (26.0, "suspect")])
def test_without_marks_the_whole_is_compared(wall: float, verdict: str, tmp_path: Path, parent: Parent) -> None:
    watch = Watch.start()
    parent.now += 16
    check = watch.check(told(*TRUE, wall=wall), tmp_path / "missing")
    assert check.verdict == verdict
    assert "phases were not compared" in check.found


@pytest.mark.parametrize("moved", [-3600.0, 3600.0, 1.0])
def test_dates_are_not_believed_where_the_date_was_set(moved: float, folder: Path, parent: Parent) -> None:
    """By an hour back, say: the files' dates are then an hour off, and the worker is right."""
    os.utime(max(folder.iterdir()), ns=(START_NS + round((15.5 + moved) * 1e9),) * 2)
    watch = Watch.start()
    parent.now, parent.ahead = parent.now + 16, parent.ahead + moved
    check = watch.check(told(*TRUE), folder)
    assert check.verdict == "valid"
    assert "phases were not compared" in check.found


def test_a_failed_cell_has_no_stamp() -> None:
    failed = _record("error")
    assert marks.with_check(failed, UNCOMPARED) == failed


def test_files_that_a_method_puts_there_are_no_phases(folder: Path, parent: Parent) -> None:
    for name in ("\x1b[31m" * 40, "zzz", "000003.unheard of"):
        (folder / name).touch()
        os.utime(folder / name, ns=(START_NS, START_NS))
    check = Watch.start().check(told(*TRUE), folder)
    assert check.verdict == "valid"
    assert check.found.startswith(("load: ", "train: ", "validate: "))
    (folder.parent / "empty").mkdir()
    assert marks.read(folder.parent / "empty") is None
