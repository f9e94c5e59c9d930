"""What tensors hold in a training step and in a forward pass, by kind, on real tensors or on fake ones."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bench.data.batches import Batch
from bench.measure.allocations import AllocationTracker
from bench.model.quantization import expanded_bytes, quantization_tensors
from bench.record.memory_breakdown import Kind
from bench.train.loop import TrainStep

#: The parts of a training step, each with its own peak.
Part = Literal["forward", "backward", "update"]
TRAINING_PARTS: tuple[Part, ...] = ("forward", "backward", "update")
Held = dict[Kind, int]
"""Bytes by kind."""
#: What CUDA's allocator hands out: multiples of 512 bytes (c10/cuda/CUDACachingAllocator).
CUDA_BLOCK_BYTES = 512
#: Matmuls that oneDNN computes on a CPU.
MATMULS = (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm, torch.ops.aten.baddbmm)
#: A CPU first converts whole operands of these to the type that they are computed in; CUDA converts value by value.
ARITHMETIC = tuple(getattr(torch.ops.aten, name + end) for name in ("add", "sub", "mul", "div") for end in ("", "_"))
#: bitsandbytes expands both states to fp32 on a CPU, with the gradient and two steps of the denominator beside them.
EIGHT_BIT_UPDATE, EIGHT_BIT_UPDATE_BYTES = "bitsandbytes.optimizer_update_8bit_blockwise", 5 * 4


def tracker_of(model: nn.Module, device: str) -> AllocationTracker:
    """A tracker that knows the model's weights.

    Args:
        model: its parameters, buffers and quantisation constants are held already.
        device: ``cpu`` or ``cuda``, whose kernels and allocator are assumed.
    """
    on_cuda = device == "cuda"
    tracker = AllocationTracker(CUDA_BLOCK_BYTES if on_cuda else 1, expanded_bytes if on_cuda else inside_cpu)
    tracker.hold([*model.parameters(), *model.buffers()], "weights")
    tracker.hold([tensor for p in model.parameters() for tensor in quantization_tensors(p)], "weights")
    return tracker


def hold_batch(tracker: AllocationTracker, batch: Batch) -> None:
    """Count a batch's tensors among the activations."""
    tensors = (batch.input_ids, batch.attention_mask, batch.labels, batch.token_types)
    tracker.hold([tensor for tensor in tensors if tensor is not None], "activations")


def hold_state(tracker: AllocationTracker, optimizer: torch.optim.Optimizer) -> None:
    """Count an optimizer's state as such."""
    states = [tensor for state in optimizer.state.values() for tensor in state.values()]
    tracker.hold([tensor for tensor in states if isinstance(tensor, Tensor)], "optimizer_state")


def training_peaks(
    step: TrainStep, batch: Batch, tracker: AllocationTracker, around: Callable[[], AbstractContextManager[None]]
) -> dict[Part, Held]:
    """Take one training step and give what was held at the peak of each of its parts.

    Of several forward and backward passes in a step, each part's peak is the highest.

    Args:
        step: its first one makes the optimizer's state, and those after it find the state in place.
        batch: on the model's device; ``hold_batch`` has counted it.
        tracker: that knows the weights, and the state if there is one.
        around: entered while operators run, beside the tracker.
    """
    peaks: dict[Part, Held] = {}

    def note(part: Part) -> None:
        peaks[part] = max(peaks.get(part, {}), dict(tracker.peak), key=lambda held: sum(held.values()))
        tracker.restart_peak()

    with _told_of_gradients(step, tracker), tracker, around():
        tracker.restart_peak()
        for micro_batch, share in step.micro_batches(batch):
            with tracker.making("activations"):
                loss, total = step.loss(micro_batch)
            note("forward")
            step.backward(total, share)
            note("backward")
            del total
        step.update()
        note("update")
        del loss
    hold_state(tracker, step.optimizer)
    return peaks


@contextmanager
def _told_of_gradients(step: TrainStep, tracker: AllocationTracker) -> Iterator[None]:
    trained = [parameter for parameter in step.model.parameters() if parameter.requires_grad]
    hooks = [p.register_post_accumulate_grad_hook(lambda p: tracker.hold([p.grad], "gradients")) for p in trained]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def inference_peak(
    score: Callable[[Batch], object], batch: Batch, tracker: AllocationTracker,
    around: Callable[[], AbstractContextManager[None]],
) -> Held:  # fmt: skip
    """What was held at the peak of scoring a batch, which ``hold_batch`` has counted."""
    with torch.no_grad(), tracker, around(), tracker.making("activations"):
        score(batch)
    return dict(tracker.peak)


def inside_cpu(func: Any, args: Sequence[Any]) -> int:
    """Bytes that an operator holds on a CPU while it runs: expanded 4-bit weights or 8-bit states, copies of operands.

    For bf16, oneDNN copies an operand that is neither contiguous nor the transpose of one that is. Where a few rows of
    a batch are multiplied by one weight, PyTorch hands it that weight repeated for each sequence, so the copy is large.
    """
    operator = getattr(func, "overloadpacket", None)
    if operator in ARITHMETIC:
        dtype = torch.result_type(*args[:2])
        converted = [a for a in args[:2] if isinstance(a, Tensor) and a.dtype != dtype]
        return sum(operand.numel() * dtype.itemsize for operand in converted)
    if str(operator) == EIGHT_BIT_UPDATE:
        return EIGHT_BIT_UPDATE_BYTES * int(args[2].numel())
    if operator not in MATMULS:
        return expanded_bytes(func, args)
    operands = [a for a in args if isinstance(a, Tensor) and a.dtype == torch.bfloat16 and a.ndim >= 2]
    return sum(
        operand.numel() * operand.element_size()
        for operand in operands
        if not operand.is_contiguous() and not operand.transpose(-2, -1).is_contiguous()
    )
