"""The record of one measured cell: versioned, SI units and bytes, null with a reason where unknown."""

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from bench.record.data import Data, Prompt
from bench.record.memory_breakdown import MemoryBreakdown
from bench.record.out_of_memory import Memory
from bench.schema import Frozen, Share
from bench.study.cell import Cell

SCHEMA_VERSION = 1
#: Why a quality is null, for models whose weights were never trained.
RANDOM_WEIGHTS = "the model has random weights"

Status = Literal["ok", "oom", "timeout", "error", "killed", "unsupported"]
PhaseName = Literal[
    "load", "adapt", "warm-up", "train", "save", "evaluate", "inference", "latency", "generate", "insights", "memory",
    "calibrate", "validate",
]  # fmt: skip
Verdict = Literal["valid", "suspect", "unknown"]
CpuKernel = Literal["packed linear layers", "dropout"]


class Failure(Frozen):
    """Why a cell has no result."""

    phase: str = Field(description="phase that was running")
    type: str = Field(description="exception class, signal or limit")
    message: str
    log: str = Field("stderr.txt", description="file in the cell's folder with the whole story")
    memory: Memory | None = Field(
        None, description="out of memory: whose has run out; null in a record that is older than this field"
    )
    fitting_batch_size: int | None = Field(
        None, description="out of memory: the largest batch that the plan says would fit; 0 where none does"
    )


class Phase(Frozen):
    """One part of the cell's work, with its own clock and its own peaks; one that was interrupted is one all the same.

    ``validate`` is what validation points cost: weights kept amid a training, and the predictions after it.
    """

    name: PhaseName
    seconds: float
    energy_joules: float | None = Field(None, description="of the GPU, or of the CPU's package; null where unread")
    peak_host_bytes: int | None = Field(description="VmHWM of the worker, restarted at the phase's start")
    peak_cuda_allocated_bytes: int | None
    peak_cuda_reserved_bytes: int | None
    gpu_busy_fraction: Share | None = Field(
        None, description="of time in which the GPU ran a kernel, mean of NVML's samples; null where it does not tell"
    )


class Parameters(Frozen):
    """Parameter counts of the adapted model."""

    trainable_params: int = Field(description="stored elements that the optimizer updates")
    total_params: int = Field(description="stored elements; a packed 4-bit weight counts as stored")
    logical_params: int = Field(description="weights that the stored elements stand for")


class Flops(Frozen):
    """Floating-point operations; one multiply-add is 2."""

    forward_flops: int = Field(description="one sequence of sequence_length tokens, batch 1, adapted and not merged")
    sequence_length: int
    closed_form_flops: int | None = Field(
        None, description="of the same pass, from sizes alone; null where ``unknown`` says why, and in an older record"
    )


class Estimate(Frozen):
    """A rate from windows of consecutive steps: their median, which a few disturbed steps do not move."""

    median: float
    low: float | None = Field(description="end of the 95 % interval of the median, by order statistics; null below 6")
    high: float | None
    windows: int
    window_steps: int


class Latency(Frozen):
    """Time from a batch handed over to its scores at hand, one batch after another."""

    batch_size: int
    timed_batches: int
    p50_seconds: float
    p90_seconds: float
    p99_seconds: float | None = Field(description="null below 100 batches")


class Speed(Frozen):
    """A timed pass; throughput is over the timed steps, warm-up excluded, device synchronised."""

    timed_steps: int
    timed_seconds: float
    timed_samples: int
    timed_tokens: int = Field(description="non-padding tokens of the batches; not the cached start of a prompt")
    timed_padded_tokens: int = Field(description="the same with padding; not labels scored or tokens written")
    samples_per_second: float
    tokens_per_second: float = Field(description="non-padding tokens per second")
    batch_size: int
    windowed_samples_per_second: Estimate | None = None
    windowed_tokens_per_second: Estimate | None = None
    energy_joules_per_sample: float | None = None
    model_flops_per_second: float | None = Field(None, description="those of the non-padding tokens; a padding is none")
    mfu_fraction: float | None = Field(None, description="of matmul_flops_per_second")


class ValidationPoint(Frozen):
    """What the adapted model was worth amid its training."""

    step: int = Field(description="steps done")
    train_seconds: float = Field(description="of these steps, warm-up included, validation points left out")
    macro_f1: Share = Field(
        description="on the validation split, by the weights and buffers of that step, before anything is merged"
    )


class Training(Frozen):
    """What the training loop did."""

    steps: int
    samples: int
    final_loss: float = Field(description="mean over the last tenth of the steps of the loss that is trained on, nats")
    speed: Speed | None = Field(description="null where every step was warm-up")
    train_seconds: float | None = Field(
        None, description="of all steps, warm-up included; null in a record that is older than this field"
    )
    validation: tuple[ValidationPoint, ...] = Field((), description="as train.validation_points asks, in order")
    planned_steps: int | None = Field(
        None, description="of the schedule; above steps where early stopping ended it; null in an older record"
    )
    best_step: int | None = Field(
        None, description="validation point with the highest macro F1, of equal ones the first; null without points"
    )
    best_seconds: float | None = Field(None, description="of the steps until best_step, as train_seconds counts them")
    kept_step: int | None = Field(
        None, description="whose weights are saved and evaluated, as train.keep says; null in an older record"
    )


class Confusion(Frozen):
    """Which labels were taken for which."""

    labels: tuple[str, ...]
    texts: tuple[tuple[int, ...], ...] = Field(
        description="by true label, a row each, and by predicted label, a column each, in the order of labels; a last "
        "column counts answers that name no label"
    )


class Quality(Frozen):
    """Predictions against labels, over the task's fixed label set."""

    split: Literal["test", "validation"]
    samples: int
    macro_f1: Share
    weighted_f1: Share
    accuracy: Share
    macro_precision: Share
    macro_recall: Share
    f1_by_label: dict[str, Share]
    label_counts: dict[str, int]
    majority_macro_f1: Share = Field(description="macro F1 of always answering the most frequent label of this split")
    confusion: Confusion | None = Field(None, description="null in a record that is older than this field")

    @model_validator(mode="after")
    def _counts_every_text_once(self) -> "Quality":
        if (found := self.confusion) is not None:
            counts = [(label, sum(row)) for label, row in zip(found.labels, found.texts, strict=False)]
            widths = {len(row) for row in found.texts} | {len(found.texts) + 1, len(found.labels) + 1}
            if len(widths) > 1 or dict(counts) != self.label_counts:
                raise ValueError("confusion must have a row for each label, which adds up to its label_counts")
        return self


class Check(Frozen):
    """One condition of a trustworthy number."""

    name: str
    verdict: Verdict
    found: str = Field(description="what was measured, and the limit; of an unknown: why")


class Generation(Frozen):
    """Answers that a causal model wrote, parsed; an answer that names no label is wrong and no class of its own."""

    quality: Quality | None = Field(description="null where the model has random weights")
    parse_failure_fraction: Share | None = Field(
        description="share of answers that name no label, or several; null where the model has random weights"
    )
    max_new_tokens: int
    speed: Speed | None


class Machine(Frozen):
    """Where and with what it was measured."""

    cpu: str
    cores: int = Field(description="cores this process may use")
    memory_bytes: int
    system: str
    python: str
    gpu: str | None = Field(description="name; null on a CPU")
    gpu_index: int | None = Field(None, description="in CUDA's order; null on a CPU and in older records")
    gpu_uuid: str | None = Field(None, description="GPU-... or MIG-..., as nvidia-smi takes it; null likewise")
    gpu_capability: tuple[int, int] | None = Field(None, description="compute capability; null likewise")
    gpus: int | None = Field(None, description="that CUDA sees, of which this is one; null likewise")
    driver: str | None
    device: Literal["cpu", "cuda"]
    threads: int = Field(description="threads that torch computes with")
    packages: dict[str, str]
    commit: str | None = Field(description="of this project's checkout; null outside one")
    dirty: bool | None = Field(description="the checkout had uncommitted changes")


class Record(Frozen):
    """One cell, measured or failed."""

    schema_version: Literal[1] = 1
    cell_id: str
    cell: Cell
    status: Status
    failure: Failure | None = None
    started_at: str = Field(description="UTC, ISO 8601")
    wall_seconds: float = Field(description="of the whole cell, in its worker")
    worker_start_seconds: float | None = Field(None, description="from the runner's request to the worker's first line")
    precision: Literal["bf16", "fp16", "fp32"] | None = None
    machine: Machine | None = None
    data: Data | None = None
    phases: tuple[Phase, ...] = ()
    parameters: Parameters | None = None
    flops: Flops | None = None
    training: Training | None = None
    inference: Speed | None = None
    latency: tuple[Latency, ...] = Field((), description="of inference: at batch 1, then at the study's batch")
    matmul_flops_per_second: float | None = Field(None, description="of a large matmul here, at this precision")
    memory: tuple[MemoryBreakdown, ...] = Field((), description="what the peaks are made of, from a pass of its own")
    attention_kernels: tuple[str, ...] = Field(
        (), description="that ran: flash, efficient, cudnn or math of PyTorch, eager of the model; empty: unknown"
    )
    cpu_kernels: tuple[CpuKernel, ...] | None = Field(
        None, description="of tunebench's own, that the cell used in place of PyTorch's; null in an older record"
    )
    checks: tuple[Check, ...] = Field((), description="the audit stamp: suspect where one is; no checks: unstamped")
    quality: Quality | None = Field(None, description="of a causal model: by label likelihood")
    generation: Generation | None = Field(None, description="of a causal model: by what it writes")
    prompt: Prompt | None = Field(None, description="of a causal model")
    validation_macro_f1: Share | None = Field(None, description="after training, on the validation split")
    artifact_bytes: int | None = Field(None, description="what must be kept to use the adapted model")
    peak_train_bytes: int | None = Field(None, description="peak of warm-up and train: CUDA allocated, or host VmHWM")
    peak_inference_bytes: int | None = Field(None, description="peak of inference, measured alike")
    peak_kind: Literal["cuda_allocated", "host_vmhwm"] | None = None
    study_batch_size: int | None = Field(
        None, description="train.batch_size of the study, which ran out of memory; the cell holds what was run instead"
    )
    warnings: tuple[str, ...] = Field((), description="what a reader of the row must know, a sentence each")
    insights: dict[str, Any] = Field(default_factory=dict, description="a few numbers of what the method learnt")
    unknown: dict[str, str] = Field(
        default_factory=dict, description="why a field is null, by field", validate_default=True
    )

    @field_validator("quality", "generation", "validation_macro_f1")
    @classmethod
    def _no_quality_of_random_weights(cls, value: Any, info: ValidationInfo) -> Any:
        """A model of random weights has no quality that is worth reading; older records have one, which is emptied."""
        cell = info.data.get("cell")  # missing where it is not valid
        if cell is None or cell.model.weights != "random":
            return value
        empty = {"quality": None, "parse_failure_fraction": None}
        return value.model_copy(update=empty) if isinstance(value, Generation) else None

    @field_validator("unknown")
    @classmethod
    def _say_why_random_weights_have_none(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        """Give the reason for what the validator above empties."""
        cell, generation = info.data.get("cell"), info.data.get("generation")
        if cell is None or cell.model.weights != "random" or info.data.get("status") != "ok":
            return value
        written = ("generation.quality", "generation.parse_failure_fraction") if generation else ()
        return dict.fromkeys(("quality", "validation_macro_f1", *written), RANDOM_WEIGHTS) | value

    @property
    def stamp(self) -> Literal["valid", "suspect", "unstamped"]:
        """What the checks say together: unknown ones are not held against a row, but no checks at all are no stamp."""
        verdicts = {check.verdict for check in self.checks}
        if "suspect" in verdicts:
            return "suspect"
        return "valid" if "valid" in verdicts else "unstamped"
