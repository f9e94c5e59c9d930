"""The typed fields of the record that a worker has filled so far."""

from typing import Any, Literal, TypedDict

from bench.record.data import Data, Prompt
from bench.record.memory_breakdown import MemoryBreakdown
from bench.record.quality import Quality
from bench.record.record import CpuKernel, Flops, Generation, Machine, Parameters, PhaseName, Speed, Training
from bench.record.timings import Latency


class Facts(TypedDict, total=False):
    """Fields of ``Record`` by name; a missing one is null in the record of a failure."""

    started_at: str
    worker_start_seconds: float
    precision: Literal["bf16", "fp16", "fp32"]
    machine: Machine
    data: Data
    parameters: Parameters
    choices: dict[str, Any]
    flops: Flops
    training: Training
    inference: Speed | None
    latency: tuple[Latency, ...]
    matmul_flops_per_second: float | None
    matmul_readings_flops_per_second: dict[PhaseName, float | None]
    memory: tuple[MemoryBreakdown, ...]
    attention_kernels: tuple[str, ...]
    cpu_kernels: tuple[CpuKernel, ...]
    quality: Quality
    generation: Generation
    prompt: Prompt | None
    validation_macro_f1: float
    artifact_bytes: int
    peak_train_bytes: int
    peak_inference_bytes: int
    peak_kind: Literal["cuda_allocated", "host_vmhwm"]
    warnings: tuple[str, ...]
    insights: dict[str, Any]
