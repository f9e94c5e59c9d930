"""``tunebench ratios`` as its users type it: wrong requests, two tiny methods, and no process left behind."""

import csv
import io
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.run.bench import Bench, family_of, lives
from tests.support import command, refused, wait_for

METHODS = ["full_ft", "bitfit"]
SHORT = ("--seconds", "20", "--within", "30")


@pytest.fixture
def bench(tmp_path: Path, tiny_encoder: Path) -> Bench:
    return Bench(tmp_path, tiny_encoder)


def arguments(bench: Bench, *more: object, **changes: Any) -> list[str]:
    """Those of ``tunebench ratios`` for the small study."""
    study, *options = bench.arguments(**changes)[1:]
    plugins = options[: options.index("--runs")]
    return ["ratios", study, *plugins, *map(str, more)]


class TestWrongRequests:
    @pytest.mark.parametrize(
        ("more", "said"),
        [
            (["--seconds", "0"], "--seconds must be a number above 0, got 0"),
            (["--seconds", "nan"], "--seconds must be a number above 0, got nan"),
            (["--within", "0"], "--within must be above 0 and below 100 percent, got 0"),
            (["--only", "methods=bitfit"], "unknown key of --only 'methods'"),
        ],
    )
    def test_told_at_once(self, bench: Bench, more: list[str], said: str) -> None:
        refused(command(*arguments(bench, *more, methods=METHODS), cwd=bench.folder), said)
        assert not (bench.folder / "runs").exists()

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("more", "methods", "said"),
        [
            ([], ["full_ft"], "a ratio needs two methods"),
            (["--only", "method=bitfit"], METHODS, "a ratio needs two methods"),
            (["--only", "dataset=imdb"], METHODS, "unknown dataset in --only 'imdb'"),
            (["--reference", "bitfot"], METHODS, "unknown method in --reference 'bitfot'; did you mean 'bitfit'?"),
        ],
    )
    def test_told_before_anything_is_measured(
        self, bench: Bench, more: list[str], methods: list[str], said: str
    ) -> None:
        refused(command(*arguments(bench, *more, methods=methods), cwd=bench.folder), said)
        assert not (bench.folder / "runs").exists()

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        refused(command("ratios", "none.jsonl", cwd=tmp_path), "none.jsonl is not a measurement of ratios")


@pytest.mark.slow
def test_two_methods_and_one_that_fails(bench: Bench) -> None:
    bench.plugin("breaks", "raise UnsupportedError('not this model')")
    done = command(*arguments(bench, *SHORT, "--format", "csv", methods=METHODS), cwd=bench.folder)
    assert done.returncode == 1, done.stderr
    rows = {row["method_name"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert list(rows) == [*METHODS, "breaks"]
    assert rows["full_ft"]["training_ratio"] == "1.0"
    for task in ("training", "inference"):
        assert 0.2 < float(rows["bitfit"][f"{task}_ratio"]) < 5
        assert int(rows["bitfit"][f"{task}_windows"]) >= 16
        assert rows["breaks"][f"{task}_why_not"].startswith("unsupported in adapt: ")
    again = command("ratios", "runs/small/ratios.jsonl", "--format", "csv", cwd=bench.folder)
    assert (again.returncode, again.stdout) == (1, done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_command(bench: Bench, number: int) -> None:
    process = bench.start(
        *arguments(bench, "--seconds", 600, "--within", 1e-6, methods=METHODS), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    windows = bench.folder / "runs/small/ratios.jsonl"
    assert wait_for(lambda: windows.exists() and '"window"' in windows.read_text(encoding="utf-8"), 120)
    family = family_of(process.pid)
    assert len(family) >= 3, "the server and two residents"
    os.kill(process.pid, number)
    process.wait(60)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert wait_for(lambda: not any(map(lives, family)), 30), [each for each in family if lives(each)]


@pytest.mark.slow
def test_a_method_that_is_killed_is_a_row(bench: Bench) -> None:
    bench.plugin(
        "dies",
        extra="""
    def after_step(self, model, step):
        if step == 30:
            os.kill(os.getpid(), signal.SIGKILL)
""",
    )
    done = command(*arguments(bench, *SHORT, "--format", "csv", methods=METHODS), cwd=bench.folder)
    rows = {row["method_name"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert done.returncode == 1, done.stderr
    assert rows["dies"]["training_why_not"].startswith("killed in ")
    assert float(rows["bitfit"]["inference_ratio"]) > 0
