"""Memory of tensors in a training step and in a forward pass, by kind, for real or fake tensors."""

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
#: CUDA's allocator rounds up to multiples of 512 bytes (c10/cuda/CUDACachingAllocator).
CUDA_BLOCK_BYTES = 512
#: Matmuls that a CPU computes with oneDNN.
MATMULS = (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm, torch.ops.aten.baddbmm)
#: A CPU first converts whole operands of these to the result's dtype; CUDA converts element by element.
ARITHMETIC = tuple(getattr(torch.ops.aten, name + end) for name in ("add", "sub", "mul", "div") for end in ("", "_"))
#: On a CPU, bitsandbytes expands both states to fp32, plus the gradient and two intermediates of the denominator.
EIGHT_BIT_UPDATE, EIGHT_BIT_UPDATE_BYTES = "bitsandbytes.optimizer_update_8bit_blockwise", 5 * 4


def tracker_of(model: nn.Module, device: str) -> AllocationTracker:
    """A tracker that counts the model's weights as held.

    Args:
        model: model with parameters, buffers and quantisation constants.
        device: ``cpu`` or ``cuda``, which determines kernels and allocator.
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
    """Count an optimizer's state as ``optimizer_state``."""
    states = [tensor for state in optimizer.state.values() for tensor in state.values()]
    tracker.hold([tensor for tensor in states if isinstance(tensor, Tensor)], "optimizer_state")


def training_peaks(
    step: TrainStep, batch: Batch, tracker: AllocationTracker, around: Callable[[], AbstractContextManager[None]],
    most_micro_batches: int | None = None,
) -> dict[Part, Held]:  # fmt: skip
    """Take one training step and return the bytes held at the peak of each of its parts.

    With several micro-batches, each part's peak is the highest of all.

    Args:
        step: training step; its first call creates the optimizer's state.
        batch: batch on the model's device, counted by ``hold_batch``.
        tracker: tracker that counts the weights, and the optimizer's state if it exists.
        around: further context manager around the operators.
        most_micro_batches: number of micro-batches to run, the first ones; None: all.
    """
    peaks: dict[Part, Held] = {}

    def note(part: Part) -> None:
        peaks[part] = max(peaks.get(part, {}), dict(tracker.peak), key=lambda held: sum(held.values()))
        tracker.restart_peak()

    with _tracked_gradients(step, tracker), tracker, around():
        tracker.restart_peak()
        parts = step.micro_batches(batch)  # all of them are held until the update
        for micro_batch, share in parts[:most_micro_batches]:
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
def _tracked_gradients(step: TrainStep, tracker: AllocationTracker) -> Iterator[None]:
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
    """The bytes held at the peak of scoring a batch that ``hold_batch`` has counted."""
    with torch.no_grad(), tracker, around(), tracker.making("activations"):
        score(batch)
    return dict(tracker.peak)


def inside_cpu(func: Any, args: Sequence[Any]) -> int:
    """Workspace of an operator on a CPU, in bytes: expanded 4-bit weights or 8-bit states, copies of operands.

    For bf16, oneDNN copies an operand unless it or its transpose is contiguous. If a few rows of a batch are multiplied
    by one weight, PyTorch repeats the weight for each sequence, so the copy is large.
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
