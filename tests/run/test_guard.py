"""The guard: what the runner started ends with the runner, however that ends."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.run.guard import Guard, end_group, watched_at_end
from tests.known import known
from tests.run.bench import lives
from tests.support import wait_for

#: A process in a group of its own with a child; it prints the child's number, then both sleep.
FAMILY = "import subprocess; print(subprocess.Popen(['sleep', '1000']).pid, flush=True); import time; time.sleep(1000)"


@pytest.mark.parametrize(
    ("lines", "left"),
    [([], set()), ([b"+3\n", b"+5\n"], {3, 5}), ([b"+3\n", b"-3\n", b"+4\n"], {4}), ([b"-3\n"], set())],
)
def test_what_was_named_and_not_forgotten_is_left(lines: list[bytes], left: set[int]) -> None:
    assert watched_at_end(lines) == left


@pytest.fixture
def family() -> Iterator[tuple[subprocess.Popen[str], int]]:
    leader = subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, text=True, start_new_session=True
    )  # fmt: skip
    child = int(known(leader.stdout).readline())
    yield leader, child
    end_group(leader.pid)
    leader.communicate()


def ends(process_id: int, seconds: float = 10.0) -> bool:
    """Whether a process is soon gone, or a zombie that nobody has asked about."""
    return wait_for(lambda: not lives(process_id), seconds)


def test_a_group_ends_with_its_leader(family: tuple[subprocess.Popen[str], int]) -> None:
    leader, child = family
    assert not ends(child, 0.1)
    end_group(leader.pid)
    leader.communicate(timeout=10)
    assert leader.returncode == -signal.SIGKILL
    assert ends(child)
    end_group(leader.pid)  # of what is gone, nothing is said


def test_closing_ends_what_is_watched(family: tuple[subprocess.Popen[str], int]) -> None:
    leader, _ = family
    guard = Guard()
    guard.watch(leader.pid)
    guard.close()
    assert leader.wait(10) == -signal.SIGKILL


def test_what_was_forgotten_lives_on(family: tuple[subprocess.Popen[str], int]) -> None:
    leader, child = family
    guard = Guard()
    guard.watch(leader.pid)
    guard.forget(leader.pid)
    guard.close()
    assert leader.poll() is None
    assert not ends(child, 0.1)


def test_a_guard_that_was_killed_costs_nothing() -> None:
    guard = Guard()
    guard._process.kill()
    guard._process.wait()
    guard.watch(1)
    guard.close()


def test_a_runner_that_is_killed_takes_its_workers_along(family: tuple[subprocess.Popen[str], int]) -> None:
    leader, child = family
    start = f"from bench.run.guard import Guard; Guard().watch({leader.pid}); print('up', flush=True)"
    code = f"{start}; import time; time.sleep(1000)"
    runner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert known(runner.stdout).readline() == "up\n"
    runner.kill()
    runner.communicate()
    leader.communicate(timeout=10)
    assert leader.returncode == -signal.SIGKILL
    assert ends(child)
