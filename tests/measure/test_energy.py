"""Joules from counters in a folder or from a fake driver."""

from pathlib import Path

import pytest
import torch

from bench.measure.energy import EnergyMeter
from bench.measure.nvml import NvmlDevice
from tests.measure.test_nvml import Driver

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


def domain(folder: Path, domain_id: str, name: str, microjoules: int, wraps_at: int = 2**38) -> Path:
    """A power domain as files of the kernel."""
    path = folder / domain_id
    path.mkdir(exist_ok=True)
    (path / "name").write_text(name + "\n", encoding="ascii")
    (path / "energy_uj").write_text(f"{microjoules}\n", encoding="ascii")
    (path / "max_energy_range_uj").write_text(f"{wraps_at}\n", encoding="ascii")
    return path


class TestCpu:
    def test_packages_are_added_up(self, tmp_path: Path) -> None:
        for number in (0, 1):
            domain(tmp_path, f"intel-rapl:{number}", f"package-{number}", 1_000_000)
        meter = EnergyMeter.of(CPU, None, tmp_path)
        assert meter.why_not == ""
        before = meter.now()
        domain(tmp_path, "intel-rapl:0", "package-0", 3_500_000)
        domain(tmp_path, "intel-rapl:1", "package-1", 1_250_000)
        assert meter.since(before) == pytest.approx(2.75)

    def test_a_part_of_a_package_and_the_whole_platform_do_not_count_again(self, tmp_path: Path) -> None:
        names = {
            "intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:0:1": "dram", "intel-rapl:1": "psys",
            "intel-rapl-mmio:0": "package-0", "dtpm": "dtpm",
        }  # fmt: skip
        for domain_id, name in names.items():
            domain(tmp_path, domain_id, name, 0)
        (tmp_path / "intel-rapl").mkdir()
        meter = EnergyMeter.of(CPU, None, tmp_path)
        before = meter.now()
        for domain_id, name in names.items():
            domain(tmp_path, domain_id, name, 2_000_000)
        assert meter.since(before) == pytest.approx(2)

    def test_a_counter_that_wrapped_round(self, tmp_path: Path) -> None:
        """The counter wraps at 100 J: from 99 J to 4 J is 5 J."""
        domain(tmp_path, "intel-rapl:0", "package-0", 99_000_000, 100_000_000)
        meter = EnergyMeter.of(CPU, None, tmp_path)
        before = meter.now()
        domain(tmp_path, "intel-rapl:0", "package-0", 4_000_000, 100_000_000)
        assert meter.since(before) == pytest.approx(5)

    def test_no_turn_of_it_is_missed_where_it_is_looked_at(self, tmp_path: Path) -> None:
        """The counter wraps at 100 J. Reads every 60 J give 180 J; one read at the end would give 80 J."""
        domain(tmp_path, "intel-rapl:0", "package-0", 0, 100_000_000)
        meter = EnergyMeter.of(CPU, None, tmp_path)
        before = meter.now()
        for microjoules in (60_000_000, 20_000_000, 80_000_000):
            domain(tmp_path, "intel-rapl:0", "package-0", microjoules, 100_000_000)
            meter.look()
        assert meter.since(before) == pytest.approx(180)

    def test_none_is_said(self, tmp_path: Path) -> None:
        for folder in (tmp_path, tmp_path / "absent"):
            meter = EnergyMeter.of(CPU, None, folder)
            assert (meter.why_not, meter.since(meter.now())) == ("this machine shows no RAPL counters", None)

    @pytest.mark.parametrize(
        ("broken", "content", "said"),
        [
            ("name", None, "Is a directory"), ("energy_uj", None, "Is a directory"),
            ("max_energy_range_uj", None, "Is a directory"), ("energy_uj", "soon", "invalid literal for int"),
            ("max_energy_range_uj", "", "invalid literal for int"),
        ],
    )  # fmt: skip
    def test_one_that_cannot_be_read_is_said(self, tmp_path: Path, broken: str, content: str | None, said: str) -> None:
        """Usually only root can read a counter; a folder in its place is unreadable for root too."""
        path = domain(tmp_path, "intel-rapl:0", "package-0", 0) / broken
        path.unlink()
        if content is None:
            path.mkdir()
        else:
            path.write_text(content, encoding="ascii")
        meter = EnergyMeter.of(CPU, None, tmp_path)
        assert meter.why_not.startswith("the RAPL counters cannot be read: ")
        assert said in meter.why_not
        assert meter.since(meter.now()) is None

    def test_one_that_fails_later_is_unknown(self, tmp_path: Path) -> None:
        path = domain(tmp_path, "intel-rapl:0", "package-0", 0)
        meter = EnergyMeter.of(CPU, None, tmp_path)
        before = meter.now()
        (path / "energy_uj").unlink()
        assert meter.since(before) is None
        assert meter.since([]) is None


class TestGpu:
    def test_is_the_driver_s_counter(self) -> None:
        driver = Driver(energy_millijoules=7_000)
        meter = EnergyMeter.of(CUDA, NvmlDevice(driver, "handle"))
        before = meter.now()
        driver.energy_millijoules = 9_500
        assert meter.since(before) == pytest.approx(2.5)
        driver.energy_millijoules = 1_000  # this counter does not wrap around, but restarts at 0 with the driver
        assert meter.since(before) is None
        driver.energy_millijoules = None
        assert meter.since(before) is None

    def test_is_asked_when_a_phase_begins_or_ends_alone(self) -> None:
        driver = Driver(energy_millijoules=7_000)
        meter = EnergyMeter.of(CUDA, NvmlDevice(driver, "handle"))
        asked = len(driver.asked)
        meter.look()
        assert len(driver.asked) == asked

    def test_one_that_counts_none_is_said(self, tmp_path: Path) -> None:
        """The CPU's counters are not used instead."""
        domain(tmp_path, "intel-rapl:0", "package-0", 0)
        meter = EnergyMeter.of(CUDA, NvmlDevice(Driver(), "handle"), tmp_path)
        assert (meter.why_not, meter.since(meter.now())) == ("this GPU counts no energy: Not Supported", None)

    def test_no_driver_is_said(self) -> None:
        assert EnergyMeter.of(CUDA, None).why_not == "the driver does not answer by NVML"
