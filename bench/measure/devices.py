"""The GPUs of this machine as torch finds them, and which of them a study's ``device`` stands for.

Run as a program, it prints what there is: ``python -m bench.measure.devices``.
"""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from bench.errors import StudyError
from bench.schema import Frozen

#: Values of CUDA_VISIBLE_DEVICES by which a user hides every GPU.
HIDES_ALL = ("", "-1", "NoDevFiles")


class Gpu(Frozen):
    """One GPU that CUDA computes on, or one MIG instance of a GPU.

    Attributes:
        index: in CUDA's order, which CUDA_VISIBLE_DEVICES settles.
        name: as the driver says it.
        uuid: as nvidia-smi and CUDA_VISIBLE_DEVICES take it; None where torch does not tell.
        memory_bytes: in all.
        capability: compute capability, major and minor.
    """

    index: int
    name: str
    uuid: str | None
    memory_bytes: int
    capability: tuple[int, int]

    @property
    def is_mig(self) -> bool:
        """It is an instance of a GPU that is divided."""
        return " MIG " in self.name

    def __str__(self) -> str:
        """Index and name."""
        return f"{self.index} ({self.name})"


class Found(Frozen):
    """What there is beside the CPU.

    Attributes:
        gpus: that CUDA computes on, in its order.
        absent: why there is none, in words.
        unused: an accelerator that is there and cannot be measured on, and why: ``auto`` does not pass it over.
        nvml: why NVML does not answer, in words; None where it does.
    """

    gpus: tuple[Gpu, ...] = ()
    absent: str | None = None
    unused: str | None = None
    nvml: str | None = None


def look() -> Found:
    """What there is beside the CPU; on a machine with a GPU this starts CUDA."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of a driver that does not work, and here that is the answer
        accelerator = torch.accelerator.current_accelerator()
        if torch.version.hip is not None:
            return _other("ROCm", "an AMD GPU with ROCm")
        if torch.cuda.is_available() or (accelerator is not None and accelerator.type == "cuda"):
            return _cuda()
        if accelerator is not None:
            kind = accelerator.type.upper()
            return _other(kind, f"an accelerator of the kind {kind}")
        return Found(absent="this build of torch computes on a CPU alone")


def _other(build: str, named: str) -> Found:
    if not torch.accelerator.is_available():
        return Found(absent=f"torch is built for {build} and sees no such device")
    return Found(unused=f"torch sees {named}, and tunebench measures on CUDA GPUs and CPUs alone")


def _cuda() -> Found:
    there, nvml = _nvml_count()
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None and shown.strip() in HIDES_ALL:
        return Found(absent=f"CUDA_VISIBLE_DEVICES={shown} hides every GPU", nvml=nvml)
    try:
        gpus = tuple(gpu_at(index) for index in range(torch.cuda.device_count()))
        if not gpus and there:
            torch.cuda.init()  # which says why
    except (RuntimeError, AssertionError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        return Found(unused=f"there is a GPU, and CUDA does not start: {first}", nvml=nvml)
    if not gpus and there:
        return Found(unused=f"NVML counts {there} GPUs, and torch sees none (CUDA_VISIBLE_DEVICES={shown})", nvml=nvml)
    return Found(gpus=gpus, absent=None if gpus else "torch is built for CUDA and sees no GPU", nvml=nvml)


def gpu_at(index: int) -> Gpu:
    """The GPU of that index in CUDA's order; this starts CUDA."""
    facts = torch.cuda.get_device_properties(index)
    return Gpu(
        index=index,
        name=facts.name,
        uuid=_uuid(facts),
        memory_bytes=facts.total_memory,
        capability=(facts.major, facts.minor),
    )


def _uuid(facts: Any) -> str | None:
    """As NVML writes it. CUDA computes on one MIG instance of a process and may tell the id of the whole GPU of it."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    if shown.startswith("MIG-"):
        return shown
    uuid = getattr(facts, "uuid", None)  # which builds for other GPUs do not have
    return None if uuid is None else f"{'MIG' if ' MIG ' in facts.name else 'GPU'}-{uuid}"


def driver_version() -> str | None:
    """Of NVIDIA's driver, which is one for all GPUs of a machine; None where it does not answer."""
    found = _nvml(lambda library: library.nvmlSystemGetDriverVersion())
    return None if isinstance(found, Silent) else str(found)


def _nvml_count() -> tuple[int, str | None]:
    """GPUs of the driver, hidden or not, and why NVML does not answer."""
    found = _nvml(lambda library: library.nvmlDeviceGetCount())
    return (0, found.why) if isinstance(found, Silent) else (int(found), None)


@dataclass(frozen=True, slots=True)
class Silent:
    """NVML does not answer.

    Attributes:
        why: in words.
    """

    why: str


def _nvml(ask: Callable[[Any], Any]) -> Any:
    """What NVML answers about the whole machine, or that it does not answer."""
    try:
        import pynvml
    except ImportError as error:
        return Silent(f"pynvml does not import: {error}")
    try:
        pynvml.nvmlInit()
        return ask(pynvml)
    except pynvml.NVMLError as error:
        return Silent(str(error))


def choose(wanted: str, found: Found) -> Gpu | None:
    """The GPU that a study's ``device`` stands for; None for the CPU.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        found: what there is.

    Raises:
        StudyError: it is not there; or ``auto`` would pass over an accelerator.
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
        raise StudyError(f'device = "{wanted}", but the GPUs that torch sees are {there}; take one of these')
    return found.gpus[index]


def index_of(wanted: str) -> int:
    """The index of ``cuda:N``; of ``cuda``, and where there is no N, the first."""
    return int(wanted.partition(":")[2] or 0)


if __name__ == "__main__":
    print(look().model_dump_json())
