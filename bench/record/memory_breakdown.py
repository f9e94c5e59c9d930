"""The breakdown of a memory peak, predicted by a plan or measured in a cell."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from bench.schema import Frozen

Moment = Literal["load", "train", "inference"]
Kind = Literal["weights", "gradients", "optimizer_state", "activations", "workspace"]
KINDS: tuple[Kind, ...] = ("weights", "gradients", "optimizer_state", "activations", "workspace")


class MemoryBreakdown(Frozen):
    """Parts of a memory peak in bytes, which add up to peak_bytes. A plan counts tensors only."""

    of: Moment
    weights_bytes: int = Field(description="parameters and buffers, with the scales of quantised weights")
    gradients_bytes: int
    optimizer_state_bytes: int
    activations_bytes: int = Field(description="allocated by the forward pass and still held, the batch included")
    workspace_bytes: int = Field(description="temporary tensors, such as the workspaces of running operators")
    allocator_slack_bytes: int | None = Field(description="CUDA: reserved minus allocated; null on a CPU")
    cuda_context_bytes: int | None = Field(description="CUDA: memory of this process on the device, minus reserved")
    process_bytes: int | None = Field(description="CPU: resident before the weights: interpreter and libraries")
    unattributed_bytes: int = Field(description="the rest; on a CPU: heap fragmentation and memory of libraries")
    peak_bytes: int = Field(description="CUDA: device-wide if known, otherwise reserved; CPU: VmHWM")

    @classmethod
    def of_tensors(cls, moment: Moment, held: Mapping[Kind, int]) -> "MemoryBreakdown":
        """The breakdown of a peak that consists of tensors only.

        Args:
            moment: phase in which the peak occurs.
            held: bytes by kind; a missing kind has 0.
        """
        return cls(
            of=moment, **{f"{kind}_bytes": held.get(kind, 0) for kind in KINDS}, allocator_slack_bytes=None,
            cuda_context_bytes=None, process_bytes=None, unattributed_bytes=0, peak_bytes=sum(held.values()),
        )  # fmt: skip

    @property
    def held_bytes(self) -> dict[Kind, int]:
        """Bytes of tensors and workspaces, by kind."""
        return {kind: getattr(self, f"{kind}_bytes") for kind in KINDS}
