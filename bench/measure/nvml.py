"""What NVIDIA's driver knows of the GPU that is computed on, by way of NVML."""

import os
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class NvmlDevice:
    """One GPU.

    Attributes:
        library: the module pynvml, initialised.
        handle: of the GPU.
    """

    library: Any
    handle: Any

    @classmethod
    def of(cls, device: torch.device) -> "NvmlDevice | None":
        """The GPU behind a CUDA device; None on a CPU, and where the driver does not answer.

        CUDA and NVML number GPUs differently, so the GPU is found by its unique id.
        """
        if device.type != "cuda":
            return None
        import pynvml

        try:
            pynvml.nvmlInit()
            uuid = torch.cuda.get_device_properties(device).uuid
            return cls(pynvml, pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}"))
        except (pynvml.NVMLError, AttributeError):
            return None

    def energy_joules(self) -> float:
        """Since the driver was loaded.

        Raises:
            RuntimeError: the GPU does not say.
        """
        try:
            return float(self.library.nvmlDeviceGetTotalEnergyConsumption(self.handle)) / 1000
        except self.library.NVMLError as error:
            raise RuntimeError(str(error)) from None

    def why_no_energy(self) -> str:
        """Why the GPU counts no energy; empty if it does."""
        try:
            self.energy_joules()
        except RuntimeError as error:
            return f"this GPU counts no energy: {error}"
        return ""

    def used_bytes(self) -> int | None:
        """In use on the whole GPU, by every process."""
        try:
            return int(self.library.nvmlDeviceGetMemoryInfo(self.handle).used)
        except self.library.NVMLError:
            return None

    def other_processes(self) -> int | None:
        """Processes that compute on the GPU beside this one; None where the driver does not show this one.

        In a container the driver shows the host's process ids, so this one is taken to be any that is shown.
        """
        try:
            shown = {process.pid for process in self.library.nvmlDeviceGetComputeRunningProcesses(self.handle)}
        except self.library.NVMLError:
            return None
        return len(shown - {os.getpid()}) if os.getpid() in shown else (len(shown) - 1 if shown else None)

    def temperature_celsius(self) -> int | None:
        """Of the GPU."""
        try:
            return int(self.library.nvmlDeviceGetTemperature(self.handle, self.library.NVML_TEMPERATURE_GPU))
        except self.library.NVMLError:
            return None

    def throttled_seconds(self) -> float | None:
        """Time for which heat has lowered the clocks, since the driver was loaded."""
        try:
            policy = self.library.NVML_PERF_POLICY_THERMAL
            return float(self.library.nvmlDeviceGetViolationStatus(self.handle, policy).violationTime) / 1e9
        except self.library.NVMLError:
            return None
