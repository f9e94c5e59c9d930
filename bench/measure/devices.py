"""GPUs of this machine as torch sees them, and the choice of one by a study's ``device``.

``python -m bench.measure.devices`` prints them as JSON.
"""

import os
import warnings
from typing import Any

import torch

from bench.errors import StudyError
from bench.measure.nvml import query_driver
from bench.schema import Frozen

#: Values of CUDA_VISIBLE_DEVICES that hide every GPU.
HIDES_ALL = ("", "-1", "NoDevFiles")


class Gpu(Frozen):
    """A CUDA GPU, or a MIG instance of one.

    Attributes:
        index: index in CUDA's order, which depends on CUDA_VISIBLE_DEVICES.
        name: name that the driver reports.
        uuid: unique id as in nvidia-smi and CUDA_VISIBLE_DEVICES; None if torch does not report it.
        memory_bytes: total memory.
        capability: compute capability, major and minor.
    """

    index: int
    name: str
    uuid: str | None
    memory_bytes: int
    capability: tuple[int, int]

    @property
    def is_mig(self) -> bool:
        """Whether it is a MIG instance of a GPU."""
        return " MIG " in self.name

    def __str__(self) -> str:
        """Index and name."""
        return f"{self.index} ({self.name})"


class Found(Frozen):
    """Accelerators found on this machine.

    Attributes:
        gpus: GPUs in CUDA's order.
        absent: reason why there is none.
        unused: accelerator that is present but cannot be measured on, and why; ``auto`` refuses to ignore it.
        nvml: reason why NVML does not answer; None if it does.
    """

    gpus: tuple[Gpu, ...] = ()
    absent: str | None = None
    unused: str | None = None
    nvml: str | None = None


def look() -> Found:
    """Find the accelerators of this machine; with a GPU this starts CUDA."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about a broken driver, which the result reports
        accelerator = torch.accelerator.current_accelerator()
        if torch.version.hip is not None:
            return _other("ROCm", "an AMD GPU with ROCm")
        if torch.cuda.is_available() or (accelerator is not None and accelerator.type == "cuda"):
            return _cuda()
        if accelerator is not None:
            kind = accelerator.type.upper()
            return _other(kind, f"an accelerator of the kind {kind}")
        return Found(absent="this build of torch supports only CPUs")


def _other(build: str, named: str) -> Found:
    if not torch.accelerator.is_available():
        return Found(absent=f"torch is built for {build} but sees no such device")
    return Found(unused=f"torch sees {named}, but tunebench measures only on CUDA GPUs and CPUs")


def _cuda() -> Found:
    there, nvml = _nvml_count()
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None and shown.strip() in HIDES_ALL:
        return Found(absent=f"CUDA_VISIBLE_DEVICES={shown} hides every GPU", nvml=nvml)
    try:
        gpus = tuple(gpu_at(index) for index in range(torch.cuda.device_count()))
        if not gpus and there:
            torch.cuda.init()  # raises the reason
    except (RuntimeError, AssertionError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        return Found(unused=f"there is a GPU, but CUDA does not start: {first}", nvml=nvml)
    if not gpus and there:
        return Found(unused=f"NVML counts {there} GPUs, but torch sees none (CUDA_VISIBLE_DEVICES={shown})", nvml=nvml)
    return Found(gpus=gpus, absent=None if gpus else "torch is built for CUDA but sees no GPU", nvml=nvml)


def gpu_at(index: int) -> Gpu:
    """The GPU with this index in CUDA's order; this starts CUDA."""
    facts = torch.cuda.get_device_properties(index)
    return Gpu(
        index=index, name=facts.name, uuid=_uuid(facts), memory_bytes=facts.total_memory,
        capability=(facts.major, facts.minor),
    )  # fmt: skip


def _uuid(facts: Any) -> str | None:
    """Unique id as in NVML. A process uses one MIG instance, for which CUDA may report the id of the whole GPU."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    if shown.startswith("MIG-"):
        return shown
    uuid = getattr(facts, "uuid", None)  # missing in builds for other GPUs
    return None if uuid is None else f"{'MIG' if ' MIG ' in facts.name else 'GPU'}-{uuid}"


def driver_version() -> str | None:
    """Version of NVIDIA's driver, which all GPUs of a machine share; None if it does not answer."""
    try:
        return str(query_driver(lambda library: library.nvmlSystemGetDriverVersion()))
    except RuntimeError:
        return None


def _nvml_count() -> tuple[int, str | None]:
    """Number of GPUs including hidden ones, and the reason if NVML does not answer."""
    try:
        return int(query_driver(lambda library: library.nvmlDeviceGetCount())), None
    except RuntimeError as error:
        return 0, str(error)


def choose(wanted: str, found: Found) -> Gpu | None:
    """The GPU that a study's ``device`` selects; None for the CPU.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        found: accelerators of this machine.

    Raises:
        StudyError: the device does not exist, or ``auto`` would ignore an accelerator.
    """
    if wanted == "cpu":
        return None
    if wanted == "auto":
        if found.unused is not None:
            raise StudyError(f'device = "auto", but {found.unused}; device = "cpu" measures on the CPU')
        return found.gpus[0] if found.gpus else None
    if not found.gpus:
        raise StudyError(
            f'device = "{wanted}", but torch sees no CUDA device: {found.unused or found.absent}; set device = "auto" '
            'or "cpu"'
        )
    index = index_of(wanted)
    if index >= len(found.gpus):
        there = ", ".join(map(str, found.gpus))
        raise StudyError(f'device = "{wanted}", but the GPUs that torch sees are {there}; choose one of them')
    return found.gpus[index]


def index_of(wanted: str) -> int:
    """N of ``cuda:N``, or 0."""
    return int(wanted.partition(":")[2] or 0)


if __name__ == "__main__":
    print(look().model_dump_json())
