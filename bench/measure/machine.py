"""Machine, software and checkout of a measurement."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil
import torch

from bench.measure.devices import choose, driver_version, gpu_at, look
from bench.record.record import Machine
from bench.study.values import Precision

PACKAGES = (
    "tunebench", "torch", "transformers", "peft", "datasets", "tokenizers", "safetensors", "scikit-learn", "numpy",
)  # fmt: skip


def describe(device: torch.device) -> Machine:
    """Describe this machine, its software and this project's checkout."""
    commit, dirty = _checkout()
    on_cuda = device.type == "cuda"
    gpu = gpu_at(device.index or 0) if on_cuda else None
    return Machine(
        cpu=_cpu(), cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()} {platform.machine()}", python=platform.python_version(),
        gpu=gpu.name if gpu else None, gpu_index=gpu.index if gpu else None, gpu_uuid=gpu.uuid if gpu else None,
        gpu_capability=gpu.capability if gpu else None, gpus=torch.cuda.device_count() if on_cuda else None,
        driver=driver_version() if on_cuda else None, device="cuda" if on_cuda else "cpu",
        threads=torch.get_num_threads(),
        packages=packages(), commit=commit,
        dirty=dirty,
    )  # fmt: skip


def packages() -> dict[str, str]:
    """The version of each installed package that numbers depend on."""
    return {name: found for name in PACKAGES if (found := _version(name)) is not None}


def device_for(wanted: str) -> torch.device:
    """The device that ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` selects; a GPU becomes torch's current device.

    Raises:
        StudyError: the device does not exist, or ``auto`` would ignore an accelerator.
    """
    gpu = None if wanted == "cpu" else choose(wanted, look())
    if gpu is None:
        return torch.device("cpu")
    if gpu.index:  # streams, events and kernels use the current device by default, which is 0 at first
        torch.accelerator.set_device_index(gpu.index)
    return torch.device("cuda", gpu.index)


def precision_for(wanted: Precision, device: torch.device) -> Literal["bf16", "fp16", "fp32"]:
    """The precision that a study's setting selects; ``auto`` is bf16 if the device supports it natively."""
    return wanted if wanted != "auto" else "bf16" if computes_bf16(device) else "fp32"


def computes_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 matrices natively rather than in fp32."""
    if device.type == "cuda":
        return has_bf16(torch.cuda.get_device_capability(device))
    flags = _cpuinfo().get("flags", "") + _cpuinfo().get("Features", "")  # x86 and Arm name the line differently
    return any(flag in flags.split() for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def has_bf16(capability: tuple[int, int]) -> bool:
    """Whether CUDA GPUs of this compute capability multiply bf16 matrices natively."""
    return capability >= (8, 0)


def _cpuinfo() -> dict[str, str]:
    """Entries of the first processor in /proc/cpuinfo; empty without that file."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _cpu() -> str:
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _checkout() -> tuple[str | None, bool | None]:
    """Commit and dirty flag of the git checkout that contains this package."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None, None
    commit = _output("git", "-C", str(root), "rev-parse", "HEAD")
    changes = _output("git", "-C", str(root), "status", "--porcelain", "--untracked-files=no")
    return commit, None if changes is None else bool(changes)


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
