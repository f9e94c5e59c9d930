"""Conditions: growth of counters by hand, and with another process that computes."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.measure.conditions import OWN_SCHEDULE, Conditions, _cpu_throttled, _own_cores
from bench.measure.nvml import NvmlDevice
from tests.known import known
from tests.measure.test_nvml import Driver

CPU = torch.device("cpu")
NOTHING = Conditions(
    seconds=0.0, own_cpu_seconds=0.0, cpu_seconds=0.0, stolen_cpu_seconds=0.0, swapped_bytes=0, major_faults=0,
    cpu_throttled=0, gpu_throttled_seconds=0.0, gpu_power_capped_seconds=0.0, allocator_retries=0,
)  # fmt: skip
CORES = len(_own_cores())


def test_growth_is_what_came_on_top() -> None:
    early = replace(NOTHING, seconds=10.0, own_cpu_seconds=4.0, cpu_seconds=100.0, swapped_bytes=4096, cpu_throttled=7)
    late = replace(early, seconds=12.5, own_cpu_seconds=5.0, cpu_seconds=103.0, swapped_bytes=8192, major_faults=3)
    assert late.since(early) == replace(
        NOTHING, seconds=2.5, own_cpu_seconds=1.0, cpu_seconds=3.0, swapped_bytes=4096, major_faults=3
    )


def test_stretches_are_added_up() -> None:
    one = replace(NOTHING, seconds=1.0, cpu_seconds=1.0, allocator_retries=2, gpu_throttled_seconds=0.5)
    other = replace(NOTHING, seconds=3.0, cpu_seconds=0.5, allocator_retries=1)
    assert one + other == replace(NOTHING, seconds=4.0, cpu_seconds=1.5, allocator_retries=3, gpu_throttled_seconds=0.5)


def test_what_is_unknown_once_stays_unknown() -> None:
    unknown = replace(NOTHING, swapped_bytes=None, cpu_seconds=None)
    for grown in (NOTHING.since(unknown), unknown.since(NOTHING), NOTHING + unknown, unknown + NOTHING):
        assert grown == unknown
    assert unknown.others_fraction is None


def test_shares_by_hand() -> None:
    """In 10 s each core computed 6 s, of which 4 s by this process, and lost 0.5 s to the host."""
    grown = replace(
        NOTHING, seconds=10.0, own_cpu_seconds=4.0 * CORES, cpu_seconds=6.0 * CORES, stolen_cpu_seconds=0.5 * CORES
    )
    assert grown.others_fraction == pytest.approx(0.2)
    assert grown.stolen_fraction == pytest.approx(0.05)


def test_shares_of_no_time_are_unknown() -> None:
    assert (NOTHING.others_fraction, NOTHING.stolen_fraction) == (None, None)
    assert replace(NOTHING, seconds=1.0, stolen_cpu_seconds=None).stolen_fraction is None


def test_counters_that_tick_may_lag_behind_this_process() -> None:
    assert replace(NOTHING, seconds=1.0, own_cpu_seconds=1.0, cpu_seconds=0.99).others_fraction == 0


def test_counters_only_grow() -> None:
    first = Conditions.now(CPU, None)
    grown = Conditions.now(CPU, None).since(first)
    assert grown.seconds > 0
    assert grown.own_cpu_seconds >= 0
    assert grown.major_faults >= 0
    assert (grown.gpu_throttled_seconds, grown.allocator_retries) == (None, None)


def test_a_gpu_s_heat_and_power_limit_are_the_driver_s() -> None:
    driver = Driver(violation_nanoseconds=1_000_000_000, power_nanoseconds=4_000_000_000)
    nvml = NvmlDevice(driver, "handle")
    before = Conditions.now(CPU, nvml)
    driver.violation_nanoseconds, driver.power_nanoseconds = 1_500_000_000, 4_250_000_000
    grown = Conditions.now(CPU, nvml).since(before)
    assert (grown.gpu_throttled_seconds, grown.gpu_power_capped_seconds) == (0.5, 0.25)


def test_share_of_the_time_at_the_power_limit() -> None:
    assert replace(NOTHING, seconds=10.0, gpu_power_capped_seconds=2.5).power_capped_fraction == 0.25
    assert replace(NOTHING, seconds=10.0, gpu_power_capped_seconds=None).power_capped_fraction is None


def test_retries_are_those_of_the_accelerator_s_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: dict[str, int] = {}
    monkeypatch.setattr("torch.accelerator.memory_stats", lambda device: counts)
    cuda = torch.device("cuda", 0)
    before = Conditions.now(cuda, None)
    assert before.allocator_retries == 0, "there are no counts before the first allocation"
    counts["num_alloc_retries"] = 3
    assert Conditions.now(cuda, None).since(before).allocator_retries == 3


class TestThrottling:
    @staticmethod
    def core(folder: Path, number: int, text: str) -> None:
        path = folder / f"cpu{number}" / "thermal_throttle" / "core_throttle_count"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="ascii")

    def test_cores_are_added_up(self, tmp_path: Path) -> None:
        for number, text in enumerate(("3\n", "4\n")):
            self.core(tmp_path, number, text)
        (tmp_path / "cpufreq").mkdir()
        assert _cpu_throttled(tmp_path) == 7

    def test_is_unknown_where_the_kernel_does_not_tell(self, tmp_path: Path) -> None:
        assert _cpu_throttled(tmp_path) is None
        self.core(tmp_path, 0, "3\n")
        self.core(tmp_path, 1, "")
        assert _cpu_throttled(tmp_path) is None


@pytest.fixture
def neighbour() -> Iterator[None]:
    """A process that computes as fast as it can."""
    process = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    known(process.stdout).readline()  # from here on it computes
    yield
    process.kill()
    process.communicate()


def fraction_of_others(seconds: float, compute: bool) -> float:
    before = Conditions.now(CPU, None)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if not compute:
            time.sleep(0.05)
    return known(Conditions.now(CPU, None).since(before).others_fraction)


@pytest.mark.timed
class TestOtherLoad:
    def test_a_neighbour_is_seen(self, neighbour: None) -> None:
        assert fraction_of_others(1.0, compute=False) > 0.7 / CORES

    def test_this_process_is_no_neighbour(self) -> None:
        """The neighbour computes on one core; the load without it is measured while it sleeps."""
        resting, computing = fraction_of_others(1.0, compute=False), fraction_of_others(1.0, compute=True)
        assert computing < resting + 0.5 / CORES


@pytest.mark.skipif(not OWN_SCHEDULE.exists(), reason="this system does not count what threads wait for")
class TestIdle:
    def test_a_thread_that_sleeps_is_idle(self) -> None:
        before = Conditions.now(CPU, None)
        threading.Event().wait(0.2)
        grown = Conditions.now(CPU, None).since(before)
        assert 0.15 < known(grown.idle_seconds) <= grown.seconds

    def test_one_that_computes_or_waits_for_a_core_is_not(self) -> None:
        """This holds on a busy machine too."""
        before = Conditions.now(CPU, None)
        while Conditions.now(CPU, None).since(before).own_cpu_seconds < 0.2:
            pass
        grown = Conditions.now(CPU, None).since(before)
        assert known(grown.idle_seconds) < 0.05 + 0.05 * grown.seconds

    def test_on_an_accelerator_and_without_the_counter_it_is_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bench.measure.conditions._allocator_retries", lambda _: 0)
        assert Conditions.now(torch.device("cuda"), None).idle_seconds is None
        monkeypatch.setattr("bench.measure.conditions.OWN_SCHEDULE", Path("/nonexistent"))
        assert Conditions.now(CPU, None).idle_seconds is None
