"""Memory at every operator of a training step, and peaks at many batch sizes from two of them."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from bench.method import Method
from bench.model.quantization import allow_cpu_layout
from bench.plan.fake_tensors import convert_tensors, empty_like
from bench.plan.memory import (
    ASSUMED_CAPABILITY, full_batch, kernels_of, matmul_workspace_bytes, trained_tokens, training_step,
)  # fmt: skip
from bench.study.cell import Cell
from bench.train.memory import hold_batch, hold_state, tracker_of, training_peaks

Points = NDArray[np.int64]
#: The schedule of the learning rate needs a length; memory does not depend on it.
TOTAL_STEPS = 100


class StepMemory:
    """Runs training steps of one model on fake tensors, with any batch size, with or without an attention mask."""

    def __init__(
        self, model: nn.Module, method: Method, cell: Cell, device: str, dtype: torch.dtype,
        capability: tuple[int, int] = ASSUMED_CAPABILITY,
    ) -> None:  # fmt: skip
        """Set up the step and the optimizer's state.

        Args:
            model: adapted model on the meta device; it is consumed.
            method: method that adapted it; it must train something.
            cell: cell with length, precision, optimizer and checkpointing; its batch size does not matter.
            device: ``cpu`` or ``cuda``: device whose kernels and allocator are assumed.
            dtype: dtype of the matmuls.
            capability: compute capability of a CUDA device.
        """
        self._model, self._cell, self._device = model, cell, device
        self._workspace_bytes = matmul_workspace_bytes(capability, trains=True) if device == "cuda" else 0
        self._mode = FakeTensorMode()
        with self._mode:
            convert_tensors(model, empty_like)
            allow_cpu_layout(model, False)
            self._step = training_step(model, method, cell, device, dtype, TOTAL_STEPS)
            # An update without forward and backward pass creates the same state and takes less time.
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.grad = torch.empty_like(parameter)
            self._step.update()

    def points(self, batch_size: int, masked: bool = True) -> Points:
        """Live bytes at every operator of a step, in the order of the operators.

        Args:
            batch_size: sequences of the step, each of ``max_length`` tokens.
            masked: whether the batch has an attention mask.
        """
        live: list[int] = []
        with self._mode:
            tracker = tracker_of(self._model, self._device)
            hold_state(tracker, self._step.optimizer)
            batch = full_batch(batch_size, self._cell.data.max_length, trained_tokens(self._cell), masked)
            hold_batch(tracker, batch)
            tracker.on_operator = live.append
            training_peaks(self._step, batch, tracker, partial(kernels_of, self._device))
        return np.array(live, dtype=np.int64) + self._workspace_bytes


def affine_peaks(sizes: tuple[int, int], points: tuple[Points, Points], batches: Points) -> NDArray[np.float64]:
    """Peak bytes of a step at each of the given batch sizes.

    A tensor either has a dimension of the batch or does not depend on it, so what is live at operator i takes
    a_i + b_i B bytes at batch size B. Two batch sizes determine a_i and b_i, and the peak is the highest over i. The
    position of the peak may therefore change with B. Blocks of the allocator round sizes, which is the only error.

    Args:
        sizes: two batch sizes.
        points: live bytes at every operator with each of them.
        batches: batch sizes, shape (n,).

    Returns:
        Bytes, shape (n,).

    Raises:
        ValueError: the two steps consist of different numbers of operators.
    """
    at_small, at_large = points
    if at_small.shape != at_large.shape:
        raise ValueError(f"steps of {len(at_small)} and {len(at_large)} operators cannot be compared one by one")
    per_sequence = (at_large - at_small) / (sizes[1] - sizes[0])
    constant = at_small - per_sequence * sizes[0]
    lines = np.unique(np.stack([constant, per_sequence], axis=1), axis=0)
    peaks: NDArray[np.float64] = (lines[:, :1] + lines[:, 1:] * batches).max(axis=0)
    return peaks
