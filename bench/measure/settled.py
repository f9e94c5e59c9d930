"""What ``device`` and ``precision`` of a study stand for on this machine; CUDA is not started in this process."""

from dataclasses import dataclass
from typing import Literal

import torch

from bench.measure.devices import Found, choose
from bench.measure.elsewhere import ask
from bench.measure.machine import computes_bf16, has_bf16
from bench.study.values import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a study's ``device`` is here.

    Attributes:
        device: ``cpu`` or ``cuda``.
        precision_of_auto: of matmuls; assumed bf16 of a GPU that is not here.
        capability: compute capability of the GPU, major and minor; None on a CPU and of a GPU that is not here.
        name: of the GPU; None likewise.
    """

    device: Literal["cpu", "cuda"]
    precision_of_auto: Literal["bf16", "fp32"]
    capability: tuple[int, int] | None = None
    name: str | None = None

    def precision(self, wanted: Precision) -> Literal["bf16", "fp16", "fp32"]:
        """What a study's ``precision`` is here."""
        return self.precision_of_auto if wanted == "auto" else wanted


def settled_for(wanted: str, found: Found | None = None) -> Settled:
    """What ``device`` stands for; for ``cuda`` on a machine without a GPU, some GPU.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        found: what there is; None: another process is asked, where torch is built for an accelerator.

    Raises:
        RequestError: ``auto`` would pass over an accelerator, or there are GPUs and the one that is wanted is not.
    """
    if wanted == "cpu":
        return _cpu()
    if found is None:
        found = Found.model_validate_json(ask("bench.measure.devices")) if built_for_accelerator() else Found()
    if wanted != "auto" and not found.gpus:
        return Settled(device="cuda", precision_of_auto="bf16")
    gpu = choose(wanted, found)
    if gpu is None:
        return _cpu()
    precision: Literal["bf16", "fp32"] = "bf16" if has_bf16(gpu.capability) else "fp32"
    return Settled(device="cuda", precision_of_auto=precision, capability=gpu.capability, name=gpu.name)


def _cpu() -> Settled:
    return Settled(device="cpu", precision_of_auto="bf16" if computes_bf16(torch.device("cpu")) else "fp32")


def built_for_accelerator() -> bool:
    """Whether this build of torch can compute elsewhere than on a CPU; starts nothing."""
    return torch.accelerator.current_accelerator() is not None
