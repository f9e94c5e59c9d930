"""NVML as the driver of the made-up GPU answers it: a module pynvml with the constants and errors of the real one."""

import os
from types import ModuleType, SimpleNamespace
from typing import Any

import pynvml as real

from tests.gpu.card import CONTEXT_BYTES, DRIVER_BYTES, OTHER_BYTES
from tests.gpu.runtime import Runtime, uuid

OTHER_PROCESS = 4_000_000
#: Millijoules that the card takes from one question to the next.
ENERGY_STEP = 50_000


class Driver(ModuleType):
    """Stands for pynvml; what is not made up here is a function that this driver does not have."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__("pynvml")
        constants = {name: value for name, value in vars(real).items() if not name.startswith("nvml")}
        vars(self).update(constants | {"nvmlMemory_v2": real.nvmlMemory_v2})
        self._runtime = runtime
        self._energy = 10**9

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("nvml") or name == "nvmlMemory_v2":
            return super().__getattribute__(name)
        found = getattr(type(self), name, None)

        def ask(*arguments: Any, **words: Any) -> Any:
            gpu = self._runtime.gpu
            gpu.note(name)
            if not gpu.card.nvml:
                raise real.NVMLError(real.NVML_ERROR_DRIVER_NOT_LOADED)
            if name in gpu.card.lacks:
                raise real.NVMLError(real.NVML_ERROR_NOT_SUPPORTED)
            if found is None:
                raise real.NVMLError(real.NVML_ERROR_FUNCTION_NOT_FOUND)
            return found(self, *arguments, **words)

        return ask

    def nvmlInit(self) -> None:
        """Nothing to do."""

    def nvmlDeviceGetHandleByUUID(self, name: str | bytes) -> int:
        named = name.decode() if isinstance(name, bytes) else name
        for index in range(self.nvmlDeviceGetCount()):
            if named == self.nvmlDeviceGetUUID(index):
                return index
        raise real.NVMLError(real.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetCount(self) -> int:
        return self._runtime.gpu.card.index + 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index >= self.nvmlDeviceGetCount():
            raise real.NVMLError(real.NVML_ERROR_INVALID_ARGUMENT)
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return ("MIG-" if self._runtime.gpu.card.mig else "GPU-") + uuid(handle)

    def nvmlSystemGetDriverVersion(self) -> str:
        return "590.01"

    def nvmlDeviceGetMigMode(self, handle: int) -> list[int]:
        return [int(self._runtime.gpu.card.mig)] * 2

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        self._whole_card()
        self._energy += ENERGY_STEP
        return self._energy

    def nvmlDeviceGetMemoryInfo(self, handle: int, version: int | None = None) -> SimpleNamespace:
        gpu = self._runtime.gpu
        others = gpu.card.compute_processes + gpu.card.graphics_processes
        own = CONTEXT_BYTES + gpu.memory.reserved if gpu.initialized else 0
        used = others * OTHER_BYTES + own if handle == gpu.card.index else 0
        total = gpu.card.memory_bytes
        free = total - used - DRIVER_BYTES
        if version is None:  # the first version counts what the driver keeps as used
            return SimpleNamespace(total=total, used=used + DRIVER_BYTES, free=free)
        return SimpleNamespace(total=total, used=used, free=free, reserved=DRIVER_BYTES, version=version)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:
        gpu = self._runtime.gpu
        if handle != gpu.card.index:
            return []
        own = [os.getpid()] if gpu.initialized else []
        return [_process(pid) for pid in (*own, *range(OTHER_PROCESS, OTHER_PROCESS + gpu.card.compute_processes))]

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: int) -> list[SimpleNamespace]:
        first = OTHER_PROCESS + 100
        return [_process(pid) for pid in range(first, first + self._runtime.gpu.card.graphics_processes)]

    def nvmlDeviceGetViolationStatus(self, handle: int, policy: int) -> SimpleNamespace:
        self._whole_card()
        return SimpleNamespace(referenceTime=0, violationTime=0)

    def nvmlDeviceGetMPSComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:
        return []

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: int) -> int:
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:
        self._whole_card()
        return SimpleNamespace(gpu=50, memory=10)

    def _whole_card(self) -> None:
        """An instance of a divided card does not know what the card as a whole does."""
        if self._runtime.gpu.card.mig:
            raise real.NVMLError(real.NVML_ERROR_NOT_SUPPORTED)


def _process(pid: int) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=OTHER_BYTES)
