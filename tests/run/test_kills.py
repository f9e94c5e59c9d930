"""Studies whose runner, workers and fork server are ended at random moments and in many ways, until they are done.

Twenty-five kills over eight cells; ``TUNEBENCH_KILLS`` in the environment is another number of them, and
``TUNEBENCH_KILLS_SEED`` draws other moments.
"""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.record.run_folder import RunFolder, read_record
from tests.known import known
from tests.run.bench import Bench, family_of, lives
from tests.support import command, wait_for

KILLS = int(os.environ.get("TUNEBENCH_KILLS", "25"))
RNG_SEED = int(os.environ.get("TUNEBENCH_KILLS_SEED", "20"))
PLAIN: dict[str, Any] = {"methods": ["full_ft", "bitfit"], "seeds": [0, 1, 2, 3]}
SPACE = {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}
SEARCHED: dict[str, Any] = {
    "methods": ["full_ft", "bitfit"], "seeds": [0],
    "tune": {"trials": 5, "spaces": {"full_ft": SPACE, "bitfit": SPACE}},
}  # fmt: skip
START_SECONDS, CELL_SECONDS, DRAWING_SECONDS = 4.0, 1.5, 1.5
#: The share of the runner's ends that wait for a cell to have begun.
AMID_CELLS = 0.5
#: Who is struck in turn, and by which signals, the last of which ends it. SIGKILL is how the kernel ends a process for
#: want of memory too. Most are workers: a runner or a server that is struck imports its libraries again.
STRIKES = (
    ("worker", signal.SIGKILL), ("worker", signal.SIGTERM), ("runner", signal.SIGKILL), ("worker", signal.SIGKILL),
    ("worker", signal.SIGSTOP, signal.SIGKILL), ("worker", signal.SIGTERM), ("server", signal.SIGKILL),
    ("worker", signal.SIGKILL), ("runner", signal.SIGTERM), ("worker", signal.SIGSTOP, signal.SIGKILL),
    ("worker", signal.SIGKILL), ("server", signal.SIGSTOP, signal.SIGKILL), ("worker", signal.SIGTERM),
    ("runner", signal.SIGINT), ("worker", signal.SIGKILL), ("runner", signal.SIGSTOP, signal.SIGKILL),
)  # fmt: skip
#: A runner's exit codes: done, with failed cells, interrupted, or by one of the signals, told by the runner or not.
ENDS = {0, 1, 130, 143, 129, 137, -signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGKILL}


class Study:
    """A study run by the command, and what was seen of it between kills."""

    def __init__(self, bench: Bench, name: str, changes: dict[str, Any], cells: int) -> None:
        self.bench, self.cells = bench, cells
        self.arguments = bench.arguments("--reports", f"reports_{name}", runs=f"runs_{name}", **changes)
        self.runs = RunFolder(bench.folder / f"runs_{name}" / "small")
        self.reports = bench.folder / f"reports_{name}" / "small"
        self.finished: dict[str, Any] = {}
        self.started = 0.0

    def start(self) -> subprocess.Popen[str]:
        self.started = time.time()
        return self.bench.start(*self.arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def finish(self) -> str:
        """Run it to its end; returns what was printed."""
        done = command(*self.arguments, cwd=self.bench.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        self.look()
        assert self.is_measured()
        return done.stdout

    def cell_runs(self) -> bool:
        """A worker of this run, and not of one that was killed, has said where it is."""
        for path in self.runs.cells.glob("*/progress.json"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime >= self.started:
                    return True
        return False

    def is_measured(self) -> bool:
        """Every cell has a record of its own."""
        return len(self.finished) == self.cells

    def settled(self) -> dict[str, Any]:
        """What of the cells and their report no load of the machine can change."""
        fields = ("cell", "status", "parameters", "flops", "quality", "data")
        cells = {cell_id: [record[field] for field in fields] for cell_id, record in self.finished.items()}
        told = {path.parent.name: path.read_bytes() for path in self.runs.cells.glob("*/predictions.jsonl")}
        tables = {path.name: path.read_bytes() for path in self.reports.glob("table[12].csv")}
        left = [
            sorted(str(path.relative_to(root)) for path in root.rglob("*")) for root in (self.runs.path, self.reports)
        ]
        return {"cells": cells, "predictions": told, "tables": tables, "files": left}

    def look(self) -> None:
        """Every record there is can be read, and those of finished cells are what they were."""
        seen = {}
        for path in self.runs.cells.glob("*/record.json"):
            content = path.read_bytes()
            record = known(read_record(path))
            assert record.cell_id == path.parent.name
            if record.status == "ok":
                seen[record.cell_id] = without_clock(content)
        kept = {cell_id: seen.get(cell_id) for cell_id in self.finished}
        assert kept == self.finished, "a finished cell was lost or measured again"
        self.finished = seen


def without_clock(content: bytes) -> Any:
    """A record without the check that the runner adds once the worker has written it."""
    record = json.loads(content)
    record["checks"] = [check for check in record["checks"] if check["name"] != "clock"]
    return record


def victim(kind: str, family: list[int]) -> int | None:
    """The newest worker, which is no child of the runner; or the server that it was forked from."""
    workers = []
    for each in family:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(each)
            if lives(each) and process.ppid() in family:
                workers.append((process.create_time(), each, process.ppid()))
    if not workers:
        return None
    _, newest, server = max(workers)
    return newest if kind == "worker" else server


def strike(who: str, signals: Sequence[int], process: subprocess.Popen[str]) -> str:
    """Strike who is meant, or the runner where that is not there; after a runner, nothing that it started lives on."""
    family = family_of(process.pid)
    target = victim(who, family) if who != "runner" else None
    with suppress(ProcessLookupError):
        for number in signals:
            os.kill(target or process.pid, number)
    if target is not None:
        return who
    process.wait(60)
    assert process.returncode in ENDS
    assert wait_for(lambda: not any(map(lives, family)), 30), [each for each in family if lives(each)]
    return "runner"


def wait_for_a_moment(study: Study, process: subprocess.Popen[str], who: str, rng: random.Random) -> None:
    """A random moment: amid a cell, amid the start, or amid the drawing of a study that is measured."""
    if study.is_measured():
        wait_for(lambda: process.poll() is not None or bool(family_of(process.pid)), 60)
        time.sleep(rng.uniform(0, DRAWING_SECONDS))
    elif who != "runner" or rng.random() < AMID_CELLS:
        wait_for(lambda: study.cell_runs() or process.poll() is not None, 60)
        time.sleep(rng.uniform(0, CELL_SECONDS))
    else:
        time.sleep(rng.uniform(0, START_SECONDS))


@pytest.mark.slow
@pytest.mark.timeout(300 + 30 * KILLS)
@pytest.mark.parametrize(
    ("changes", "cells", "at_the_end"),
    [(PLAIN, 8, 8), (SEARCHED, 10 + 2, 2)],
    ids=["a plain study", "a study with a search"],
)
def test_no_kill_loses_or_doubles_a_cell_or_leaves_anything(
    tiny_encoder: Path, tmp_path: Path, changes: dict[str, Any], cells: int, at_the_end: int
) -> None:
    rng = random.Random(RNG_SEED)
    print(f"TUNEBENCH_KILLS={KILLS} TUNEBENCH_KILLS_SEED={RNG_SEED}")
    bench = Bench(tmp_path, tiny_encoder)
    study, calm = Study(bench, "struck", changes, cells), Study(bench, "calm", changes, cells)
    struck: Counter[str] = Counter()
    process = study.start()
    try:
        while struck.total() < KILLS:
            who, *signals = STRIKES[struck.total() % len(STRIKES)]
            wait_for_a_moment(study, process, who, rng)
            if process.poll() is None:
                struck[f"{strike(who, signals, process)} {signals[-1].name}"] += 1
            study.look()
            if process.poll() is not None:
                assert process.returncode in ENDS
                process = study.start()
    finally:
        if process.poll() is None:
            strike("runner", [signal.SIGKILL], process)
    print(f"struck {dict(struck)}")
    study.look()
    study.finish()
    calm.finish()
    found, wanted = study.settled(), calm.settled()
    for ours, others in zip(found.pop("files"), wanted.pop("files"), strict=True):
        assert set(ours) ^ set(others) == set()
    assert found == wanted
    assert f"0 cells to measure, {at_the_end} finished before" in study.finish()
