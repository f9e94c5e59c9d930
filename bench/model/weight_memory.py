"""Check that a model's weights fit into memory before they are allocated; a config.json may claim any sizes."""

import torch
from transformers import PretrainedConfig

from bench.measure.host_limits import host_limit
from bench.model.load import build
from bench.study.models import ModelSource


def require_room(
    source: ModelSource, config: PretrainedConfig, dtype: torch.dtype, device: torch.device, memory_bytes: int | None
) -> None:
    """Compare the size of the weights with the available memory.

    Args:
        source: model.
        config: architecture of the model.
        dtype: dtype of the matmuls, and of a causal model's weights.
        device: device of the computation; an encoder is built on the host first.
        memory_bytes: limit of this process's host memory; None without one.

    Raises:
        MemoryError: the weights do not fit into the host's memory.
        torch.OutOfMemoryError: they do not fit into the device's.
    """
    needed = _weight_bytes(source, config, dtype)
    on_host = source.kind == "encoder" or device.type == "cpu"
    if on_host:
        limit = host_limit(memory_bytes)
        room, named = limit.bytes - limit.base_bytes, limit.named
    else:
        room, named = torch.accelerator.get_memory_info(device)[1], f"the memory of {device}"
    if needed > room:
        kind = MemoryError if on_host else torch.OutOfMemoryError
        raise kind(
            f"the weights of model {source.name} take {needed / 1e9:.1f} GB by its config.json, and {named} has room "
            f"for {room / 1e9:.1f} GB; take a smaller model, or check hidden sizes and layers in its config.json"
        )


def _weight_bytes(source: ModelSource, config: PretrainedConfig, dtype: torch.dtype) -> int:
    """Minimum size of parameters and buffers; a model in 4 or 8 bits counts as if all of it were packed."""
    with torch.device("meta"):
        model = build(config, source.kind, torch.float32 if source.kind == "encoder" else dtype)
    whole = sum(tensor.numel() * tensor.element_size() for tensor in (*model.parameters(), *model.buffers()))
    return whole * source.bits // (8 * dtype.itemsize) if source.bits in (4, 8) else whole
