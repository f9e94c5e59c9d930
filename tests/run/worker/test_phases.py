"""Phases: a sleep and an allocation of known size are found, they add up, and an error leaves the open one open."""

import gc
import json
import mmap
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from bench.measure.energy import EnergyMeter
from bench.measure.host_limits import status_bytes
from bench.measure.memory import CLEAR_REFS, restart_peaks
from bench.measure.nvml import NvmlDevice
from bench.run.marks import Marks
from bench.run.worker import checks as validity
from bench.run.worker.phases import PROGRESS_SECONDS, Phases
from tests.known import known
from tests.measure.test_conditions import NOTHING
from tests.measure.test_nvml import Driver

CPU = torch.device("cpu")
MIB = 2**20


@pytest.fixture
def phases(tmp_path: Path) -> Iterator[Phases]:
    gc.collect()
    gc.freeze()  # as a worker does: a collection before a phase need not walk all that tests have imported
    yield Phases(CPU, tmp_path / "progress.json", Marks(tmp_path / "marks"))
    gc.unfreeze()


def use(mebibytes: int) -> None:
    """Have so much memory and give it back to the kernel, which an allocator may not do."""
    with mmap.mmap(-1, mebibytes * MIB) as block:
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1


def progress(phases: Phases) -> dict[str, object]:
    found: dict[str, object] = json.loads(phases._progress.read_text(encoding="utf-8"))
    return found


@pytest.mark.timed
class TestClock:
    def test_a_sleep_of_known_length_is_found(self, phases: Phases) -> None:
        with phases.timed("load"):
            time.sleep(0.3)
        with phases.timed("adapt"):
            pass
        load, adapt = phases.done
        assert (load.name, adapt.name) == ("load", "adapt")
        assert 0.3 <= load.seconds < 0.3 * 1.05
        assert adapt.seconds < 0.05

    def test_they_add_up_to_the_whole(self, phases: Phases) -> None:
        started = time.perf_counter()
        with phases.timed("load"):
            time.sleep(0.4)
        phases.start("warm-up")
        time.sleep(0.3)
        phases.finish()
        phases.start("train", release=False)
        time.sleep(0.5)
        phases.finish()
        with phases.timed("inference"):
            time.sleep(0.3)
        wall, sum_of_phases = time.perf_counter() - started, sum(phase.seconds for phase in phases.done)
        assert 0.98 * wall <= sum_of_phases <= wall
        assert validity.adds_up(sum_of_phases, wall).verdict == "valid"

    def test_what_goes_on_meanwhile_is_theirs(self, phases: Phases) -> None:
        """A second of computing is half a second each of two phases, and no other one's."""
        for name in ("warm-up", "train", "inference"):
            with phases.timed(name):
                end = time.process_time() + (0.5 if name != "inference" else 0.0)
                while time.process_time() < end:
                    pass
        both, last = phases.conditions_of("warm-up", "train"), phases.conditions_of("inference")
        assert both is not None
        assert last is not None
        assert both.own_cpu_seconds == pytest.approx(1.0, rel=0.05)
        assert last.own_cpu_seconds < 0.05


@pytest.mark.skipif(not status_bytes(), reason="no /proc: the host's peak is unknown here")
class TestPeaks:
    def test_an_allocation_of_known_size_is_found_in_its_phase_alone(self, phases: Phases) -> None:
        if not restart_peaks(CPU):
            pytest.skip(f"this kernel refuses {CLEAR_REFS}")
        process = psutil.Process()
        with phases.timed("load"):
            before = process.memory_info().rss
            block = torch.ones(256 * MIB // 4)
            del block
        with phases.timed("train"):
            pass
        load, train = (phase.peak_host_bytes for phase in phases.done)
        assert load is not None
        assert train is not None
        assert load - before == pytest.approx(256 * MIB, rel=0.01)
        assert train < before + 0.01 * 256 * MIB
        assert phases.done[0].peak_cuda_allocated_bytes is None

        assert validity.restarted(phases.carried_of("load", "train")).verdict == "valid"

    def test_a_peak_that_the_kernel_did_not_restart_is_unknown(
        self, phases: Phases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        with phases.timed("load"):
            pass
        monkeypatch.setattr("bench.measure.memory.CLEAR_REFS", tmp_path / "absent" / "clear_refs")
        with phases.timed("train"):
            pass
        assert phases.done[1].peak_host_bytes is None
        assert phases.carried_of("load") is not None
        assert phases.carried_of("load", "train") is None
        assert phases.carried_of("inference") is None

    def test_a_peak_that_nobody_restarted_is_found(self, phases: Phases, monkeypatch: pytest.MonkeyPatch) -> None:
        """A harness that forgets to would report the peak of loading as that of training."""
        with phases.timed("load"):
            block = torch.ones(64 * MIB // 4)
            del block
        monkeypatch.setattr("bench.measure.memory.restart_peaks", lambda device: True)
        with phases.timed("train"):
            pass
        carried = known(phases.carried_of("train"))
        assert carried > 60 * MIB
        assert validity.restarted(carried).verdict == "suspect"


class TestAside:
    @pytest.mark.timed
    def test_neither_clock_holds_the_other_s_time(self, phases: Phases) -> None:
        started = time.perf_counter()
        phases.start("train")
        for _ in range(3):
            time.sleep(0.1)
            with phases.aside("validate"):
                time.sleep(0.2)
        time.sleep(0.1)
        phases.finish()
        wall = time.perf_counter() - started
        assert [phase.name for phase in phases.done] == ["train", "validate"]
        train, validate = (phase.seconds for phase in phases.done)
        assert 0.4 <= train < 0.4 * 1.05
        assert 0.6 <= validate < 0.6 * 1.05
        assert validity.adds_up(train + validate, wall).verdict == "valid"

    @pytest.mark.skipif(not status_bytes(), reason="no /proc: the host's peak is unknown here")
    def test_neither_peak_holds_the_other_s_memory(self, phases: Phases) -> None:
        if not restart_peaks(CPU):
            pytest.skip(f"this kernel refuses {CLEAR_REFS}")
        before = psutil.Process().memory_info().rss
        phases.start("train")
        with phases.aside("validate"):
            use(128)
        use(32)
        with phases.aside("validate"):
            use(1)
        phases.finish()
        train, validate = ((phase.peak_host_bytes or 0) - before for phase in phases.done)
        assert train == pytest.approx(32 * MIB, abs=4 * MIB)
        assert validate == pytest.approx(128 * MIB, abs=4 * MIB)
        assert validity.restarted(phases.carried_of("train", "validate")).verdict == "valid"

    def test_memory_that_the_other_one_alone_needed_is_handed_back(
        self, phases: Phases, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An allocator that keeps what is freed would leave it in the peak of the phase that goes on."""
        released: list[int] = []
        monkeypatch.setattr("bench.run.worker.phases.release_freed_memory", lambda _: released.append(1))
        phases.start("train", release=False)
        for mebibytes, times in ((2, 0), (60, 1)):
            with phases.aside("validate"):
                use(mebibytes)
            assert len(released) == times
        phases.finish()

    def test_energy_is_added_up_apart(self, phases: Phases) -> None:
        driver = Driver(energy_millijoules=0)
        phases.energy = EnergyMeter.of(torch.device("cuda", 0), NvmlDevice(driver, "handle"))
        phases.start("train")
        for start in (0, 1500):
            driver.energy_millijoules = start + 1000
            with phases.aside("validate"):
                driver.energy_millijoules = start + 1500
        driver.energy_millijoules = 4000
        phases.finish()
        assert [(phase.name, phase.energy_joules) for phase in phases.done] == [("train", 3), ("validate", 1)]

    def test_energy_that_is_unknown_for_a_part_is_unknown(self, phases: Phases) -> None:
        phases.start("train")
        with phases.aside("validate"):
            phases.energy = EnergyMeter(lambda: [1.0], [float("inf")])
        phases.finish()
        assert [phase.energy_joules for phase in phases.done] == [None, None]

    def test_what_is_read_between_them_is_time_of_the_one_inside(self, phases: Phases) -> None:
        """As with a driver that takes its time to answer, so that all phases still add up to the whole."""

        def slow() -> list[float]:
            time.sleep(0.05)
            return [1.0]

        phases.energy = EnergyMeter(slow, [float("inf")])
        phases.start("train")
        with phases.aside("validate"):
            pass
        phases.finish()
        assert phases.done[1].seconds >= 0.1

    @pytest.mark.timed
    def test_conditions_are_those_of_all_parts(self, phases: Phases) -> None:
        phases.start("train")
        for _ in range(2):
            with phases.aside("validate"):
                pass
        phases.finish()
        assert len(phases.conditions) == len(phases.carried_bytes) == len(phases.done) == 2
        assert known(phases.conditions_of("train")).seconds == pytest.approx(phases.done[0].seconds, abs=0.05)

    def test_a_later_phase_of_the_name_is_one_of_its_own(self, phases: Phases) -> None:
        phases.start("train")
        with phases.aside("validate"):
            pass
        phases.finish()
        with phases.timed("validate"):
            pass
        with phases.timed("train"):
            pass
        assert [phase.name for phase in phases.done] == ["train", "validate", "validate", "train"]

    def test_an_error_leaves_it_open_and_names_it(self, phases: Phases) -> None:
        phases.start("train")
        with pytest.raises(OSError, match="full"), phases.aside("validate"):
            raise OSError("full")
        assert phases.current == "validate"
        phases.finish()
        assert [phase.name for phase in phases.done] == ["train", "validate"]

    def test_the_runner_is_told_of_the_open_one_alone(self, phases: Phases) -> None:
        phases.start("train")
        phases.tell(3, 10, force=True)
        with phases.aside("validate"):
            assert progress(phases) == {"phase": "train", "done": 3, "of": 10}
        assert progress(phases) == {"phase": "train", "done": 3, "of": 10}


class TestOpenAndClosed:
    def test_an_error_leaves_the_phase_open_and_finish_closes_it(self, phases: Phases) -> None:
        with pytest.raises(KeyError), phases.timed("adapt"):
            raise KeyError("no layer")
        assert (phases.done, phases.current) == ([], "adapt")
        phases.finish()
        phases.finish()
        assert [phase.name for phase in phases.done] == ["adapt"]

    def test_nothing_is_open_at_first(self, phases: Phases) -> None:
        phases.finish()
        assert phases.done == []

    def test_phases_are_found_by_name(self, phases: Phases) -> None:
        for name in ("memory", "train", "memory"):
            with phases.timed(name):
                pass
        assert [phase.name for phase in phases.named("train", "memory")] == ["memory", "train", "memory"]
        assert (phases.named("load"), phases.conditions_of("load")) == ([], None)

    def test_conditions_of_several_are_added_up(self, phases: Phases) -> None:
        with phases.timed("train"):
            pass
        with phases.timed("inference"):
            pass
        phases.conditions = [replace(NOTHING, swapped_bytes=1), replace(NOTHING, swapped_bytes=2)]
        assert phases.conditions_of("train", "inference") == replace(NOTHING, swapped_bytes=3)


def test_energy_is_that_of_the_phase(phases: Phases) -> None:
    driver = Driver(energy_millijoules=1000)
    phases.energy = EnergyMeter.of(torch.device("cuda", 0), NvmlDevice(driver, "handle"))
    driver.energy_millijoules = 2000
    with phases.timed("train"):
        driver.energy_millijoules = 4500
    driver.energy_millijoules = 9000
    with phases.timed("inference"):
        pass
    assert [phase.energy_joules for phase in phases.done] == [2.5, 0]


class TestProgress:
    def test_tells_where_the_worker_is(self, phases: Phases) -> None:
        phases.start("train")
        assert progress(phases) == {"phase": "train", "done": 0, "of": 0}
        phases.tell(3, 10, force=True)
        assert progress(phases) == {"phase": "train", "done": 3, "of": 10}

    def test_at_most_every_half_second(self, phases: Phases, monkeypatch: pytest.MonkeyPatch) -> None:
        now = 100.0
        monkeypatch.setattr("bench.run.worker.phases.monotonic_seconds", lambda: now)
        phases.tell(1, 10)
        now += PROGRESS_SECONDS - 0.01
        phases.tell(2, 10)
        assert progress(phases)["done"] == 1
        now += 0.02
        phases.tell(3, 10)
        assert progress(phases)["done"] == 3

    def test_a_counter_of_energy_is_looked_at_meanwhile(self, phases: Phases) -> None:
        looks: list[int] = []

        def read() -> list[float]:
            looks.append(1)
            return [60.0 * len(looks) % 100]

        phases.energy = EnergyMeter(read, [100.0])
        with phases.timed("train"):
            before = len(looks)
            for step in range(3):
                phases.tell(step, 3, force=True)
            assert len(looks) == before + 3
        assert phases.done[0].energy_joules == pytest.approx(4 * 60)
