"""What NVIDIA's driver knows of the GPU that is computed on, by way of NVML."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch

T = TypeVar("T")

#: Compute processes, those that draw, and those that compute by way of the multi-process service.
PROCESS_LISTS = (
    "nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses",
    "nvmlDeviceGetMPSComputeRunningProcesses",
)  # fmt: skip
MIG_SHARES = "a MIG instance shares its GPU's counters with the other instances"


@dataclass(frozen=True, slots=True)
class GpuUse:
    """Who uses a GPU, at one moment; None where its driver does not tell.

    Attributes:
        used_bytes: in use by every process, without what the driver reserves for itself.
        process_ids: of those that compute or draw on it, as the driver numbers them.
    """

    used_bytes: int | None
    process_ids: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class NvmlDevice:
    """One GPU, or one MIG instance of a GPU.

    Attributes:
        library: the module pynvml, initialised.
        handle: of the GPU or the instance.
        is_mig: it is an instance.
    """

    library: Any
    handle: Any
    is_mig: bool = False

    @classmethod
    def of(cls, device: torch.device) -> "NvmlDevice | None":
        """The GPU behind a CUDA device; None on a CPU, and where the driver does not answer.

        CUDA and NVML number GPUs differently, so the GPU is found by its unique id. This starts CUDA.
        """
        library = _library() if device.type == "cuda" else None
        if library is None:
            return None
        try:
            uuid = str(torch.cuda.get_device_properties(device).uuid)
        except AttributeError:  # a build of torch for other GPUs
            return None
        return _found(library, uuid, os.environ.get("CUDA_VISIBLE_DEVICES", ""))

    @property
    def uuid(self) -> str | None:
        """Unique id as NVML writes it, which begins with GPU- or MIG-."""
        return self._asked(lambda: str(self.library.nvmlDeviceGetUUID(self.handle)))

    def energy_joules(self) -> float:
        """Since the driver was loaded.

        Raises:
            RuntimeError: the GPU does not say.
        """
        if self.is_mig:
            raise RuntimeError(MIG_SHARES)
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

    def busy_fraction(self) -> float | None:
        """Share of the driver's last sample period, a second at most, in which a kernel ran; None where untold."""
        return self._asked(lambda: float(self.library.nvmlDeviceGetUtilizationRates(self.handle).gpu) / 100)

    def use(self) -> GpuUse:
        """Who uses the GPU now."""
        return GpuUse(self.used_bytes(), self.process_ids())

    def used_bytes(self) -> int | None:
        """In use on the whole GPU or instance, by every process, without what the driver reserves for itself."""
        version = self.library.nvmlMemory_v2  # the first version counts the driver's part among what is used
        return self._asked(lambda: int(self.library.nvmlDeviceGetMemoryInfo(self.handle, version=version).used))

    def process_ids(self) -> frozenset[int] | None:
        """Processes that compute or draw on the GPU; None where the driver does not list those that compute."""
        computing, *others = (getattr(self.library, name) for name in PROCESS_LISTS)
        found = self._asked(partial(computing, self.handle))
        if found is None:
            return None
        # A driver that cannot list the processes of another kind has none of that kind.
        more = [process for ask in others for process in self._asked(partial(ask, self.handle)) or ()]
        return frozenset(process.pid for process in (*found, *more))

    def other_processes(self) -> int | None:
        """Processes that compute or draw on the GPU beside this one; None where the driver does not show this one.

        In a container the driver shows the host's process ids, so this one is taken to be any that is shown.
        """
        shown = self.process_ids()
        return len(shown) - 1 if shown else None

    def throttled_seconds(self) -> float | None:
        """Time for which heat has lowered the clocks, since the driver was loaded; None of a MIG instance."""
        return self._violation_seconds(self.library.NVML_PERF_POLICY_THERMAL)

    def power_capped_seconds(self) -> float | None:
        """Time for which the power limit has lowered the clocks, since the driver was loaded; likewise."""
        return self._violation_seconds(self.library.NVML_PERF_POLICY_POWER)

    def _violation_seconds(self, policy: int) -> float | None:
        if self.is_mig:
            return None
        nanoseconds = self._asked(lambda: self.library.nvmlDeviceGetViolationStatus(self.handle, policy).violationTime)
        return None if nanoseconds is None else float(nanoseconds) / 1e9

    def _asked(self, ask: Callable[[], T]) -> T | None:
        """An answer of the driver; None where it has none."""
        try:
            return ask()
        except self.library.NVMLError:
            return None


def use_by_uuid() -> dict[str, GpuUse]:
    """Who uses each GPU and each MIG instance of this machine, by unique id; empty where NVML does not answer.

    It does not start CUDA, so that what CUDA itself takes of a GPU can be told from what was in use before.
    """
    library = _library()
    if library is None:
        return {}
    devices = [NvmlDevice(library, handle) for handle in _handles(library)]
    devices += [instance for device in devices for instance in _instances(device)]
    return {uuid: device.use() for device in devices if (uuid := device.uuid) is not None}


def _library() -> Any:
    """The module pynvml, initialised; None where there is no driver that answers."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _found(library: Any, uuid: str, visible: str) -> NvmlDevice | None:
    """The GPU or MIG instance of a unique id that CUDA tells.

    Args:
        library: pynvml.
        uuid: without what it begins with in NVML.
        visible: CUDA_VISIBLE_DEVICES. CUDA computes on one MIG instance of a process, which the first entry names; of
            some versions it tells the id of the whole GPU there.
    """
    first = visible.split(",")[0].strip()
    names = [first] if first.startswith("MIG-") else [f"GPU-{uuid}", f"MIG-{uuid}"]
    for name in names:
        try:
            device = NvmlDevice(library, library.nvmlDeviceGetHandleByUUID(name), is_mig=name.startswith("MIG-"))
        except library.NVMLError:
            continue
        # Where no entry names one, CUDA takes the first instance of a GPU that is split.
        return device if device.is_mig else next(_instances(device), device)
    return None


def _handles(library: Any) -> Iterator[Any]:
    try:
        for index in range(library.nvmlDeviceGetCount()):
            yield library.nvmlDeviceGetHandleByIndex(index)
    except library.NVMLError:
        return


def _instances(device: NvmlDevice) -> Iterator[NvmlDevice]:
    """The MIG instances of a GPU, in the driver's order; none of one that is not split."""
    library = device.library
    try:
        if library.nvmlDeviceGetMigMode(device.handle)[0] != library.NVML_DEVICE_MIG_ENABLE:
            return
        count = library.nvmlDeviceGetMaxMigDeviceCount(device.handle)
    except library.NVMLError:  # it cannot be split
        return
    for index in range(count):
        try:
            yield NvmlDevice(library, library.nvmlDeviceGetMigDeviceHandleByIndex(device.handle, index), is_mig=True)
        except library.NVMLError:  # a place without an instance
            continue
