"""Check that scores of a few texts do not depend on padding or on merging of weights."""

import traceback

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.data.batches import Batch
from bench.method import Method
from bench.record.record import Check
from bench.run.worker import checks as validity
from bench.train.inputs import Inputs
from bench.train.loop import autocast
from bench.train.seeding import kept_generators

TEXTS = 8


class Agreement:
    """Scores of the same few texts, computed in several ways; none of them is timed.

    The texts are from the evaluated split, from the shortest to the longest, so that their batch is padded. Their
    number is at most the inference batch size, or two, so that they fit into memory.
    """

    def __init__(self, inputs: Inputs, device: torch.device, dtype: torch.dtype) -> None:
        """Choose the texts.

        Args:
            inputs: texts of the cell.
            device: device of the model.
            dtype: dtype of the matmuls.
        """
        self._inputs, self._device, self._dtype = inputs, device, dtype
        self._split = inputs.cell.data.evaluate_split
        self._rows = _of_all_lengths(
            inputs.tokens[self._split].lengths, max(2, min(TEXTS, inputs.cell.train.inference_batch_size))
        )
        self._merges = False
        self._unmerged: Tensor | None = None
        self._failed: str | None = None

    def before(self, model: nn.Module, method: Method) -> None:
        """Keep the trained model's scores, if the method overrides ``prepare_inference``."""
        if type(method).prepare_inference is Method.prepare_inference:
            return
        self._merges = True
        storage = self._inputs.cell.train.weights_storage
        try:
            with autocast(self._device, self._dtype, storage):
                self._unmerged = self._scores(model, [self._rows])
        except Exception as error:  # an extra check must not fail the cell
            traceback.print_exc()
            self._failed = f"{type(error).__name__}: {error}"

    def checks(self, model: nn.Module) -> list[Check]:
        """Checks that compare the prepared model's scores with and without padding, and with those before merging."""
        bits = self._inputs.cell.model.bits
        limit = validity.agreement_limit(self._dtype, bits)
        together: Tensor | None = None
        alone: Tensor | None = None
        try:
            together = self._scores(model, [self._rows])
            alone = self._scores(model, [self._rows[i : i + 1] for i in range(len(self._rows))])
        except Exception as error:  # as above
            traceback.print_exc()
            self._failed = f"{type(error).__name__}: {error}"
        found = [validity.agree("padding", alone, together, limit, self._failed)]
        if self._merges:
            found.append(validity.agree("merging", self._unmerged, together, limit, self._failed))
        return found

    @kept_generators()
    def _scores(self, model: nn.Module, batches: list[NDArray[np.int64]]) -> Tensor:
        """Class scores of all texts, float32, shape (N, C), one batch at a time."""
        score = self._inputs.scorer(model)
        with torch.inference_mode():
            return torch.cat([score(self._batch(rows).to(self._device)).float().cpu() for rows in batches])

    def _batch(self, rows: NDArray[np.int64]) -> Batch:
        return self._inputs.batch_of(self._split, rows)


def _of_all_lengths(lengths: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Rows of at most ``most`` texts, evenly spread over the texts in order of length."""
    order = np.argsort(lengths, kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, most).round().astype(np.int64))]
