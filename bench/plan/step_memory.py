"""Memory at every operator of a training step, and its peak at many batch sizes from one step."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from bench.method import Method
from bench.model.quantization import allow_cpu_layout
from bench.plan.fake_tensors import convert_tensors, empty_like
from bench.plan.memory import full_batch, kernels_of, trained_tokens, training_step
from bench.study.cell import Cell
from bench.train.memory import hold_batch, hold_state, tracker_of, training_peaks

#: The schedule of the learning rate needs a length; memory does not depend on it.
TOTAL_STEPS = 1000
#: More than weight, gradient, optimizer state and copies of them take per element of the model, and than other tensors
#: that do not depend on the batch, such as a causal mask.
MOST_BYTES_PER_ELEMENT, OTHER_CONSTANT_BYTES = 32, 2**30
#: A multiple of the numbers to 12 and of powers of 2, the usual numbers of experts.
DIVISORS = 2**10 * 3**2 * 5 * 7 * 11


class StepMemory:
    """Runs training steps of one model on fake tensors, with any batch size, with or without an attention mask."""

    def __init__(self, model: nn.Module, method: Method, cell: Cell, device: str, dtype: torch.dtype) -> None:
        """Set up the step and the optimizer's state.

        Args:
            model: adapted model on the meta device; it is consumed.
            method: method that adapted it; it must train something.
            cell: cell with length, precision, optimizer and checkpointing; its batch size does not matter.
            device: ``cpu`` or ``cuda``: device whose kernels and allocator are assumed.
            dtype: dtype of the matmuls.
        """
        self._model, self._cell, self._device = model, cell, device
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

    def peaks(self, batches: NDArray[np.int64], masked: bool = True) -> NDArray[np.float64]:
        """Peak bytes of a step at each of the given batch sizes, from one step.

        A tensor either has a dimension of the batch or does not depend on it, so at operator i the live tensors take
        a_i + b_i B bytes at batch size B, and the peak is the highest over i. The operator with the peak may therefore
        change with B. A step with a batch size H above every a_i gives both: b_i is the quotient of its bytes and H,
        a_i the remainder. Fake tensors hold no data, so such a step takes no longer than any other.

        The allocator rounds the sizes of blocks up, by less than 512 bytes a tensor; only that of a_i is counted.

        Args:
            batches: batch sizes, shape (n,); 0 stands for what is held without any sequence.
            masked: whether the batch has an attention mask.

        Returns:
            Bytes, shape (n,), without cuBLAS's workspaces.
        """
        huge = _above_constant_bytes(self._model)
        lines = {divmod(live, huge) for live in self.live_bytes(huge, masked)}
        per_sequence, constant = np.array(sorted(lines), dtype=np.float64).T[:, :, None]
        peaks: NDArray[np.float64] = (constant + per_sequence * batches).max(axis=0)
        return peaks

    def live_bytes(self, batch_size: int, masked: bool = True) -> list[int]:
        """Bytes of live tensors at every operator of a step, in their order, without cuBLAS's workspaces.

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
        return live


def _above_constant_bytes(model: nn.Module) -> int:
    """A batch size above the bytes of all tensors of a step that do not depend on the batch.

    It has many divisors, because experts share the tokens of a batch evenly.
    """
    elements = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers()))
    return (MOST_BYTES_PER_ELEMENT * elements + OTHER_CONSTANT_BYTES) // DIVISORS * DIVISORS + DIVISORS
