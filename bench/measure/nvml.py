"""Queries to NVIDIA's driver through NVML."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch

T = TypeVar("T")

#: Queries for compute processes, graphics processes, and compute processes of the multi-process service.
PROCESS_LISTS = (
    "nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses",
    "nvmlDeviceGetMPSComputeRunningProcesses",
)  # fmt: skip
MIG_SHARES = "a MIG instance shares its GPU's counters with the other instances"


@dataclass(frozen=True, slots=True)
class GpuUse:
    """Use of a GPU at one moment; None where the driver does not report it.

    Attributes:
        used_bytes: memory used by all processes, without the driver's own reserve.
        process_ids: ids of compute and graphics processes, as numbered by the driver.
    """

    used_bytes: int | None
    process_ids: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class NvmlDevice:
    """A GPU, or a MIG instance of one.

    Attributes:
        library: the initialised module pynvml.
        handle: NVML's handle of the GPU or instance.
        is_mig: whether it is an instance.
    """

    library: Any
    handle: Any
    is_mig: bool = False

    @classmethod
    def of(cls, device: torch.device) -> "NvmlDevice | None":
        """The GPU of a CUDA device; None on a CPU, or if the driver does not answer.

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
        """Unique id as in NVML, with the prefix GPU- or MIG-."""
        return self._answer(lambda: str(self.library.nvmlDeviceGetUUID(self.handle)))

    def energy_joules(self) -> float:
        """Energy used since the driver was loaded.

        Raises:
            RuntimeError: the GPU does not report it.
        """
        if self.is_mig:
            raise RuntimeError(MIG_SHARES)
        try:
            return float(self.library.nvmlDeviceGetTotalEnergyConsumption(self.handle)) / 1000
        except self.library.NVMLError as error:
            raise RuntimeError(str(error)) from None

    def why_no_energy(self) -> str:
        """Reason why the GPU counts no energy; empty if it does."""
        try:
            self.energy_joules()
        except RuntimeError as error:
            return f"this GPU counts no energy: {error}"
        return ""

    def busy_fraction(self) -> float | None:
        """Share of the driver's last sample period, at most a second, in which a kernel ran; None if unknown."""
        return self._answer(lambda: float(self.library.nvmlDeviceGetUtilizationRates(self.handle).gpu) / 100)

    def use(self) -> GpuUse:
        """Current use of the GPU."""
        return GpuUse(self.used_bytes(), self.process_ids())

    def used_bytes(self) -> int | None:
        """Memory used on the whole GPU or instance by all processes, without the driver's own reserve."""
        version = self.library.nvmlMemory_v2  # version 1 includes the driver's reserve
        return self._answer(lambda: int(self.library.nvmlDeviceGetMemoryInfo(self.handle, version=version).used))

    def process_ids(self) -> frozenset[int] | None:
        """Ids of compute and graphics processes on the GPU; None if the driver does not list compute processes."""
        computing, *others = (getattr(self.library, name) for name in PROCESS_LISTS)
        found = self._answer(partial(computing, self.handle))
        if found is None:
            return None
        # A driver that cannot list another kind of process has none of that kind.
        more = [process for ask in others for process in self._answer(partial(ask, self.handle)) or ()]
        return frozenset(process.pid for process in (*found, *more))

    def other_processes(self) -> int | None:
        """Number of other processes that use the GPU; None if the driver does not list this one.

        In a container the driver lists the host's process ids, so any listed process is taken to be this one.
        """
        shown = self.process_ids()
        return len(shown) - 1 if shown else None

    def throttled_seconds(self) -> float | None:
        """Time since the driver was loaded for which heat lowered the clocks; None for a MIG instance."""
        return self._violation_seconds(self.library.NVML_PERF_POLICY_THERMAL)

    def power_capped_seconds(self) -> float | None:
        """Time since the driver was loaded for which the power limit lowered the clocks; None for a MIG instance."""
        return self._violation_seconds(self.library.NVML_PERF_POLICY_POWER)

    def _violation_seconds(self, policy: int) -> float | None:
        if self.is_mig:
            return None
        nanoseconds = self._answer(lambda: self.library.nvmlDeviceGetViolationStatus(self.handle, policy).violationTime)
        return None if nanoseconds is None else float(nanoseconds) / 1e9

    def _answer(self, ask: Callable[[], T]) -> T | None:
        """Answer of the driver; None if it has none."""
        try:
            return ask()
        except self.library.NVMLError:
            return None


def use_by_uuid() -> dict[str, GpuUse]:
    """Use of each GPU and MIG instance of this machine, by unique id; empty if NVML does not answer.

    This does not start CUDA, so it can show the use before CUDA itself takes memory.
    """
    library = _library()
    if library is None:
        return {}
    devices = [NvmlDevice(library, handle) for handle in _handles(library)]
    devices += [instance for device in devices for instance in _instances(device)]
    return {uuid: device.use() for device in devices if (uuid := device.uuid) is not None}


def query_driver(query: Callable[[Any], T]) -> T:
    """Answer of NVML to a query about the whole machine.

    Args:
        query: function of the initialised module pynvml.

    Raises:
        RuntimeError: NVML does not answer.
    """
    try:
        import pynvml
    except ImportError as error:
        raise RuntimeError(f"pynvml does not import: {error}") from None
    try:
        pynvml.nvmlInit()
        return query(pynvml)
    except pynvml.NVMLError as error:
        raise RuntimeError(str(error)) from None


def _library() -> Any:
    """The initialised module pynvml; None if no driver answers."""
    try:
        return query_driver(lambda library: library)
    except RuntimeError:
        return None


def _found(library: Any, uuid: str, visible: str) -> NvmlDevice | None:
    """The GPU or MIG instance with a unique id reported by CUDA.

    Args:
        library: pynvml.
        uuid: unique id without NVML's prefix.
        visible: CUDA_VISIBLE_DEVICES. A process uses one MIG instance, which the first entry names; some versions of
            CUDA report the id of the whole GPU for it.
    """
    first = visible.split(",")[0].strip()
    names = [first] if first.startswith("MIG-") else [f"GPU-{uuid}", f"MIG-{uuid}"]
    for name in names:
        try:
            device = NvmlDevice(library, library.nvmlDeviceGetHandleByUUID(name), is_mig=name.startswith("MIG-"))
        except library.NVMLError:
            continue
        # If no entry names one, CUDA uses the first instance of a partitioned GPU.
        return device if device.is_mig else next(_instances(device), device)
    return None


def _handles(library: Any) -> Iterator[Any]:
    try:
        for index in range(library.nvmlDeviceGetCount()):
            yield library.nvmlDeviceGetHandleByIndex(index)
    except library.NVMLError:
        return


def _instances(device: NvmlDevice) -> Iterator[NvmlDevice]:
    """MIG instances of a GPU, in the driver's order; none if it is not partitioned."""
    library = device.library
    try:
        if library.nvmlDeviceGetMigMode(device.handle)[0] != library.NVML_DEVICE_MIG_ENABLE:
            return
        count = library.nvmlDeviceGetMaxMigDeviceCount(device.handle)
    except library.NVMLError:  # MIG is not supported
        return
    for index in range(count):
        try:
            yield NvmlDevice(library, library.nvmlDeviceGetMigDeviceHandleByIndex(device.handle, index), is_mig=True)
        except library.NVMLError:  # no instance at this index
            continue
