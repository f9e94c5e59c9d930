"""Host memory limits, read from fake folders of /proc and of control groups of both versions."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.measure.host_limits import group_limit_bytes, host_limit, oom_kills

STATUS = "Name:\tx\nVmRSS:\t  200 kB\nVmData:\t  300 kB\nThreads:\t1\n"


class Machine:
    """A process and its control groups, as files."""

    def __init__(self, folder: Path) -> None:
        self.process, self.groups = folder / "proc", folder / "cgroup"
        self.process.mkdir()
        self.groups.mkdir()
        (self.process / "status").write_text(STATUS)

    def within(self, lines: str, **files: dict[str, str]) -> "Machine":
        (self.process / "cgroup").write_text(lines)
        for folder, contents in files.items():
            place = self.groups / folder.replace("__", "/").removesuffix("root")
            place.mkdir(parents=True, exist_ok=True)
            for name, text in contents.items():
                (place / name.replace("_", ".", 1)).write_text(text)
        return self

    @property
    def limit_bytes(self) -> int | None:
        return group_limit_bytes(self.process, self.groups)

    @property
    def kills(self) -> int | None:
        return oom_kills(self.process, self.groups)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


#: Lines of a process in control groups of version 1.
V1 = "4:cpu,memory:/job\n2:cpuacct:/other\n0::/\n"


class TestControlGroups:
    @pytest.mark.parametrize(
        ("lines", "groups", "limit", "kills"),
        [
            ("0::/user/job\n", {"user": {"memory_max": "5000\n"}, "user__job": {"memory_max": "7000\n"}}, 5000, None),
            ("0::/job\n", {"job": {"memory_max": "max\n"}}, None, None),
            (V1, {"memory__job": {"memory_limit_in_bytes": "9223372036854771712\n"}}, None, None),
            (V1, {"memory": {"memory_limit_in_bytes": "6000\n"}}, 6000, None),
            ("0::/docker/abc\n", {"root": {"memory_max": "4000\n", "memory_events": "oom 1\noom_kill 2\n"}}, 4000, 2),
            (V1, {"memory__job": {"memory_oom_control": "oom_kill_disable 0\noom_kill 3\n"}}, None, 3),
            ("0::/job\n", {"job": {"memory_events": "oom_kill 1\n"}, "root": {"memory_events": "oom_kill 9\n"}},
             None, 1),
        ],
        ids=["the lowest on the way up", "max is none", "version 1 states none as a very large one", "version 1",
             "a container sees its own group as the mount", "kills of version 1", "kills of the own group"],
    )  # fmt: skip
    def test_limits_and_kills(
        self, lines: str, groups: dict[str, dict[str, str]], limit: int | None, kills: int | None, machine: Machine
    ) -> None:
        machine.within(lines, **groups)
        assert (machine.limit_bytes, machine.kills) == (limit, kills)

    def test_a_machine_without_groups(self, machine: Machine) -> None:
        assert (machine.limit_bytes, machine.kills) == (None, None)


class TestHostLimit:
    def test_a_limit_of_data_is_held_against_data(self, machine: Machine) -> None:
        limit = host_limit(1_000_000, machine.process, machine.groups)
        assert (limit.bytes, limit.named, limit.base_bytes) == (1_000_000, "limits.cell_memory_bytes", 300 * 1024)

    def test_that_of_a_group_against_what_is_resident(self, machine: Machine) -> None:
        machine.within("0::/job\n", job={"memory_max": "900000\n"})
        limit = host_limit(2_000_000, machine.process, machine.groups)
        assert (limit.bytes, limit.base_bytes) == (900_000, 200 * 1024)
        assert "control group" in limit.named

    def test_the_machine_itself_is_one(self, machine: Machine) -> None:
        limit = host_limit(None, machine.process, machine.groups)
        assert limit.named == "the machine's memory"
        assert limit.bytes > 10**8


def test_a_limit_refuses_what_is_asked_for_before_it_is_touched() -> None:
    code = (
        "import mmap\nfrom bench.measure.host_limits import limit_data\n"
        "limit_data(300_000_000)\nbytearray(100_000_000)\n"
        "try:\n    bytearray(400_000_000)\nexcept MemoryError:\n    print('refused')\n"
        "mmap.mmap(-1, 400_000_000, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)\nprint('shared is no data')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.splitlines() == ["refused", "shared is no data"], done.stderr
