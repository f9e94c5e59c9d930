"""Time and memory that the plan of the published study takes: 33 rows, on two cores."""

import os
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.support import COMMAND, children_cpu_seconds

#: The stated seconds hold on a quiet machine. Elsewhere the processor's time is held against what two cores have in
#: them, which a busy neighbour hardly changes.
QUIET = bool(os.environ.get("TUNEBENCH_QUIET"))
CORES = 2
SAMPLING_SECONDS = 0.25
HIGHEST_BYTES = 2 * 1024**3

pytestmark = pytest.mark.slow


def proportional_bytes(process: psutil.Process) -> int:
    """Memory of a process and its children, each shared page counted once."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_full_info().pss
        except psutil.Error:  # it has just ended
            continue
    return total


@pytest.mark.parametrize(("arguments", "most_seconds"), [(("--no-memory",), 15.0), ((), 60.0)], ids=["static", "all"])
def test_of_the_paper(benchmark, tmp_path: Path, arguments: tuple[str, ...], most_seconds: float) -> None:
    highest = 0

    def plan() -> float:
        nonlocal highest
        started = time.perf_counter()
        command = [*COMMAND, "plan", "paper", "--format", "csv", *arguments]
        running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while True:
            try:
                out, said = running.communicate(timeout=SAMPLING_SECONDS)
            except subprocess.TimeoutExpired:
                highest = max(highest, proportional_bytes(psutil.Process(running.pid)))
            else:
                break
        assert (running.returncode, said, len(out.splitlines())) == (0, "", 34)
        return time.perf_counter() - started

    before = children_cpu_seconds()
    seconds = benchmark.pedantic(plan, rounds=1)
    computed = children_cpu_seconds() - before
    benchmark.extra_info["highest_bytes"] = highest
    print(f"\nplan paper {' '.join(arguments)}: {seconds:.1f} s, {computed:.1f} s computed, {highest / 1e6:.0f} MB")
    assert 0 < highest <= HIGHEST_BYTES
    assert computed <= 1.5 * CORES * most_seconds, "a busy neighbour on the same core costs processor time too"
    assert seconds <= most_seconds or not QUIET
