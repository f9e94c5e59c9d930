"""Real processes that go wrong: each is one row with its status, and the study goes on."""

import json
import os
import signal
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from bench.record.run_folder import RunFolder
from tests.run.bench import Bench, family_of, lives
from tests.support import TEST_ROWS, environment, records, wait_for, write_texts

#: Long enough that a batch of all of them takes some 1.5 GB.
LONG_ROWS = [(f"{word} film " * 70, label) for word, label in (("good", 1), ("bad", 0)) for _ in range(275)]
#: Of the C library's matcher, which holds the interpreter for longer than any test waits.
HOLDS_THE_INTERPRETER = "import re; re.match(r'(a+)+$', 'a' * 60 + 'b')"


@pytest.fixture
def bench(tiny_encoder: Path, tmp_path: Path) -> Bench:
    return Bench(tmp_path, tiny_encoder)


def number_in(path: Path) -> int:
    return int(path.read_text())


@pytest.mark.slow
def test_each_disaster_is_one_row_and_the_study_goes_on(bench: Bench) -> None:
    child = bench.folder / "child"
    disasters = {
        "raises": "raise RuntimeError('cannot adapt')", "exits": "os._exit(3)", "aborts": "os.abort()",
        "dies": "os.kill(os.getpid(), signal.SIGKILL)", "hangs": "time.sleep(600)",
        "grows": "held = [bytes(10**8) for _ in range(100)]",
        "leaks": f"import subprocess; Path({str(child)!r}).write_text(str(subprocess.Popen(['sleep', '1000']).pid))",
        "thrives": "print('said by the plugin')",
        "loses": f"Path({str(bench.texts / 'test.jsonl')!r}).unlink(missing_ok=True)", "misses": "pass",
    }  # fmt: skip
    for name, adapt in disasters.items():
        bench.plugin(name, adapt)
    limits = {"cell_timeout_seconds": 15, "cell_memory_bytes": 2_000_000_000}
    done = bench.run(methods=list(disasters), limits=limits)
    assert done.returncode == 1, done.stdout + done.stderr

    found = records(bench.folder / "runs" / "small")
    rows = {name: found[f"{name}/0"] for name in disasters}
    outcomes = {name: (row["status"], (row["failure"] or {}).get("type")) for name, row in rows.items()}
    assert outcomes == {
        "raises": ("error", "RuntimeError"),
        "exits": ("error", "exit code 3"),
        "aborts": ("killed", "signal 6"),
        "dies": ("killed", "signal 9"),
        "hangs": ("timeout", "TimeLimit"),
        "grows": ("oom", "MemoryError"),
        "leaks": ("ok", None),
        "thrives": ("ok", None),
        "loses": ("ok", None),
        "misses": ("error", "DataError"),
    }
    phases = {name: row["failure"]["phase"] for name, row in rows.items() if row["failure"]}
    assert phases == dict.fromkeys(phases, "adapt") | {"misses": "load"}
    starts = [row["worker_start_seconds"] for row in rows.values() if row["worker_start_seconds"] is not None]
    assert statistics.median(starts) < 1.0, "the fork server is warm: its first job was the check of the methods"
    assert rows["grows"]["failure"]["message"].startswith("out of memory in adapt; the memory of adapt does not")
    assert not lives(number_in(child)), "what a plugin leaves running ends with its cell"
    assert len(bench.table()) == 1 + len(disasters)

    cell = RunFolder(bench.folder / "runs" / "small").cell(rows["thrives"]["cell_id"])
    assert cell.stdout.read_text().startswith("said by the plugin")
    raised = RunFolder(bench.folder / "runs" / "small").cell(rows["raises"]["cell_id"])
    assert "cannot adapt" in raised.stderr.read_text()
    write_texts(bench.texts, test=TEST_ROWS)
    replayed = subprocess.run(["sh", cell.replay], cwd="/", env=environment(), capture_output=True, check=False)
    assert replayed.returncode == 0, replayed.stderr
    assert (cell.path / "replay" / "predictions.jsonl").read_bytes() == cell.predictions.read_bytes()


@pytest.mark.slow
def test_nothing_outlives_a_runner_that_is_killed_amid_native_code(bench: Bench) -> None:
    child = bench.folder / "child"
    start = f"import subprocess; Path({str(child)!r}).write_text(str(subprocess.Popen(['sleep', '1000']).pid))"
    bench.plugin("stuck", f"{start}; {HOLDS_THE_INTERPRETER}")
    silent = subprocess.DEVNULL
    runner = bench.start(*bench.arguments(methods=["stuck"]), stdout=silent, stderr=silent)
    try:
        assert wait_for(lambda: child.exists() and child.read_text() != "", 120)
        time.sleep(0.2)  # until the matcher has begun
        family = family_of(runner.pid)
        assert len(family) >= 5, "a resource tracker, a guard, a fork server, a worker, and what it started"
    finally:
        os.kill(runner.pid, signal.SIGKILL)
        runner.wait()
    assert wait_for(lambda: not any(map(lives, [*family, number_in(child)])), 5)


@pytest.mark.slow
def test_a_cell_that_ran_out_of_memory_is_run_at_the_batch_that_fits(bench: Bench) -> None:
    write_texts(bench.texts, train=LONG_ROWS)
    train = {"epochs": 1, "max_steps": 2, "batch_size": 512, "precision": "fp32", "timing_warmup_steps": 1}
    study = {"train": train, "data": {"max_length": 128}, "limits": {"cell_memory_bytes": 900_000_000}}
    done = bench.run(**study)
    assert done.returncode == 1, done.stdout + done.stderr
    (row,) = records(bench.folder / "runs" / "small").values()
    failure = row["failure"]
    assert (row["status"], failure["phase"]) == ("oom", "warm-up")
    fitting = failure["fitting_batch_size"]
    assert 32 < fitting < 512
    assert f"at batch 512; the plan says that batch {fitting} fits" in failure["message"]
    assert "DefaultCPUAllocator" in failure["message"]

    done = bench.run("--retry", "oom", **study)
    assert done.returncode == 0, done.stdout + done.stderr
    (again,) = records(bench.folder / "runs" / "small").values()
    assert again["status"] == "ok"
    assert again["cell_id"] == row["cell_id"]
    assert (again["study_batch_size"], again["cell"]["train"]["batch_size"]) == (512, fitting)
    assert f"512 ran out of memory; measured with {fitting}" in "\n".join(bench.table())


WRITES_TOO_MUCH = """
    def save(self, model, folder):
        (folder / "large").write_bytes(bytes(10**7))
"""
FILLS_THE_DISK = """
    def save(self, model, folder):
        try:
            (folder.parents[2] / "filler").write_bytes(bytes(10**7))
        except OSError:
            pass
"""


@pytest.mark.slow
class TestFullDisk:
    def test_a_cell_that_fills_it_is_a_row_and_the_next_one_has_room(self, bench: Bench, small_disk: Path) -> None:
        bench.plugin("greedy", "pass", WRITES_TOO_MUCH)
        bench.plugin("modest", "pass")
        done = bench.run(methods=["greedy", "modest"], runs=str(small_disk))
        assert done.returncode == 1, done.stdout + done.stderr
        found = records(small_disk / "small")
        assert {name: row["status"] for name, row in found.items()} == {"greedy/0": "error", "modest/0": "ok"}
        failure = found["greedy/0"]["failure"]
        assert failure["type"] == "DiskFull" or "No space left" in failure["message"]
        assert not list(small_disk.rglob("large")), "what filled it is of no use"
        assert len(bench.table()) == 3

    def test_one_that_stays_full_stops_the_study_and_says_so(self, bench: Bench, small_disk: Path) -> None:
        bench.plugin("first", "pass")
        bench.plugin("fills", "pass", FILLS_THE_DISK)
        methods = ["first", "fills", "bitfit", "full_ft"]
        done = bench.run(methods=methods, runs=str(small_disk), seeds=[0, 1, 2, 3])
        assert done.returncode == 1, done.stdout + done.stderr
        assert "No space left on device" in done.stderr
        assert "finished cells are kept: make room, then run the same command again" in done.stderr
        for path in small_disk.rglob("record.json"):
            json.loads(path.read_text(encoding="utf-8"))
        found = records(small_disk / "small")
        assert found["first/0"]["status"] == "ok"
        assert len(bench.table()) == 1 + len({name.split("/")[0] for name in found}), "the rest is shown all the same"
        assert not (small_disk / "small" / ".reserve").exists()

        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        kept = RunFolder(small_disk / "small").cell(found["first/0"]["cell_id"]).record.read_bytes()
        bench.plugins[1].unlink()
        bench.plugins.pop()
        done = bench.run(methods=["first", "bitfit"], runs=str(small_disk))
        assert done.returncode == 0, done.stdout + done.stderr
        assert RunFolder(small_disk / "small").cell(found["first/0"]["cell_id"]).record.read_bytes() == kept
