"""What a peak of memory is made of: as a plan predicts it, and as a cell measured it."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from bench.schema import Frozen

Moment = Literal["load", "train", "inference"]
Kind = Literal["weights", "gradients", "optimizer_state", "activations", "workspace"]
KINDS: tuple[Kind, ...] = ("weights", "gradients", "optimizer_state", "activations", "workspace")


class MemoryBreakdown(Frozen):
    """What a peak is made of, in bytes; the parts add up to peak_bytes. In a plan, tensors are all of it."""

    of: Moment
    weights_bytes: int = Field(description="parameters and buffers, a quantised weight with its scales")
    gradients_bytes: int
    optimizer_state_bytes: int
    activations_bytes: int = Field(description="allocated by the forward pass and still held, the batch included")
    workspace_bytes: int = Field(description="what operators hold while they run, and other temporary tensors")
    allocator_slack_bytes: int | None = Field(description="CUDA: reserved minus allocated; null on a CPU")
    cuda_context_bytes: int | None = Field(
        description="CUDA: what came to the device with this process, minus reserved"
    )
    process_bytes: int | None = Field(description="CPU: resident before the weights: interpreter and libraries")
    unattributed_bytes: int = Field(description="the rest; on a CPU gaps of the heap and what libraries hold")
    peak_bytes: int = Field(description="CUDA: of the device where it is known, else reserved; CPU: VmHWM")

    @classmethod
    def of_tensors(cls, moment: Moment, held: Mapping[Kind, int]) -> "MemoryBreakdown":
        """The breakdown of a peak that tensors alone make up.

        Args:
            moment: when the peak occurs.
            held: bytes by kind; a missing kind holds none.
        """
        return cls(
            of=moment,
            **{f"{kind}_bytes": held.get(kind, 0) for kind in KINDS},
            allocator_slack_bytes=None,
            cuda_context_bytes=None,
            process_bytes=None,
            unattributed_bytes=0,
            peak_bytes=sum(held.values()),
        )

    @property
    def held_bytes(self) -> dict[Kind, int]:
        """What tensors and workspaces hold, by kind."""
        return {kind: getattr(self, f"{kind}_bytes") for kind in KINDS}
