"""Settings of a cell: data, training, prompt and limits."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bench.method.search_space import Range
from bench.schema import Frozen
from bench.study.values import Kernels, Precision, WeightsStorage


class DataSettings(Frozen):
    """Splits, samples and lengths of the texts."""

    max_length: int = Field(
        128, ge=4, le=131_072, description="maximum sequence length in tokens; longer texts are truncated"
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="share of train used as validation if a dataset has none"
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="share used as test if a dataset is one file without splits"
    )
    split_seed: int = Field(0, ge=0, description="seed of splits and samples, the same for all cells")
    resample_splits: bool = Field(
        False, description="each seed draws its own train and validation texts; the test texts stay the same"
    )
    max_train_samples: int | None = Field(None, ge=1, description="number of train texts, a stratified sample")
    max_evaluation_samples: int | None = Field(None, ge=1, description="number of evaluated texts, a stratified sample")
    evaluate_split: Literal["test", "validation"] = Field(
        "test", description="split of the quality and inference columns"
    )


class TrainSettings(Frozen):
    """The training loop; learning rate and weight decay are options of the method."""

    epochs: Annotated[int, Range(low=1, high=10, log=True)] = Field(3, ge=1, description="passes over the train split")
    max_steps: int | None = Field(None, ge=1, description="stop after this many optimizer steps")
    batch_size: int = Field(32, ge=1, description="sequences per optimizer step")
    inference_batch_size: int = Field(32, ge=1, description="sequences per forward pass when predicting")
    precision: Precision = Field(
        "auto",
        description="precision of matmuls; auto: bf16 if the machine supports it natively, else fp32; fp16 scales the "
        "loss, for GPUs without bf16",
    )
    kernels: Kernels = Field(
        "stock",
        description="layers and memory allocation on a CPU; stock: those of torch, transformers and peft; fast: faster "
        "dropout and packed linear layers of tunebench, and an allocator that keeps freed memory",
    )
    weights_storage: WeightsStorage = Field(
        "auto",
        description="storage precision of the weights in training; auto: fp32 for trained ones, train.precision for "
        "frozen ones; mixed: fp32 for all; true: train.precision for all",
    )
    gradient_accumulation_steps: int = Field(
        1, ge=1, description="number of forward and backward passes per step, over which batch_size is split"
    )
    loss_tokens: Literal["answer", "all"] = Field(
        "answer", description="tokens in the loss of a causal model: answer only, or all, with the prompt"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="class weights of an encoder's loss; balanced: n / (classes x count of the class) of the train "
        "split; not for causal models, which are trained on tokens",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of each target spread evenly over all classes, or tokens of a causal model"
    )
    schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="learning rate after warm-up")
    warmup_fraction: float = Field(
        0.06, ge=0, lt=1, description="share of the steps over which the learning rate rises"
    )
    max_grad_norm: float | None = Field(
        1.0, gt=0, description="clip the gradient's global L2 norm; absent: no clipping"
    )
    optimizer: Literal["adamw", "adamw_foreach", "paged_adamw", "adamw_8bit"] = Field(
        "adamw",
        description="adamw: PyTorch's fused kernel; adamw_foreach: PyTorch's default, which needs more memory; "
        "paged_adamw: bitsandbytes, with a state that moves to the host if the GPU is full; adamw_8bit: bitsandbytes, "
        "with an 8-bit state except for tensors below 4096 elements",
    )
    gradient_checkpointing: bool = Field(
        False, description="keep only each layer's input and recompute the rest in the backward pass"
    )
    keep_artifact: bool = Field(False, description="keep the saved adapter or model; its size is always measured")
    timing_warmup_steps: int = Field(5, ge=0, description="first steps, which are excluded from the throughput")
    validation_points: int = Field(
        0, ge=0, le=50,
        description="number of validation points, evenly over the training, the last at its end; the others keep the "
        "trained weights on disk until then",
    )  # fmt: skip
    keep: Literal["last", "best"] = Field(
        "last",
        description="weights to save and evaluate: those of the last step, or of the validation point with the highest "
        "macro F1",
    )
    early_stopping_patience: int | None = Field(
        None,
        ge=1,
        description="number of consecutive validation points without improvement that end the training; the points "
        "then predict during the training, outside its times and peaks; absent: no early stopping",
    )

    @model_validator(mode="after")
    def _check_validation_points(self) -> "TrainSettings":
        chooses = 'keep = "best"' if self.keep == "best" else "early_stopping_patience"
        if (self.keep == "best" or self.early_stopping_patience is not None) and not self.validation_points:
            raise ValueError(f"{chooses} needs validation points: set validation_points to at least 1")
        return self

    @model_validator(mode="after")
    def _check_storage(self) -> "TrainSettings":
        if self.precision == "fp16" and self.weights_storage == "true":
            raise ValueError('weights_storage = "true" needs precision "bf16": updates of fp16 weights underflow')
        return self


class PromptSettings(Frozen):
    """The prompt of a causal language model, within the model's chat template."""

    instruction: str | None = Field(
        None,
        min_length=1,
        description="instruction before the text; {labels} stands for the label words; absent: the catalog's, or one "
        "that lists the label words",
    )
    label_words: tuple[str, ...] | None = Field(
        None, min_length=2, description="answers by class index; absent: the catalog's, or the class names"
    )
    examples_per_class: int = Field(
        0, ge=0, le=100, description="number of train texts per class shown as examples, drawn by data.split_seed"
    )
    length_normalization: Literal["none", "tokens"] = Field(
        "none", description="label likelihood; none: sum over a label's tokens; tokens: their mean"
    )
    generate: bool = Field(True, description="also generate the answer and parse it")
    max_new_tokens: int | None = Field(
        None, ge=1, description="maximum tokens of a generated answer; absent: those of the longest label, plus 4"
    )


class Limits(Frozen):
    """Limits of one cell."""

    cell_timeout_seconds: float = Field(
        3600, gt=0, description="wall-clock limit of one cell; above it: status timeout"
    )
    cell_memory_bytes: int | None = Field(
        None, ge=1, description="limit of one cell's host memory, libraries included; above it: status oom; Linux only"
    )
