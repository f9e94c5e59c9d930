"""Predict peak memory of training and inference by running steps on fake tensors."""

from contextlib import AbstractContextManager, nullcontext
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from bench.data.batches import Batch
from bench.method import Method
from bench.model.cpu_layers import replace_dropout
from bench.model.load import class_logits
from bench.model.prompting.prompts import Prompt
from bench.model.prompting.score import LabelScorer
from bench.model.quantization import allow_cpu_layout, fake_requantization
from bench.plan.cuda_kernels import cuda_kernels
from bench.plan.depth import Costs
from bench.plan.fake_tensors import convert_tensors, empty_like
from bench.record.memory_breakdown import KINDS, MemoryBreakdown
from bench.study.cell import Cell
from bench.study.settings import PromptSettings
from bench.train.loop import TrainStep, autocast
from bench.train.memory import TRAINING_PARTS, Held, Part, hold_batch, inference_peak, tracker_of, training_peaks
from bench.train.stored_weights import enable_gradient_checkpointing, store_weights

#: cuBLAS workspace of each thread that runs matmuls in PyTorch (getChosenWorkspaceSize in ATen/cuda/CublasHandlePool):
#: 8 buffers of 4 MiB on compute capability 9.0 and 10.0; otherwise 2 of 4 MiB and 8 of 16 KiB.
CUBLAS_WORKSPACE_BYTES = {(9, 0): 8 * 4096 * 1024, (10, 0): 8 * 4096 * 1024}
OTHER_CUBLAS_WORKSPACE_BYTES = 2 * 4096 * 1024 + 8 * 16 * 1024
#: Threads that run matmuls: one for the forward pass, and another one for autograd's backward pass.
TRAINING_THREADS, INFERENCE_THREADS = 2, 1
#: Compute capability if there is no GPU: that of an A100.
ASSUMED_CAPABILITY = (8, 0)
#: Tokens of the answer that a causal model is trained on: a label of one token and the end of the turn.
ANSWER_TOKENS = 2
#: The first step creates the optimizer's state, so the second one has the full peak.
STEPS = 2
#: The first micro-batch finds no gradients and the second one finds them, as all later ones do, which are no larger.
MICRO_BATCHES = 2

PARTS = (*TRAINING_PARTS, "inference")
#: Peaks by part. Each is linear in the depth of a model, but which one is highest may depend on it.
Peaks = dict[str, MemoryBreakdown]


def predict(
    model: nn.Module, method: Method, cell: Cell, device: str, dtype: torch.dtype,
    capability: tuple[int, int] = ASSUMED_CAPABILITY,
) -> Peaks:  # fmt: skip
    """Predict the bytes allocated at the peaks of training and inference, with max_length tokens in every sequence.

    Args:
        model: adapted model on the meta device; it is consumed.
        method: method that adapted it.
        cell: cell with batch sizes, length, optimizer and checkpointing.
        device: ``cpu`` or ``cuda``: device whose kernels and allocator are assumed.
        dtype: dtype of the matmuls.
        capability: compute capability of a CUDA device.

    Returns:
        The peak of each of TRAINING_PARTS if the method trains, and that of ``inference``.
    """
    with FakeTensorMode():
        convert_tensors(model, empty_like)
        allow_cpu_layout(model, False)
        held: dict[str, Held] = {}
        if method.trains:
            held.update(_training(model, method, cell, device, dtype).items())
        requantization = fake_requantization(model) if cell.model.bits == 4 else nullcontext()
        with requantization, kernels_of(device):
            model = method.prepare_inference(model)
        held["inference"] = _inference(model, cell, device, dtype)
    workspace_bytes = matmul_workspace_bytes(capability, method.trains) if device == "cuda" else 0
    return {
        part: MemoryBreakdown.of_tensors(
            "inference" if part == "inference" else "train",
            peak | {"workspace": peak.get("workspace", 0) + workspace_bytes},
        )
        for part, peak in held.items()
    }


def matmul_workspace_bytes(capability: tuple[int, int], trains: bool) -> int:
    """Memory that cuBLAS keeps on a GPU: one workspace per thread that has run a matmul."""
    each = CUBLAS_WORKSPACE_BYTES.get(capability, OTHER_CUBLAS_WORKSPACE_BYTES)
    return each * (TRAINING_THREADS if trains else INFERENCE_THREADS)


def _training(model: nn.Module, method: Method, cell: Cell, device: str, dtype: torch.dtype) -> dict[Part, Held]:
    step = training_step(model, method, cell, device, dtype, STEPS)
    batch = full_batch(cell.train.batch_size, cell.data.max_length, trained_tokens(cell))
    tracker = tracker_of(model, device)
    hold_batch(tracker, batch)
    for _ in range(STEPS):
        peaks = training_peaks(step, batch, tracker, partial(kernels_of, device), MICRO_BATCHES)
    return peaks


def training_step(
    model: nn.Module, method: Method, cell: Cell, device: str, dtype: torch.dtype, total_steps: int
) -> TrainStep:
    """The training step of a model of fake tensors, which is put into training mode; call it under FakeTensorMode.

    Args:
        model: adapted model of fake tensors; its weights are converted to their storage precision.
        method: method that adapted it.
        cell: cell with precision, optimizer and checkpointing.
        device: ``cpu`` or ``cuda``: device whose kernels are assumed.
        dtype: dtype of the matmuls.
        total_steps: number of steps of the learning rate's schedule.
    """
    store_weights(model, dtype, cell.train.weights_storage)
    if cell.train.gradient_checkpointing:
        enable_gradient_checkpointing(model)
    if device == "cpu" and cell.train.kernels == "fast":
        replace_dropout(model)
    model.train()
    precision = autocast(torch.device("cpu"), dtype, cell.train.weights_storage)
    # A paged optimizer state has the same size.
    paged = cell.train.optimizer == "paged_adamw"
    settings = cell.train.model_copy(update={"optimizer": "adamw"}) if paged else cell.train
    return TrainStep(model, method, total_steps, settings, precision, cell.model.kind)


def _inference(model: nn.Module, cell: Cell, device: str, dtype: torch.dtype) -> Held:
    model.requires_grad_(False)
    convert_tensors(model, lambda t: t.to(dtype) if t.is_floating_point() else t)
    model.eval()
    batch = full_batch(cell.train.inference_batch_size, cell.data.max_length)
    tracker = tracker_of(model, device)
    hold_batch(tracker, batch)
    causal = cell.model.kind == "causal"
    score = LabelScorer(model, BARE_PROMPT).scores if causal else partial(_class_scores, model)
    return inference_peak(score, batch, tracker, partial(kernels_of, device))


def _class_scores(model: nn.Module, batch: Batch) -> Tensor:
    # As bench.train.evaluate, whose import of scikit-learn takes longer than most of a plan's rows.
    return class_logits(model, batch.input_ids, batch.attention_mask, batch.token_types)


#: Prompt for the prediction. Nothing precedes the text, so that all tokens of a sequence are computed.
BARE_PROMPT = Prompt(
    prefix_ids=(), suffix_ids=(0,), label_ids=((0,), (1,)), end_id=None, label_words=("0", "1"), prefix_text="",
    suffix_text="", settings=PromptSettings(generate=False),
)  # fmt: skip


def kernels_of(device: str) -> AbstractContextManager[None]:
    """The context in which operators on a CPU imitate those of a device, ``cpu`` or ``cuda``."""
    return cuda_kernels() if device == "cuda" else nullcontext()


def trained_tokens(cell: Cell) -> int | None:
    """Number of tokens of a sequence that a causal model is trained on; None for an encoder."""
    if cell.model.kind == "encoder":
        return None
    return ANSWER_TOKENS if cell.train.loss_tokens == "answer" else cell.data.max_length - 1


def full_batch(size: int, length: int, answer_tokens: int | None = None, masked: bool = True) -> Batch:
    """A batch of sequences without padding.

    Args:
        size: number of sequences.
        length: tokens of each.
        answer_tokens: number of tokens that a causal model is trained on; None: the labels are classes.
        masked: whether there is an attention mask, as if one text were shorter.
    """
    ids = torch.ones(size, length, dtype=torch.int64)
    shape = (size,) if answer_tokens is None else (size, answer_tokens)
    mask = torch.ones_like(ids) if masked else None
    indices = np.broadcast_to(np.int64(0), size)  # takes no memory, however many sequences there are
    return Batch(ids, mask, torch.zeros(shape, dtype=torch.int64), indices, ids.numel())


def as_costs(peaks: Peaks) -> Costs:
    """The peaks as numbers that are each linear in the depth; None for parts that do not occur."""
    return tuple(peaks[part].held_bytes[kind] if part in peaks else None for part in PARTS for kind in KINDS)


def from_costs(costs: Costs) -> Peaks:
    """The inverse of ``as_costs``."""
    found: Peaks = {}
    numbers = iter(costs)
    for part in PARTS:
        held = {kind: value for kind in KINDS if (value := next(numbers)) is not None}
        if held:
            found[part] = MemoryBreakdown.of_tensors("inference" if part == "inference" else "train", held)
    return found


def highest_of_training(peaks: Peaks) -> MemoryBreakdown | None:
    """The highest peak of a training step; None if nothing is trained."""
    training = [peaks[part] for part in TRAINING_PARTS if part in peaks]
    return max(training, key=lambda peak: peak.peak_bytes, default=None)
