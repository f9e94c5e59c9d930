"""Validation F1 at points of a training: weights are saved at these points and evaluated after the training.

Inference between two steps would change the device's temperature and its memory, and so the measured training. Only
early stopping needs the F1 at once, see ``bench.run.worker.early_stopping``.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.errors import RunFolderError
from bench.model.quantization import cast_parameters, is_quantized
from bench.train.evaluate import quality
from bench.train.inputs import Inputs
from bench.train.loop import StepHook
from bench.train.seeding import kept_generators


def validation_steps(total: int, points: int) -> list[int]:
    """Number of steps at each point: evenly spread, the last at the end; fewer points if there are fewer steps."""
    return sorted({-(-total * point // points) for point in range(1, points + 1)})


class Snapshots:
    """Weights at points of a training, in an unnamed file that disappears with the process.

    The last point is the end of the training, whose weights the model holds.

    Attributes:
        steps: number of steps at each point.
    """

    def __init__(self, model: nn.Module, steps: Sequence[int], folder: Path) -> None:
        """Open the file, unless there is nothing to store.

        Args:
            model: model in training, on its device.
            steps: number of steps at each point.
            folder: folder for the file.

        Raises:
            RunFolderError: the disk has not enough space.
        """
        self.steps = tuple(steps)
        self._model, self._folder = model, folder
        self._kept: dict[int, tuple[int, list[tuple[int, torch.Size, torch.dtype]]]] = {}
        needed = len(self.steps[:-1]) * sum(tensor.nbytes for tensor in _changing(model))
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise RunFolderError(
                f"{folder} needs {needed / 1e9:.3g} GB of disk space for the weights of {len(self.steps)} validation "
                f"points, got {free / 1e9:.3g} GB; make room, or lower train.validation_points"
            )
        try:
            self._file = tempfile.TemporaryFile(dir=folder) if needed else None  # noqa: SIM115 - __exit__ closes it
        except OSError as error:
            raise RunFolderError(f"{folder} cannot be written: {error.strerror}") from error

    def __enter__(self) -> "Snapshots":
        """Return the snapshots."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, which frees its disk space."""
        if self._file is not None:
            with suppress(OSError):  # closing writes buffers again, which a full disk refuses
                self._file.close()

    def wanted(self, step: int) -> bool:
        """Whether the weights after this number of steps are to be stored."""
        return self._file is not None and step in self.steps[:-1]

    def keep(self, step: int) -> None:
        """Write the current weights, tensor by tensor, and wait until they are on the disk.

        Raises:
            RunFolderError: the disk is full.
        """
        assert self._file is not None, "wanted(step) is true"
        tensors = list(_changing(self._model))
        try:
            start = self._file.seek(0, os.SEEK_END)
            for tensor in tensors:
                self._file.write(_bytes_of(tensor.detach().cpu()))
            self._file.flush()
            os.fsync(self._file.fileno())  # otherwise the kernel would write during the next timed steps
        except OSError as error:
            raise RunFolderError(f"{self._folder} cannot hold the weights of a step: {error.strerror}") from error
        self._kept[step] = start, list(map(_layout, tensors))

    def load(self, step: int) -> None:
        """Give the model new tensors with the values of a step; its current tensors are not overwritten.

        Raises:
            ValueError: the trained tensors, their shapes or dtypes differ from those at that step.
        """
        if step == self.steps[-1]:
            return
        assert self._file is not None, "the step was kept"
        start, layout = self._kept[step]
        tensors = list(_changing(self._model))
        if layout != list(map(_layout, tensors)):
            raise ValueError("the training changed its set of trained weights, or the shape or dtype of one")
        self._file.seek(start)
        for tensor in tensors:
            values = torch.empty(tensor.shape, dtype=tensor.dtype)
            if self._file.readinto(_bytes_of(values)) != values.nbytes:
                raise ValueError(f"the weights of step {step} are incomplete")
            tensor.data = torch.empty_like(tensor.data).copy_(values)  # keeps the memory layout


def _layout(tensor: Tensor) -> tuple[int, torch.Size, torch.dtype]:
    """Identity, shape and dtype of a tensor."""
    return id(tensor), tensor.shape, tensor.dtype


def _changing(model: nn.Module) -> Iterator[Tensor]:
    """The tensors that a training may change, each once: trainable parameters, and buffers of the model's state."""
    yield from (parameter for parameter in model.parameters() if parameter.requires_grad)
    state = {id(tensor) for tensor in _buffers_of_state(model)}
    yield from (buffer for buffer in model.buffers() if id(buffer) in state)


def _buffers_of_state(model: nn.Module) -> Iterator[Tensor]:
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name not in module._non_persistent_buffers_set:  # those are computed from others
                yield buffer


def _bytes_of(tensor: Tensor) -> memoryview:
    """The bytes of a tensor in host memory, without a copy if it is contiguous."""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data


def macro_f1(model: nn.Module, inputs: Inputs, device: torch.device, tell: StepHook) -> float:
    """Macro F1 of a model in inference mode on the validation split."""
    scores, _ = inputs.predict(model, "validation", device, tell)
    labels = inputs.labels_of("validation")
    return quality(scores.argmax(axis=1), labels, inputs.dataset.labels, "validation").macro_f1


def macro_f1_as_it_is(
    model: nn.Module, inputs: Inputs, device: torch.device, dtype: torch.dtype, tell: StepHook
) -> float:
    """Macro F1 of a model during training, as in ``validate``; weights, modes and generators stay unchanged."""
    with _left_as_it_is(model), kept_generators():
        cast_parameters(model, dtype)
        return macro_f1(model, inputs, device, tell)


def validate(
    model: nn.Module, inputs: Inputs, snapshots: Snapshots, device: torch.device, dtype: torch.dtype, tell: StepHook
) -> list[float]:
    """Macro F1 on the validation split at each point; the model stays unchanged.

    The weights are cast to the dtype of inference, but not merged or laid out for it. Other state of a method, e.g. a
    plain number, has its value at the end of the training.

    Args:
        model: trained model on the device.
        inputs: texts of the cell.
        snapshots: snapshots of its training.
        device: device of the model.
        dtype: dtype of the matmuls.
        tell: function called after each batch, with totals over all points.

    Raises:
        ValueError: the training changed its set of trained weights, or the shape or dtype of one.
    """
    found: list[float] = []
    points = len(snapshots.steps)
    for index, step in enumerate(snapshots.steps):

        def tell_total(done: int, of: int, before: int = index) -> None:
            tell(before * of + done, points * of)

        with _left_as_it_is(model), kept_generators():
            snapshots.load(step)
            cast_parameters(model, dtype)
            found.append(macro_f1(model, inputs, device, tell_total))
    return found


@contextmanager
def _left_as_it_is(model: nn.Module) -> Iterator[None]:
    """Restore a model's tensors and the modes of its modules at the end, without copies."""
    parameters = [parameter for parameter in model.parameters() if not is_quantized(parameter)]
    tensors = [(tensor, tensor.data) for tensor in (*parameters, *model.buffers())]
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for tensor, data in tensors:
            tensor.data = data
        for module, training in modes:
            module.training = training
