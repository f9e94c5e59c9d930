"""Random weights of causal models on a CPU, kept on disk, because drawing and quantising 7 billion takes minutes.

The values are a function of the layers, the state of the generator and the versions of the libraries, and are bitwise
equal with and without the cache. Devices other than a CPU draw and quantise faster than a disk reads.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor, nn
from transformers import PretrainedConfig

from bench.model.packed_layers import layer_from, tensors_of
from bench.model.quantization import replace_linear_layers
from bench.model.random_weights import draw_weights, empty_causal, spread_of
from bench.model.tensor_file import map_tensors, write_tensors
from bench.model.weight_entries import VARIABLE, limit_bytes, make_room, stated_bytes, weights_folder
from bench.model.weight_memory import weight_bytes
from bench.record.notices import doing, notice
from bench.study.models import ModelSource

#: To be raised when the same key would mean other values.
CACHE_VERSION = 1
#: Models with fewer parameters are drawn faster than files are locked, checked and kept.
LEAST_PARAMETERS = 50_000_000
#: Name in the file of the generator's state after the weights were drawn.
GENERATOR = "generator after the weights"


def cached_random_causal(
    source: ModelSource, config: PretrainedConfig, dtype: torch.dtype, device: torch.device
) -> nn.Module:
    """The model of ``random_causal``, with weights from the cache if they are there, else kept there.

    The generator ends in the same state in both cases. A process that needs the same weights waits for the one that
    draws them. Weights that cannot be kept are drawn in memory, with a notice.

    Args:
        source: model, with its bits and its attention.
        config: architecture.
        dtype: dtype of unquantised weights.
        device: device of the model.

    Raises:
        UnsupportedError: transformers has no such model.
        StudyError: TUNEBENCH_WEIGHTS_BYTES is not a whole number.
    """
    model = empty_causal(config, dtype, source.attention)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if device.type != "cpu" or parameters < LEAST_PARAMETERS:
        draw_weights(model, dtype, source.bits, device)
        return model
    stated_bytes()  # a wrong limit is said before minutes of work
    path = weights_folder() / f"{_key(model, dtype, source.bits)}.safetensors"
    with doing(f"building random weights of model {source.name}"), _locked(path) as locked:
        if locked and (found := _read(path)) is not None:
            _fill(model, found, dtype, source.bits)
            return model
        draw_weights(model, dtype, source.bits, device)
        if locked:
            _keep(source.name, path, _tensors(model))
    return model


def cache_shortage(source: ModelSource, config: PretrainedConfig, dtype: torch.dtype) -> str | None:
    """Why random weights on a CPU will not be kept: their size and that of the cache; None if they will be.

    Raises:
        StudyError: TUNEBENCH_WEIGHTS_BYTES is not a whole number.
        OSError: the disk cannot be asked.
    """
    if source.weights != "random" or source.kind != "causal":
        return None
    needed = weight_bytes(source, config, dtype)
    stored_bits = source.bits if source.bits in (4, 8) else 8 * dtype.itemsize
    if needed * 8 < LEAST_PARAMETERS * stored_bits:
        return None
    room = limit_bytes()
    return _too_large(source.name, needed, room) if needed > room else None


def _too_large(name: str, needed: int, room: int) -> str:
    return (
        f"the random weights of model {name}, {needed / 1e9:.1f} GB, are not kept in {weights_folder()}, which may "
        f"hold {room / 1e9:.1f} GB, so they are built again each time; free space on its disk, or set "
        f"{VARIABLE} to a larger size"
    )


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold the lock of an entry; False, with a notice, if there can be none."""
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError) as error:  # NotImplementedError: a file system without locks
        _not_kept(path.parent, error)
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _read(path: Path) -> dict[str, Tensor] | None:
    """The tensors of an entry; None if it is missing or, with a notice, if it is damaged."""
    try:
        if not os.path.lexists(path):
            return None
        if not path.is_file():  # reading a pipe would block
            raise ValueError("it is not a regular file")
        tensors = map_tensors(path)
        os.utime(path)  # the entry that was used last goes last
    except (OSError, ValueError) as error:
        notice(f"the cached weights {path} cannot be used, so they are built again: {_reason(error)}")
        return None
    return tensors


def _keep(name: str, path: Path, tensors: dict[str, Tensor]) -> None:
    needed = sum(tensor.nbytes for tensor in tensors.values())
    try:
        room = make_room(path, needed)
        if room is not None:
            notice(_too_large(name, needed, room))
            return
        write_tensors(path, tensors)
    except OSError as error:
        _not_kept(path.parent, error)


def _not_kept(folder: Path, error: Exception) -> None:
    notice(
        f"the cache {folder} cannot be used, so random weights are built again each time: {_reason(error)}; make room "
        "there, or set TUNEBENCH_CACHE to another folder"
    )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    tensors = {GENERATOR: torch.get_rng_state()}
    for name, parameter in model.named_parameters():
        tensors |= tensors_of(name, parameter)
    return tensors


def _fill(model: nn.Module, tensors: dict[str, Tensor], dtype: torch.dtype, bits: int | None) -> None:
    """Give an empty model its weights, and the generator its state."""
    if bits in (4, 8):
        replace_linear_layers(model, lambda name, linear: layer_from(linear, name, tensors, dtype, int(bits)), bits)
    made: dict[nn.Parameter, nn.Parameter] = {}  # a head may share the weights of the embeddings
    for path, module in model.named_modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.is_meta:
                if parameter not in made:
                    made[parameter] = nn.Parameter(tensors[f"{path}.{name}".lstrip(".")])
                setattr(module, name, made[parameter])
    torch.set_rng_state(tensors[GENERATOR].clone())


def _key(model: nn.Module, dtype: torch.dtype, bits: int | None) -> str:
    """Digest of all that the weights are a function of: layers and their order, bits, generator and libraries.

    The layers and not the config, whose number of classes, attention and special tokens change no weight.
    """
    libraries = [f"{name} {version(name)}" for name in ("torch", "transformers", "bitsandbytes")]
    # The kernels that draw and quantise differ with the instructions of the processor.
    facts = [CACHE_VERSION, *libraries, torch.backends.cpu.get_cpu_capability(), str(dtype), bits, spread_of(model)]
    digest = hashlib.sha256(json.dumps(facts).encode())
    numbers: dict[nn.Parameter, int] = {}  # which names share a parameter
    for path, module in model.named_modules():
        own = [
            (name, tuple(each.shape), str(each.dtype), numbers.setdefault(each, len(numbers)))
            for name, each in module.named_parameters(recurse=False, remove_duplicate=False)
        ]
        digest.update(f"\n{path} {type(module).__qualname__} {own}".encode())
    digest.update(torch.get_rng_state().numpy().tobytes())
    return digest.hexdigest()
