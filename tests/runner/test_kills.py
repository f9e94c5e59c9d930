"""A study whose runner, workers and fork server are killed at random moments, again and again, until it is done.

Three kills over two cells, about 30 s; with ``TUNEBENCH_KILLS=50`` in the environment fifty over twelve.
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bench.store import RunFolder, read_record
from tests.support import (
    COMMAND,
    TEST_ROWS,
    TRAIN_ROWS,
    command,
    environment,
    small_study,
    wait_for,
    write_study,
    write_texts,
)

KILLS = int(os.environ.get("TUNEBENCH_KILLS", "3"))
SEEDS = list(range(6 if KILLS >= 50 else 1))
RNG_SEED = 20
START_SECONDS, CELL_SECONDS = 6.0, 4.0
#: Of the runner's kills, those that wait for a cell to have begun; all others do.
AMID_CELLS = 0.5


class Study:
    """A study in a folder of its own, run by the command, and what was seen of it between kills."""

    def __init__(self, folder: Path, encoder: Path, number: int) -> None:
        content = small_study(encoder, folder / "reviews", methods=["full_ft", "bitfit"], seeds=SEEDS)
        study = write_study(folder / f"small{number}.toml", content)
        self.folder = folder
        self.arguments = ("run", study, "--runs", folder / f"runs{number}")
        self.runs = RunFolder(folder / f"runs{number}" / "small")
        self.finished: dict[str, bytes] = {}
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

    def look(self) -> None:
        """Every record there is can be read, and those of finished cells are what they were."""
        seen = {}
        for path in self.runs.cells.glob("*/record.json"):
            content = path.read_bytes()
            record = read_record(path)
            assert record is not None
            assert record.cell_id == path.parent.name
            if record.status == "ok":
                seen[record.cell_id] = content
        kept = {cell_id: seen.get(cell_id) for cell_id in self.finished}
        assert kept == self.finished, "a finished cell was lost or measured again"
        self.finished = seen


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


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


def strike(kind: str, process: subprocess.Popen[bytes]) -> str:
    """Kill what is meant, or the runner where that is not there; after a runner, nothing that it started lives on."""
    family = family_of(process)
    target = victim(kind, family) if kind != "runner" else None
    if target is not None:
        target.kill()
        return kind
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert wait_for(lambda: not any(map(lives, family)), 5), [each for each in family if lives(each)]
    return "runner"


@pytest.mark.slow
@pytest.mark.timeout(60 + 30 * KILLS)
def test_no_kill_loses_a_finished_cell_or_leaves_a_process(tiny_encoder: Path, tmp_path: Path) -> None:
    write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    rng = random.Random(RNG_SEED)
    studies = [Study(tmp_path, tiny_encoder, 0)]
    struck: Counter[str] = Counter()
    process = studies[-1].start()
    try:
        while struck.total() < KILLS:
            study = studies[-1]
            kind = ("runner", "worker", "runner", "worker", "server")[struck.total() % 5]
            if kind != "runner" or rng.random() < AMID_CELLS:
                wait_for(lambda process=process, study=study: study.cell_runs() or process.poll() is not None, 60)  # type: ignore[misc]
                time.sleep(rng.uniform(0, CELL_SECONDS))
            else:
                time.sleep(rng.uniform(0, START_SECONDS))
            if process.poll() is None:
                struck[strike(kind, process)] += 1
            study.look()
            if process.poll() is not None:
                if process.returncode == 0:  # done before all kills were: another of its kind
                    studies.append(Study(tmp_path, tiny_encoder, len(studies)))
                process = studies[-1].start()
    finally:
        if process.poll() is None:
            strike("runner", process)
    print(f"struck {dict(struck)} in {len(studies)} studies")
    for study in studies:
        study.look()
        done = command(*study.arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        study.look()
        assert len(study.finished) == 2 * len(SEEDS)
        left = {path.name for path in study.runs.path.rglob("*")}
        assert {name for name in left if name.startswith(".record") or name in ("jobs", "earlier", ".reserve")} == set()
        done = command(*study.arguments, cwd=tmp_path)
        assert f"0 cells to measure, {len(study.finished)} finished before" in done.stdout
