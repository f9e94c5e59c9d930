"""The record of one measured cell: versioned, in SI units and bytes, null with a reason if unknown."""

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from bench.record.data import Data, Prompt
from bench.record.drift import within_limit_now
from bench.record.memory_breakdown import MemoryBreakdown
from bench.record.out_of_memory import Memory
from bench.record.quality import Quality
from bench.record.timings import Estimate, Latency, WithinCell
from bench.schema import Frozen, Share
from bench.study.cell import Cell

SCHEMA_VERSION = 1
#: Reason for a null quality if the weights were never trained.
RANDOM_WEIGHTS = "the model has random weights"
#: Reason for null fields about a model.
NO_MODEL = "the method has no model"

Status = Literal["ok", "oom", "timeout", "error", "killed", "unsupported"]
PhaseName = Literal[
    "load", "adapt", "warm-up", "train", "save", "evaluate", "inference", "latency", "generate", "insights", "memory",
    "calibrate", "validate",
]  # fmt: skip
Verdict = Literal["valid", "suspect", "unknown"]
CpuKernel = Literal["packed linear layers", "dropout"]


class Failure(Frozen):
    """The reason why a cell has no result."""

    phase: str = Field(description="phase that was running")
    type: str = Field(description="exception class, signal or limit")
    message: str
    log: str = Field("stderr.txt", description="file in the cell's folder with the complete log")
    memory: Memory | None = Field(None, description="out of memory: which one; null in older records")
    fitting_batch_size: int | None = Field(
        None, description="out of memory: the largest batch that fits according to the plan; 0 if none does"
    )


class Phase(Frozen):
    """One phase of a cell with its own time and peaks, also if it was interrupted.

    ``validate`` is the cost of validation points: copies of the weights during training, and predictions after it.
    """

    name: PhaseName
    seconds: float
    energy_joules: float | None = Field(None, description="energy of the GPU, or of the CPU package; null if unread")
    peak_host_bytes: int | None = Field(description="VmHWM of the worker, reset at the start of the phase")
    peak_cuda_allocated_bytes: int | None
    peak_cuda_reserved_bytes: int | None
    gpu_busy_fraction: Share | None = Field(
        None, description="share of time in which the GPU ran a kernel, mean of NVML's samples; null if unavailable"
    )


class Parameters(Frozen):
    """Parameter counts of the adapted model; without a model, of the fitted coefficients."""

    trainable_params: int = Field(description="stored elements that the optimizer updates")
    total_params: int = Field(description="stored elements; packed 4-bit weights count as stored")
    logical_params: int = Field(description="weights that the stored elements represent")


class Flops(Frozen):
    """Floating-point operations; one multiply-add is 2."""

    forward_flops: int = Field(description="one sequence of sequence_length tokens, batch 1, adapted but not merged")
    sequence_length: int
    closed_form_flops: int | None = Field(
        None, description="the same from sizes alone; null with a reason in ``unknown``, and in older records"
    )


class Speed(Frozen):
    """A timed pass: throughput of the timed steps, warm-up excluded, device synchronised."""

    timed_steps: int
    timed_seconds: float
    timed_samples: int
    timed_tokens: int | None = Field(
        description="non-padding tokens of the batches, without the cached start of a prompt; null without a model"
    )
    timed_padded_tokens: int | None = Field(
        description="the same with padding, without scored labels or generated tokens; null without a model"
    )
    samples_per_second: float
    tokens_per_second: float | None = Field(description="non-padding tokens per second; null without a model")
    batch_size: int
    within_cell: WithinCell | None = Field(None, description="null in older records")
    windowed_samples_per_second: Estimate | None = Field(None, description="only in older records")
    windowed_tokens_per_second: Estimate | None = Field(None, description="only in older records")
    energy_joules_per_sample: float | None = None
    model_flops_per_second: float | None = Field(None, description="FLOPs of the non-padding tokens per second")
    mfu_fraction: float | None = Field(
        None,
        description="model_flops_per_second / matmul_flops_per_second; null if the readings of the matmul disagree. "
        "Older records have it from one reading",
    )


class ValidationPoint(Frozen):
    """Quality of the adapted model during training."""

    step: int = Field(description="number of finished steps")
    train_seconds: float = Field(description="time of these steps, with warm-up, without validation points")
    macro_f1: Share = Field(
        description="validation macro F1 with the weights and buffers of that step, before anything is merged"
    )


class Training(Frozen):
    """Result of the training loop; without a model, of the fit, which counts as one step."""

    steps: int
    samples: int
    final_loss: float | None = Field(
        description="mean training loss over the last tenth of the steps, nats; null without a model"
    )
    speed: Speed | None = Field(description="null if every step was warm-up")
    train_seconds: float | None = Field(None, description="time of all steps, warm-up included; null in older records")
    validation: tuple[ValidationPoint, ...] = Field((), description="points of train.validation_points, in order")
    planned_steps: int | None = Field(
        None, description="steps of the schedule, more than steps after early stopping; null in older records"
    )
    best_step: int | None = Field(
        None, description="first validation point with the highest macro F1; null without validation points"
    )
    best_seconds: float | None = Field(None, description="time until best_step, counted as train_seconds")
    kept_step: int | None = Field(
        None, description="step whose weights are saved and evaluated, by train.keep; null in older records"
    )


class Check(Frozen):
    """One validity check of a record."""

    name: str
    verdict: Verdict
    found: str = Field(description="measured value and limit; for unknown: the reason")


class Generation(Frozen):
    """Parsed answers of a causal model; an answer that names no label is wrong, not a class of its own."""

    quality: Quality | None = Field(description="null if the model has random weights")
    parse_failure_fraction: Share | None = Field(
        description="share of answers that name no label, or several; null if the model has random weights"
    )
    max_new_tokens: int
    speed: Speed | None


class Machine(Frozen):
    """Machine and software of the measurement."""

    cpu: str
    cores: int = Field(description="cores available to the process")
    memory_bytes: int
    system: str
    python: str
    gpu: str | None = Field(description="name; null on a CPU")
    gpu_index: int | None = Field(None, description="in CUDA's order; null on a CPU and in older records")
    gpu_uuid: str | None = Field(None, description="GPU-... or MIG-..., as for nvidia-smi; null as gpu_index")
    gpu_capability: tuple[int, int] | None = Field(None, description="compute capability; null as gpu_index")
    gpus: int | None = Field(None, description="number of GPUs that CUDA sees; null as gpu_index")
    driver: str | None
    device: Literal["cpu", "cuda"]
    threads: int = Field(description="number of torch's threads")
    packages: dict[str, str]
    commit: str | None = Field(description="commit of this project's checkout; null outside one")
    dirty: bool | None = Field(description="the checkout had uncommitted changes")


class Record(Frozen):
    """One cell, measured or failed."""

    schema_version: Literal[1] = 1
    cell_id: str
    cell: Cell
    status: Status
    failure: Failure | None = None
    started_at: str = Field(description="UTC, ISO 8601")
    wall_seconds: float = Field(description="wall-clock time of the cell in its worker")
    worker_start_seconds: float | None = Field(None, description="time from the runner's request to the worker's start")
    precision: Literal["bf16", "fp16", "fp32"] | None = None
    machine: Machine | None = None
    data: Data | None = None
    phases: tuple[Phase, ...] = ()
    parameters: Parameters | None = None
    choices: dict[str, Any] = Field(
        default_factory=dict, description="what the method chose where its options leave it open, e.g. names of layers"
    )
    flops: Flops | None = None
    training: Training | None = None
    inference: Speed | None = None
    latency: tuple[Latency, ...] = Field((), description="inference latency at batch 1, then at the study's batch")
    matmul_flops_per_second: float | None = Field(
        None, description="speed of a large matmul on this machine and dtype: the highest reading; one in older records"
    )
    matmul_readings_flops_per_second: dict[PhaseName, float | None] = Field(
        default_factory=dict, description="readings, each by the phase that it is part of or follows"
    )
    memory: tuple[MemoryBreakdown, ...] = Field((), description="breakdowns of the peaks, from a separate pass")
    attention_kernels: tuple[str, ...] = Field(
        (), description="kernels that ran: PyTorch's flash, efficient, cudnn or math, the model's eager; empty: unknown"
    )
    cpu_kernels: tuple[CpuKernel, ...] | None = Field(
        None, description="tunebench's own kernels used in place of PyTorch's; null in older records"
    )
    checks: tuple[Check, ...] = Field((), description="validity checks; the row is suspect if one of them is")
    quality: Quality | None = Field(None, description="quality; of a causal model by label likelihood")
    generation: Generation | None = Field(None, description="generated answers of a causal model")
    prompt: Prompt | None = Field(None, description="prompt of a causal model")
    validation_macro_f1: Share | None = Field(None, description="macro F1 on the validation split, after training")
    artifact_bytes: int | None = Field(None, description="size of the files needed to use the adapted model")
    peak_train_bytes: int | None = Field(None, description="peak of warm-up and train: CUDA allocated, or host VmHWM")
    peak_inference_bytes: int | None = Field(None, description="peak of inference, of the same kind")
    peak_kind: Literal["cuda_allocated", "host_vmhwm"] | None = None
    study_batch_size: int | None = Field(
        None, description="train.batch_size of the study if it ran out of memory; the cell holds the size that ran"
    )
    warnings: tuple[str, ...] = Field((), description="sentences that a reader of the row must know")
    insights: dict[str, Any] = Field(default_factory=dict, description="a few numbers about what the method learnt")
    unknown: dict[str, str] = Field(
        default_factory=dict, description="reasons for null fields, by field", validate_default=True
    )

    @field_validator("quality", "generation", "validation_macro_f1")
    @classmethod
    def _no_quality_of_random_weights(cls, value: Any, info: ValidationInfo) -> Any:
        """Empty the quality of a model with random weights, which means nothing; older records have one."""
        cell = info.data.get("cell")  # missing if invalid
        if cell is None or cell.model.weights != "random":
            return value
        empty = {"quality": None, "parse_failure_fraction": None}
        return value.model_copy(update=empty) if isinstance(value, Generation) else None

    @field_validator("checks")
    @classmethod
    def _judge_drift_by_the_limit_of_today(cls, value: tuple[Check, ...]) -> tuple[Check, ...]:
        """Pass the check for drift of older records if it fails only by the lower limit of then."""
        changes = [within_limit_now(check.name, check.found) if check.verdict == "suspect" else None for check in value]
        return tuple(
            check if found is None else check.model_copy(update={"verdict": "valid", "found": found})
            for check, found in zip(value, changes, strict=True)
        )

    @field_validator("unknown")
    @classmethod
    def _say_why_random_weights_have_none(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        """Add the reason for the fields that the validator above empties."""
        cell, generation = info.data.get("cell"), info.data.get("generation")
        if cell is None or cell.model.weights != "random" or info.data.get("status") != "ok":
            return value
        written = ("generation.quality", "generation.parse_failure_fraction") if generation else ()
        return dict.fromkeys(("quality", "validation_macro_f1", *written), RANDOM_WEIGHTS) | value

    @property
    def stamp(self) -> Literal["valid", "suspect", "unstamped"]:
        """Verdict of all checks: an unknown check never makes a row suspect, and without checks it is unstamped."""
        verdicts = {check.verdict for check in self.checks}
        if "suspect" in verdicts:
            return "suspect"
        return "valid" if "valid" in verdicts else "unstamped"
