"""What is asked of a GPU's driver, by way of a stand-in for it, and of a real one where there is one."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.measure.nvml import NvmlDevice

NOT_SUPPORTED = "Not Supported"


class NotToldError(Exception):
    """Stands for pynvml.NVMLError."""


@dataclass
class Driver:
    """Stands for pynvml: each answer is what is set here, and what is absent is not supported."""

    energy_millijoules: int | None = None
    used: int | None = None
    process_ids: tuple[int, ...] | None = None
    temperature: int | None = None
    violation_nanoseconds: int | None = None
    NVMLError: type[Exception] = NotToldError
    NVML_TEMPERATURE_GPU: int = 0
    NVML_PERF_POLICY_THERMAL: int = 1
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def _answer(self, value: Any, *asked: Any) -> Any:
        self.asked.append(asked)
        if value is None:
            raise NotToldError(NOT_SUPPORTED)
        return value

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: object) -> int:  # noqa: N802
        return int(self._answer(self.energy_millijoules, handle))

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=self._answer(self.used, handle))

    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> list[SimpleNamespace]:  # noqa: N802
        return [SimpleNamespace(pid=pid) for pid in self._answer(self.process_ids, handle)]

    def nvmlDeviceGetTemperature(self, handle: object, sensor: int) -> int:  # noqa: N802
        return int(self._answer(self.temperature, handle, sensor))

    def nvmlDeviceGetViolationStatus(self, handle: object, policy: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(violationTime=self._answer(self.violation_nanoseconds, handle, policy))


def device(**told: Any) -> NvmlDevice:
    return NvmlDevice(Driver(**told), "handle")


def test_units() -> None:
    """The driver counts in millijoules, bytes, degrees and nanoseconds."""
    told = device(energy_millijoules=1500, used=2**30, temperature=61, violation_nanoseconds=250_000_000)
    assert told.energy_joules() == 1.5
    assert told.why_no_energy() == ""
    assert told.used_bytes() == 2**30
    assert told.temperature_celsius() == 61
    assert told.throttled_seconds() == 0.25
    driver = told.library
    assert driver.asked[-2:] == [("handle", driver.NVML_TEMPERATURE_GPU), ("handle", driver.NVML_PERF_POLICY_THERMAL)]


def test_what_the_driver_does_not_tell_is_unknown() -> None:
    silent = device()
    asked: list[Callable[[], object]] = [
        silent.used_bytes, silent.temperature_celsius, silent.throttled_seconds, silent.other_processes
    ]  # fmt: skip
    assert [ask() for ask in asked] == [None] * 4
    assert silent.why_no_energy() == f"this GPU counts no energy: {NOT_SUPPORTED}"
    with pytest.raises(RuntimeError, match=NOT_SUPPORTED):
        silent.energy_joules()


@pytest.mark.parametrize(
    ("process_ids", "others"),
    [
        ((os.getpid(),), 0),
        ((os.getpid(), 1), 1),
        ((7,), 0),  # in a container: this process, under the host's number
        ((7, 8), 1),
        ((), None),  # a driver that shows no process does not show this one
        (None, None),
    ],
)
def test_other_processes(process_ids: tuple[int, ...] | None, others: int | None) -> None:
    assert device(process_ids=process_ids).other_processes() == others


def test_a_cpu_has_none() -> None:
    assert NvmlDevice.of(torch.device("cpu")) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_driver_is_no_error() -> None:
    assert NvmlDevice.of(torch.device("cuda", 0)) is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_real_gpu() -> None:
    """What is in use is what this process holds or more: the cache may serve it, and others may come and go."""
    cuda = torch.device("cuda", 0)
    block = torch.ones(2**28, device=cuda)  # 1 GiB
    torch.cuda.synchronize()
    found = NvmlDevice.of(cuda)
    assert found is not None
    used = found.used_bytes()
    assert used is not None
    assert 2**30 <= torch.cuda.memory_reserved(cuda) < used <= torch.cuda.mem_get_info(cuda)[1]
    del block
    temperature = found.temperature_celsius()
    assert temperature is not None
    assert 0 < temperature < 110
