"""Check that a model's weights fit into memory before they are allocated; a config.json may claim any sizes."""

import torch
from torch import nn
from transformers import PretrainedConfig

from bench.measure.host_limits import host_limit
from bench.model.load import build
from bench.model.quantization import output_head
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
    on_host = source.kind == "encoder" or device.type == "cpu"
    if on_host:
        said = host_shortage(source, config, dtype, memory_bytes)
        if said is not None:
            raise MemoryError(said)
        return
    needed, room = weight_bytes(source, config, dtype), torch.accelerator.get_memory_info(device)[1]
    if needed > room:
        raise torch.OutOfMemoryError(_shortage(source, needed, room, f"the memory of {device}"))


def host_shortage(
    source: ModelSource, config: PretrainedConfig, dtype: torch.dtype, memory_bytes: int | None
) -> str | None:
    """How much memory the weights take and how much the host has; None if they fit. Arguments as ``require_room``."""
    needed, limit = weight_bytes(source, config, dtype), host_limit(memory_bytes)
    room = limit.bytes - limit.base_bytes
    return _shortage(source, needed, room, limit.named) if needed > room else None


def _shortage(source: ModelSource, needed: int, room: int, named: str) -> str:
    return (
        f"the weights of model {source.name} take {needed / 1e9:.1f} GB by its config.json, and {named} has room "
        f"for {room / 1e9:.1f} GB; take a smaller model, or check hidden sizes and layers in its config.json"
    )


def weight_bytes(source: ModelSource, config: PretrainedConfig, dtype: torch.dtype) -> int:
    """Size of parameters and buffers, in bytes; constants of quantisation, up to 4 % of packed weights, are left out.

    A checkpoint in 4 or 8 bits may have more layers that are not packed.
    """
    with torch.device("meta"):
        model = build(config, source.kind, torch.float32 if source.kind == "encoder" else dtype)
    tensors = {id(tensor): tensor.nbytes for tensor in (*model.parameters(), *model.buffers())}
    if source.bits in (4, 8):
        head = output_head(model)
        for layer in model.modules():
            if type(layer) is nn.Linear and layer is not head:
                tensors[id(layer.weight)] = layer.weight.numel() * source.bits // 8
    return sum(tensors.values())
