"""The validation F1 amid a training: the weights are kept at points of it, and predict once it is over.

To predict between two steps would warm or cool the device and move memory, so the training that is measured would be
another one. Early stopping alone needs the F1 at once, see ``bench.run.worker.early_stopping``.
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
from bench.train.inputs import Reading
from bench.train.loop import StepHook
from bench.train.seeding import kept_generators


def validation_steps(total: int, points: int) -> list[int]:
    """Steps done at each point: evenly spread, the last at the end, fewer points where there are fewer steps."""
    return sorted({-(-total * point // points) for point in range(1, points + 1)})


class Snapshots:
    """What a training has changed by some of its steps, in a file without a name, which is gone with the process.

    The last point is the training's end, whose weights the model has.

    Attributes:
        steps: steps done at each point.
    """

    def __init__(self, model: nn.Module, steps: Sequence[int], folder: Path) -> None:
        """Open the file, unless there is nothing to keep.

        Args:
            model: that is trained, on its device.
            steps: steps done at each point.
            folder: on the disk that the weights are kept on.

        Raises:
            RunFolderError: the disk has no room for them.
        """
        self.steps = tuple(steps)
        self._model, self._folder = model, folder
        self._kept: dict[int, tuple[int, list[tuple[int, torch.Size, torch.dtype]]]] = {}
        needed = len(self.steps[:-1]) * sum(tensor.nbytes for tensor in _changing(model))
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise RunFolderError(
                f"{folder} needs {needed / 1e9:.3g} GB of disk to keep the weights of {len(self.steps)} validation "
                f"points, and has {free / 1e9:.3g} GB; make room, or lower train.validation_points"
            )
        try:
            self._file = tempfile.TemporaryFile(dir=folder) if needed else None  # noqa: SIM115 - __exit__ closes it
        except OSError as error:
            raise RunFolderError(f"{folder} cannot be written: {error.strerror}") from error

    def __enter__(self) -> "Snapshots":
        """The file is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the disk space back."""
        if self._file is not None:
            with suppress(OSError):  # closing writes what a full disk has refused before
                self._file.close()

    def wanted(self, step: int) -> bool:
        """Whether the weights are to be kept after so many steps."""
        return self._file is not None and step in self.steps[:-1]

    def keep(self, step: int) -> None:
        """Write the weights as they are now, tensor by tensor, and wait until the disk has them.

        Raises:
            RunFolderError: the disk is full.
        """
        assert self._file is not None, "the step was asked about"
        tensors = list(_changing(self._model))
        try:
            start = self._file.seek(0, os.SEEK_END)
            for tensor in tensors:
                self._file.write(_bytes_of(tensor.detach().cpu()))
            self._file.flush()
            os.fsync(self._file.fileno())  # else the kernel would write while the next steps are timed
        except OSError as error:
            raise RunFolderError(f"{self._folder} cannot hold the weights of a step: {error.strerror}") from error
        self._kept[step] = start, list(map(_layout, tensors))

    def load(self, step: int) -> None:
        """Give the model new tensors with the values of a step; those of the end stay with whoever holds them.

        Raises:
            ValueError: other tensors than now were trained at that step, or of another shape or type.
        """
        if step == self.steps[-1]:
            return
        assert self._file is not None, "something was kept"
        start, layout = self._kept[step]
        tensors = list(_changing(self._model))
        if layout != list(map(_layout, tensors)):
            raise ValueError("the training changed which weights it trains, or the shape or the type of one")
        self._file.seek(start)
        for tensor in tensors:
            values = torch.empty(tensor.shape, dtype=tensor.dtype)
            if self._file.readinto(_bytes_of(values)) != values.nbytes:
                raise ValueError(f"the weights of step {step} are not whole")
            tensor.data = torch.empty_like(tensor.data).copy_(values)  # as it lies in memory


def _layout(tensor: Tensor) -> tuple[int, torch.Size, torch.dtype]:
    """Which tensor of the model it is, and what it needs."""
    return id(tensor), tensor.shape, tensor.dtype


def _changing(model: nn.Module) -> Iterator[Tensor]:
    """What a training may change, each once: trainable parameters, and buffers that belong to the model's state."""
    yield from (parameter for parameter in model.parameters() if parameter.requires_grad)
    state = {id(tensor) for tensor in _buffers_of_state(model)}
    yield from (buffer for buffer in model.buffers() if id(buffer) in state)


def _buffers_of_state(model: nn.Module) -> Iterator[Tensor]:
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name not in module._non_persistent_buffers_set:  # those are worked out from the rest
                yield buffer


def _bytes_of(tensor: Tensor) -> memoryview:
    """The bytes of a tensor in the host's memory; not copied where it is contiguous."""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data


def macro_f1(model: nn.Module, reading: Reading, device: torch.device, tell: StepHook) -> float:
    """Macro F1 of a model, ready for inference, on the validation split."""
    scores, _ = reading.predict(model, "validation", device, tell)
    labels = reading.labels_of("validation")
    return quality(scores.argmax(axis=1), labels, reading.dataset.labels, "validation").macro_f1


def macro_f1_as_it_is(
    model: nn.Module, reading: Reading, device: torch.device, dtype: torch.dtype, tell: StepHook
) -> float:
    """Macro F1 of a model amid its training, as ``validate`` finds it; weights, modes and generators are left alone."""
    with _left_as_it_is(model), kept_generators():
        cast_parameters(model, dtype)
        return macro_f1(model, reading, device, tell)


def validate(
    model: nn.Module, reading: Reading, snapshots: Snapshots, device: torch.device, dtype: torch.dtype, tell: StepHook
) -> list[float]:
    """Macro F1 on the validation split at each point; the model is then as the training has left it.

    The weights are in the dtype of inference, and nothing is merged or laid out for it. What a method changes beside
    parameters and buffers, e.g. a plain number of its own, is as at the end.

    Args:
        model: trained, on the device.
        reading: the texts.
        snapshots: of its training.
        device: where the model lies.
        dtype: of the matmuls.
        tell: told after each batch, of those of all points.

    Raises:
        ValueError: the training changed which weights it trains, or the shape or the type of one.
    """
    found: list[float] = []
    points = len(snapshots.steps)
    for index, step in enumerate(snapshots.steps):

        def told(done: int, of: int, before: int = index) -> None:
            tell(before * of + done, points * of)

        with _left_as_it_is(model), kept_generators():
            snapshots.load(step)
            cast_parameters(model, dtype)
            found.append(macro_f1(model, reading, device, told))
    return found


@contextmanager
def _left_as_it_is(model: nn.Module) -> Iterator[None]:
    """Give a model its very tensors, and each of its modules its mode, back in the end; nothing is copied."""
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
