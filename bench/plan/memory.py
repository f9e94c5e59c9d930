"""Peak memory of training and of inference, from real steps on fake tensors."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from bench.asking.prompts import Prompt
from bench.asking.score import LabelScorer
from bench.cell import Cell
from bench.data.batches import Batch
from bench.dropout import replace_dropout
from bench.measure.allocations import AllocationTracker
from bench.measure.cuda_kernels import cuda_kernels
from bench.measure.fake import convert_tensors, empty_like
from bench.method import Method
from bench.model import class_logits
from bench.plan.row import Ledger
from bench.quantization import allow_cpu_layout, expanded_bytes, fake_requantization, quantization_tensors
from bench.study import PromptSettings
from bench.train import TrainStep, autocast, enable_gradient_checkpointing, store_frozen_weights_as

#: What CUDA's allocator hands out: multiples of 512 bytes (c10/cuda/CUDACachingAllocator).
CUDA_BLOCK_BYTES = 512
#: What PyTorch lets cuBLAS have on compute capability 9.0, 8 buffers of 4 MiB; on older cards it is 8.1 MiB.
CUBLAS_WORKSPACE_BYTES = 8 * 4096 * 1024
#: Matmuls that oneDNN computes on a CPU.
MATMULS = (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm, torch.ops.aten.baddbmm)
#: A CPU first converts whole operands of these to the type that they are computed in; CUDA converts value by value.
ARITHMETIC = tuple(getattr(torch.ops.aten, name + end) for name in ("add", "sub", "mul", "div") for end in ("", "_"))
#: Of the answer that a causal model is trained on: a label of one token, and the end of the turn.
ANSWER_TOKENS = 2
#: The optimizer's state is made in the first step; the second finds everything in place.
STEPS = 2


#: The parts of a training step. Each has a peak that is affine in the depth of a model; which is highest may change.
TRAINING_PARTS = ("forward", "backward", "update")
Peaks = dict[str, Ledger]


def predict(model: nn.Module, method: Method, cell: Cell, device: str, dtype: torch.dtype) -> Peaks:
    """Bytes allocated at the peak of training and of inference, batches being full: max_length tokens in each sequence.

    Args:
        model: adapted, on the meta device; it is used up.
        method: that adapted it.
        cell: for batch sizes, length, optimizer and checkpointing.
        device: ``cpu`` or ``cuda``, whose kernels and allocator are assumed.
        dtype: of the matmuls.

    Returns:
        The peak of each of TRAINING_PARTS where the method trains, and that of ``inference``.
    """
    with FakeTensorMode():
        convert_tensors(model, empty_like)
        allow_cpu_layout(model, False)
        training = _training(model, method, cell, device, dtype) if method.trains else {}
        requantization = fake_requantization(model) if cell.model.bits == 4 else nullcontext()
        with requantization, _kernels(device):
            model = method.prepare_inference(model)
        return training | {"inference": _inference(model, cell, device, dtype)}


def _training(model: nn.Module, method: Method, cell: Cell, device: str, dtype: torch.dtype) -> Peaks:
    if dtype != torch.float32:
        store_frozen_weights_as(model, dtype)
    if cell.train.gradient_checkpointing:
        enable_gradient_checkpointing(model)
    if device == "cpu":
        replace_dropout(model)
    tracker = _tracker(model, device)
    model.train()
    precision = autocast(torch.device("cpu"), dtype)
    # A paged state is as large, wherever its pages are.
    settings = cell.train.model_copy(update={"optimizer": "adamw"})
    step = TrainStep(model, method, STEPS, settings, precision, cell.model.kind)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    hooks = [p.register_post_accumulate_grad_hook(lambda p: tracker.hold([p.grad], "gradients")) for p in trained]
    batch = _batch(cell.train.batch_size, cell.data.max_length, answers=cell.model.kind == "causal")
    _hold_batch(tracker, batch)
    peaks: Peaks = {}
    for _ in range(STEPS):
        with tracker, _kernels(device):
            tracker.restart_peak()
            with tracker.making("activations"):
                loss, total = step.loss(batch)
            peaks["forward"] = _ledger(tracker, device)
            tracker.restart_peak()
            total.backward()
            peaks["backward"] = _ledger(tracker, device)
            del total
            tracker.restart_peak()
            step.update()
            peaks["update"] = _ledger(tracker, device)
            del loss
        states = [tensor for state in step.optimizer.state.values() for tensor in state.values()]
        tracker.hold([tensor for tensor in states if isinstance(tensor, Tensor)], "optimizer_state")
        method.after_step(model, 0)
    for hook in hooks:
        hook.remove()
    return peaks


def _inference(model: nn.Module, cell: Cell, device: str, dtype: torch.dtype) -> Ledger:
    model.requires_grad_(False)
    convert_tensors(model, lambda t: t.to(dtype) if t.is_floating_point() else t)
    tracker = _tracker(model, device)
    model.eval()
    batch = _batch(cell.train.inference_batch_size, cell.data.max_length)
    _hold_batch(tracker, batch)
    with torch.no_grad(), tracker, _kernels(device), tracker.making("activations"):
        if cell.model.kind == "causal":
            LabelScorer(model, BARE_PROMPT).scores(batch)
        else:
            class_logits(model, batch.input_ids, batch.attention_mask)
    return _ledger(tracker, device)


#: What a model is asked for memory's sake. Nothing is before the text, so that all tokens of a sequence are computed.
BARE_PROMPT = Prompt(
    prefix_ids=(), suffix_ids=(0,), label_ids=((0,), (1,)), end_id=None, label_words=("0", "1"), prefix_text="",
    suffix_text="", settings=PromptSettings(generate=False),
)  # fmt: skip


def _kernels(device: str) -> AbstractContextManager[None]:
    return cuda_kernels() if device == "cuda" else nullcontext()


def _tracker(model: nn.Module, device: str) -> AllocationTracker:
    on_cuda = device == "cuda"
    tracker = AllocationTracker(CUDA_BLOCK_BYTES if on_cuda else 1, expanded_bytes if on_cuda else inside_cpu)
    tracker.hold([*model.parameters(), *model.buffers()], "weights")
    tracker.hold([tensor for p in model.parameters() for tensor in quantization_tensors(p)], "weights")
    return tracker


def inside_cpu(func: Any, args: Sequence[Any]) -> int:
    """Bytes that an operator holds on a CPU while it runs: expanded 4-bit weights, and copies of operands.

    For bf16, oneDNN copies an operand that is neither contiguous nor the transpose of one that is. Where a few rows of
    a batch are multiplied by one weight, PyTorch hands it that weight repeated for each sequence, so the copy is large.
    """
    operator = getattr(func, "overloadpacket", None)
    if operator in ARITHMETIC:
        dtype = torch.result_type(*args[:2])
        converted = [a for a in args[:2] if isinstance(a, Tensor) and a.dtype != dtype]
        return sum(operand.numel() * dtype.itemsize for operand in converted)
    if operator not in MATMULS:
        return expanded_bytes(func, args)
    operands = [a for a in args if isinstance(a, Tensor) and a.dtype == torch.bfloat16 and a.ndim >= 2]
    return sum(
        operand.numel() * operand.element_size()
        for operand in operands
        if not operand.is_contiguous() and not operand.transpose(-2, -1).is_contiguous()
    )


def _batch(size: int, length: int, answers: bool = False) -> Batch:
    """Full sequences with a mask, as a batch has in which one text is shorter; with answers at their end, if wanted."""
    ids = torch.ones(size, length, dtype=torch.int64)
    shape = (size, ANSWER_TOKENS) if answers else (size,)
    return Batch(ids, torch.ones_like(ids), torch.zeros(shape, dtype=torch.int64), np.arange(size), ids.numel())


def _hold_batch(tracker: AllocationTracker, batch: Batch) -> None:
    tensors = (batch.input_ids, batch.attention_mask, batch.labels)
    tracker.hold([tensor for tensor in tensors if tensor is not None], "activations")


def _ledger(tracker: AllocationTracker, device: str) -> Ledger:
    peak = dict(tracker.peak)
    rest = peak.pop("rest", 0) + (CUBLAS_WORKSPACE_BYTES if device == "cuda" else 0)
    return Ledger(
        weights=peak.get("weights", 0),
        gradients=peak.get("gradients", 0),
        optimizer_state=peak.get("optimizer_state", 0),
        activations=peak.get("activations", 0),
        rest=rest,
    )
