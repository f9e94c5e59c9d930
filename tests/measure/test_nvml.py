"""Queries to a fake driver, and to a real one if there is a GPU."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.measure import nvml
from bench.measure.nvml import GpuUse, NvmlDevice
from tests.known import known

CUDA = torch.device("cuda", 0)
NOT_SUPPORTED = "Not Supported"
#: Stands for the version of NVML's answer that leaves out what the driver reserves.
VERSION_2 = 2


class NotToldError(Exception):
    """A fake pynvml.NVMLError."""


@dataclass
class Driver:
    """Stands for pynvml: each answer is what is set here, and what is absent is not supported.

    A machine of ``uuids``, each a handle; ``instances`` are those of a GPU that is split, by its id.
    """

    energy_millijoules: int | None = None
    used: int | None = None
    reserved: int = 0
    process_ids: tuple[int, ...] | None = None
    drawing_ids: tuple[int, ...] | None = None
    mps_ids: tuple[int, ...] | None = None
    violation_nanoseconds: int | None = None
    power_nanoseconds: int | None = None
    uuids: tuple[str, ...] = ()
    instances: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    is_loaded: bool = True
    NVMLError: type[Exception] = NotToldError
    NVML_PERF_POLICY_POWER: int = 0
    NVML_PERF_POLICY_THERMAL: int = 1
    NVML_DEVICE_MIG_ENABLE: int = 1
    nvmlMemory_v2: int = VERSION_2  # noqa: N815
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def _answer(self, value: Any, *asked: Any) -> Any:
        self.asked.append(asked)
        if value is None:
            raise NotToldError(NOT_SUPPORTED)
        return value

    def nvmlInit(self) -> None:  # noqa: N802
        self._answer(self.is_loaded or None, "init")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.uuids)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        return self.uuids[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        known = {*self.uuids, *(name for names in self.instances.values() for name in names)}
        return str(self._answer(uuid if uuid in known else None, uuid))

    def nvmlDeviceGetUUID(self, handle: str) -> str:  # noqa: N802
        return handle

    def nvmlDeviceGetMigMode(self, handle: str) -> list[int]:  # noqa: N802
        return [int(handle in self.instances)] * 2

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: str) -> int:  # noqa: N802
        return len(self.instances[handle])

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: str, index: int) -> str:  # noqa: N802
        return str(self._answer(self.instances[handle][index], handle, index))

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: object) -> int:  # noqa: N802
        return int(self._answer(self.energy_millijoules, handle))

    def nvmlDeviceGetMemoryInfo(self, handle: object, version: int | None = None) -> SimpleNamespace:  # noqa: N802
        used = self._answer(self.used, handle, version)
        return SimpleNamespace(used=used if version == VERSION_2 else used + self.reserved)

    def _processes(self, ids: tuple[int, ...] | None, handle: object) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=pid) for pid in self._answer(ids, handle)]

    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> list[SimpleNamespace]:  # noqa: N802
        return self._processes(self.process_ids, handle)

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: object) -> list[SimpleNamespace]:  # noqa: N802
        return self._processes(self.drawing_ids, handle)

    def nvmlDeviceGetMPSComputeRunningProcesses(self, handle: object) -> list[SimpleNamespace]:  # noqa: N802
        return self._processes(self.mps_ids, handle)

    def nvmlDeviceGetViolationStatus(self, handle: object, policy: int) -> SimpleNamespace:  # noqa: N802
        of_policy = self.power_nanoseconds if policy == self.NVML_PERF_POLICY_POWER else self.violation_nanoseconds
        return SimpleNamespace(violationTime=self._answer(of_policy, handle, policy))


def device(**told: Any) -> NvmlDevice:
    return NvmlDevice(Driver(**told), "handle")


def test_units() -> None:
    """The driver counts in millijoules, bytes and nanoseconds."""
    told = device(energy_millijoules=1500, used=2**30, violation_nanoseconds=250_000_000, power_nanoseconds=750_000_000)
    assert (told.energy_joules(), told.why_no_energy(), told.used_bytes()) == (1.5, "", 2**30)
    assert (told.throttled_seconds(), told.power_capped_seconds()) == (0.25, 0.75)
    driver = told.library
    policies = driver.NVML_PERF_POLICY_THERMAL, driver.NVML_PERF_POLICY_POWER
    assert driver.asked[-2:] == [("handle", policy) for policy in policies]


def test_what_the_driver_reserves_for_itself_is_in_nobody_s_use() -> None:
    assert device(used=1000, reserved=600).used_bytes() == 1000


def test_what_the_driver_does_not_tell_is_unknown() -> None:
    silent = device()
    asked: list[Callable[[], object]] = [
        silent.used_bytes, silent.throttled_seconds, silent.power_capped_seconds, silent.process_ids,
        silent.other_processes,
    ]  # fmt: skip
    assert [ask() for ask in asked] == [None] * 5
    assert silent.why_no_energy() == f"this GPU counts no energy: {NOT_SUPPORTED}"
    assert silent.use() == GpuUse(None, None)
    with pytest.raises(RuntimeError, match=NOT_SUPPORTED):
        silent.energy_joules()


@pytest.mark.parametrize(
    ("process_ids", "others"),
    [
        ((os.getpid(),), 0),
        ((os.getpid(), 1), 1),
        ((7,), 0),  # in a container: this process, with the host's id
        ((7, 8), 1),
        ((), None),  # a driver that lists no process does not list this one
        (None, None),
    ],
)
def test_other_processes(process_ids: tuple[int, ...] | None, others: int | None) -> None:
    assert device(process_ids=process_ids).other_processes() == others


def test_what_draws_or_computes_by_the_multi_process_service_counts_too() -> None:
    told = device(process_ids=(1, 2), drawing_ids=(2, 3), mps_ids=(4,))
    assert (told.process_ids(), told.other_processes()) == (frozenset({1, 2, 3, 4}), 3)


def test_a_cpu_has_none() -> None:
    assert NvmlDevice.of(torch.device("cpu")) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_driver_is_no_error() -> None:
    assert (NvmlDevice.of(CUDA), nvml.use_by_uuid()) == (None, {})


class TestWhich:
    """GPUs are found by the unique id that CUDA reports."""

    @pytest.fixture
    def of(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., NvmlDevice | None]:
        def found(driver: Driver, uuid: str, visible: str = "") -> NvmlDevice | None:
            monkeypatch.setitem(sys.modules, "pynvml", driver)
            monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: SimpleNamespace(uuid=uuid))
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
            return NvmlDevice.of(CUDA)

        return found

    def test_a_whole_gpu(self, of: Callable[..., NvmlDevice | None]) -> None:
        driver = Driver(uuids=("GPU-1", "GPU-2"))
        for visible in ("", "1", "GPU-2"):
            assert of(driver, "2", visible) == NvmlDevice(driver, "GPU-2")

    def test_one_that_the_driver_does_not_know(self, of: Callable[..., NvmlDevice | None]) -> None:
        assert of(Driver(uuids=("GPU-1",)), "3") is None
        assert of(Driver(uuids=("GPU-1",), is_loaded=False), "1") is None

    @pytest.mark.parametrize(
        ("uuid", "visible", "instance"),
        [
            ("b", "", "MIG-b"),  # CUDA reports the id of the instance
            ("1", "MIG-b,MIG-a", "MIG-b"),  # CUDA reports that of the GPU and uses the first instance named
            ("1", "", "MIG-a"),
            ("1", "0", "MIG-a"),
        ],
    )
    def test_an_instance(self, uuid: str, visible: str, instance: str, of: Callable[..., NvmlDevice | None]) -> None:
        driver = Driver(uuids=("GPU-1",), instances={"GPU-1": (None, "MIG-a", "MIG-b")})
        assert of(driver, uuid, visible) == NvmlDevice(driver, instance, is_mig=True)

    def test_what_an_instance_shares_is_unknown(self) -> None:
        driver = Driver(energy_millijoules=1, violation_nanoseconds=1, power_nanoseconds=1, used=5, process_ids=(1,))
        instance = NvmlDevice(driver, "MIG-a", is_mig=True)
        assert "shares its GPU's counters" in instance.why_no_energy()
        assert (instance.throttled_seconds(), instance.power_capped_seconds()) == (None, None)
        assert instance.use() == GpuUse(5, frozenset({1}))


def test_every_gpu_and_instance_is_told_apart_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver(uuids=("GPU-1", "GPU-2"), instances={"GPU-2": ("MIG-a", None)}, used=7, process_ids=(3,))
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    use = GpuUse(7, frozenset({3}))
    assert nvml.use_by_uuid() == {"GPU-1": use, "GPU-2": use, "MIG-a": use}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_real_gpu() -> None:
    """Used memory is at least what this process holds; its cache and other processes may change it."""
    cuda = torch.device("cuda", 0)
    block = torch.ones(2**28, device=cuda)  # 1 GiB
    torch.cuda.synchronize()
    found = known(NvmlDevice.of(cuda))
    used = known(found.used_bytes())
    assert 2**30 <= torch.cuda.memory_reserved(cuda) < used <= torch.cuda.mem_get_info(cuda)[1]
    del block
    assert found.uuid in nvml.use_by_uuid()
