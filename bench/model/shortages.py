"""What a machine lacks for a model on its CPU, said before any work."""

import torch
from transformers import PretrainedConfig

from bench.model.weight_cache import cache_shortage
from bench.model.weight_memory import host_shortage
from bench.study.models import ModelSource


def shortages(
    source: ModelSource, config: PretrainedConfig, dtype: torch.dtype, memory_bytes: int | None
) -> tuple[str, ...]:
    """One sentence each for too little memory, and for too little room on the disk to keep random weights.

    A cell without enough memory ends as ``oom`` before its weights are built; without room on the disk, it builds them.

    Args:
        source: model.
        config: architecture of the model.
        dtype: dtype of the matmuls, and of a causal model's weights.
        memory_bytes: limit of a cell's host memory; None without one.

    Raises:
        StudyError: the stated limit of the cache is wrong.
    """
    memory = host_shortage(source, config, dtype, memory_bytes)
    if memory is not None:
        return (f"too little memory: {memory}",)  # nothing will be built that could be kept
    try:
        disk = cache_shortage(source, config, dtype)
    except OSError as error:
        disk = f"the cache of random weights cannot be used: {error.strerror}"
    return () if disk is None else (f"too little disk: {disk}",)
