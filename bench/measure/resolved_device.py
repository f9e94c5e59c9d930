"""A study's ``device`` and ``precision`` resolved for this machine, without starting CUDA in this process."""

from dataclasses import dataclass
from typing import Literal

import torch

from bench.measure.devices import Found, choose
from bench.measure.gpu_probe import probe
from bench.measure.machine import computes_bf16, has_bf16
from bench.study.values import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedDevice:
    """The device that a study's ``device`` selects.

    Attributes:
        device: ``cpu`` or ``cuda``.
        precision_of_auto: precision that ``auto`` selects; bf16 is assumed for a GPU that is not present.
        capability: compute capability of the GPU, major and minor; None for a CPU or a GPU that is not present.
        name: name of the GPU; None in the same cases.
    """

    device: Literal["cpu", "cuda"]
    precision_of_auto: Literal["bf16", "fp32"]
    capability: tuple[int, int] | None = None
    name: str | None = None

    def precision(self, wanted: Precision) -> Literal["bf16", "fp16", "fp32"]:
        """The precision that a study's ``precision`` selects."""
        return self.precision_of_auto if wanted == "auto" else wanted


def resolve_device(wanted: str, found: Found | None = None) -> ResolvedDevice:
    """Resolve a study's ``device``; on a machine without a GPU, ``cuda`` stands for any GPU.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        found: accelerators of this machine; None to find them in another process.

    Raises:
        RequestError: ``auto`` would ignore an accelerator, or there are GPUs but not the selected one.
    """
    if wanted == "cpu":
        return _cpu()
    if found is None:
        found = Found.model_validate_json(probe("bench.measure.devices")) if built_for_accelerator() else Found()
    if wanted != "auto" and not found.gpus:
        return ResolvedDevice(device="cuda", precision_of_auto="bf16")
    gpu = choose(wanted, found)
    if gpu is None:
        return _cpu()
    precision: Literal["bf16", "fp32"] = "bf16" if has_bf16(gpu.capability) else "fp32"
    return ResolvedDevice(device="cuda", precision_of_auto=precision, capability=gpu.capability, name=gpu.name)


def _cpu() -> ResolvedDevice:
    return ResolvedDevice(device="cpu", precision_of_auto="bf16" if computes_bf16(torch.device("cpu")) else "fp32")


def built_for_accelerator() -> bool:
    """Whether this build of torch supports an accelerator; starts nothing."""
    return torch.accelerator.current_accelerator() is not None
