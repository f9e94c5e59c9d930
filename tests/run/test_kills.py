"""A study whose runner, workers and fork server are ended at random moments and in many ways, until it is done.

Twenty-five kills over twelve cells, a few minutes; ``TUNEBENCH_KILLS`` in the environment is another number of them,
and ``TUNEBENCH_KILLS_SEED`` draws other moments.
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
from tests.support import (
    COMMAND,
    TEST_ROWS,
    TRAIN_ROWS,
    command,
    environment,
    lives,
    small_study,
    wait_for,
    write_study,
    write_texts,
)

KILLS = int(os.environ.get("TUNEBENCH_KILLS", "25"))
RNG_SEED = int(os.environ.get("TUNEBENCH_KILLS_SEED", "20"))
SEEDS = list(range(6))
START_SECONDS, CELL_SECONDS, DRAWING_SECONDS = 6.0, 2.0, 3.0
#: Of the runner's ends, those that wait for a cell to have begun; all others do.
AMID_CELLS = 0.5
#: Who is struck in turn, and by which signals, the last of which ends it. SIGKILL is how the kernel ends a process for
#: want of memory too.
STRIKES = (
    ("worker", signal.SIGKILL), ("runner", signal.SIGKILL), ("worker", signal.SIGTERM), ("server", signal.SIGKILL),
    ("worker", signal.SIGSTOP, signal.SIGKILL), ("runner", signal.SIGTERM), ("worker", signal.SIGKILL),
    ("runner", signal.SIGINT), ("server", signal.SIGSTOP, signal.SIGKILL), ("runner", signal.SIGSTOP, signal.SIGKILL),
)  # fmt: skip
#: A runner's exit codes: done, with failed cells, interrupted, or by one of the signals, told by the runner or not.
ENDS = {0, 1, 130, 143, 129, 137, -signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGKILL}


class Study:
    """A study in a folder of its own, run by the command, and what was seen of it between kills."""

    def __init__(self, folder: Path, encoder: Path, name: str) -> None:
        content = small_study(encoder, folder / "reviews", methods=["full_ft", "bitfit"], seeds=SEEDS)
        study = write_study(folder / f"{name}.toml", content)
        self.folder = folder
        self.reports = folder / f"reports_{name}" / "small"
        self.runs = RunFolder(folder / f"runs_{name}" / "small")
        self.arguments = ("run", study, "--runs", self.runs.path.parent, "--reports", self.reports.parent)
        self.finished: dict[str, Any] = {}
        self.started = 0.0

    def start(self) -> subprocess.Popen[bytes]:
        self.started = time.time()
        return subprocess.Popen(
            [*COMMAND, *map(str, self.arguments)], cwd=self.folder, env=environment(), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def cell_runs(self) -> bool:
        """A worker of this run, and not of one that was killed, has said where it is."""
        for path in self.runs.cells.glob("*/progress.json"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime >= self.started:
                    return True
        return False

    def is_measured(self) -> bool:
        """Every cell has a record of its own."""
        return len(self.finished) == 2 * len(SEEDS)

    def settled(self) -> dict[str, Any]:
        """What of the cells and their report no load of the machine can change."""
        fields = ("cell", "status", "parameters", "flops", "quality", "data")
        cells = {cell_id: [record[field] for field in fields] for cell_id, record in self.finished.items()}
        told = {
            path.parent.name: path.read_bytes() for path in self.runs.cells.glob("*/predictions.jsonl")
        }  # fmt: skip
        tables = {path.name: path.read_bytes() for path in self.reports.glob("table[12].csv")}
        files = sorted(str(path.relative_to(self.reports)) for path in self.reports.rglob("*"))
        return {"cells": cells, "predictions": told, "tables": tables, "files": files}

    def look(self) -> None:
        """Every record there is can be read, and those of finished cells are what they were."""
        seen = {}
        for path in self.runs.cells.glob("*/record.json"):
            content = path.read_bytes()
            record = read_record(path)
            assert record is not None
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


def family_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def victim(kind: str, family: list[psutil.Process]) -> psutil.Process | None:
    """The newest worker, which leads a session and is no child of the runner; or the server that it was forked from."""
    workers = [process for process in family if lives(process) and process.parent() in family]
    if not workers:
        return None
    newest = max(workers, key=lambda process: process.create_time())
    return newest if kind == "worker" else newest.parent()


def strike(who: str, signals: Sequence[int], process: subprocess.Popen[bytes]) -> str:
    """Strike who is meant, or the runner where that is not there; after a runner, nothing that it started lives on."""
    family = family_of(process)
    target = victim(who, family) if who != "runner" else None
    if target is not None:
        with suppress(psutil.NoSuchProcess):
            for number in signals:
                target.send_signal(number)
        return who
    for number in signals:
        os.kill(process.pid, number)
    process.wait(60)
    assert process.returncode in ENDS
    assert wait_for(lambda: not any(map(lives, family)), 30), [each for each in family if lives(each)]
    return "runner"


def wait_for_a_moment(study: Study, process: subprocess.Popen[bytes], who: str, rng: random.Random) -> None:
    """A random moment: amid a cell, amid the start, or amid the drawing of a study that is measured."""
    if study.is_measured():
        wait_for(lambda: process.poll() is not None or bool(family_of(process)), 60)
        time.sleep(rng.uniform(0, DRAWING_SECONDS))
    elif who != "runner" or rng.random() < AMID_CELLS:
        wait_for(lambda: study.cell_runs() or process.poll() is not None, 60)
        time.sleep(rng.uniform(0, CELL_SECONDS))
    else:
        time.sleep(rng.uniform(0, START_SECONDS))


@pytest.mark.slow
@pytest.mark.timeout(300 + 30 * KILLS)
def test_no_kill_loses_or_doubles_a_cell_or_leaves_anything(tiny_encoder: Path, tmp_path: Path) -> None:
    write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    rng = random.Random(RNG_SEED)
    print(f"TUNEBENCH_KILLS={KILLS} TUNEBENCH_KILLS_SEED={RNG_SEED}")
    study, calm = Study(tmp_path, tiny_encoder, "struck"), Study(tmp_path, tiny_encoder, "calm")
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
    for each in (study, calm):
        each.look()
        done = command(*each.arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        each.look()
        assert each.is_measured()
    left = {str(path.relative_to(study.runs.path)) for path in study.runs.path.rglob("*")}
    assert left == {str(path.relative_to(calm.runs.path)) for path in calm.runs.path.rglob("*")}
    assert study.settled() == calm.settled()
    done = command(*study.arguments, cwd=tmp_path)
    assert f"0 cells to measure, {len(study.finished)} finished before" in done.stdout
