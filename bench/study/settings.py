"""Settings of a cell: how texts become examples, how a method is trained, how a model is prompted, and limits."""

from typing import Literal

from pydantic import Field, model_validator

from bench.schema import Frozen
from bench.study.values import Precision, WeightsStorage


class DataSettings(Frozen):
    """How texts become examples."""

    max_length: int = Field(
        128, ge=4, le=131_072, description="longest sequence, in tokens; longer texts are truncated"
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="share of train carved off as validation where a dataset has none"
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="share that becomes test of a dataset that comes as one file, without splits"
    )
    split_seed: int = Field(0, ge=0, description="seed of both and of any subsampling, alike for all cells")
    max_train_samples: int | None = Field(None, ge=1, description="train on a stratified sample of this many texts")
    max_evaluation_samples: int | None = Field(None, ge=1, description="evaluate on a stratified sample of this many")
    evaluate_split: Literal["test", "validation"] = Field(
        "test", description="split that the quality and inference columns are measured on"
    )


class TrainSettings(Frozen):
    """The training loop; what depends on the method (learning rate, weight decay) is an option of the method."""

    epochs: int = Field(3, ge=1, description="passes over the train split")
    max_steps: int | None = Field(None, ge=1, description="stop after this many optimizer steps")
    batch_size: int = Field(32, ge=1, description="sequences per optimizer step")
    inference_batch_size: int = Field(32, ge=1, description="sequences per forward pass when predicting")
    precision: Precision = Field(
        "auto",
        description="of matmuls; auto: bf16 where the machine computes it natively, else fp32; fp16 scales the loss, "
        "for GPUs without bf16",
    )
    weights_storage: WeightsStorage = Field(
        "auto",
        description="precision of the weights in training; auto: fp32 for trained ones, train.precision for frozen "
        "ones; mixed: fp32 for all; true: train.precision for all",
    )
    gradient_accumulation_steps: int = Field(
        1, ge=1, description="forward and backward passes that the batch_size sequences of a step are split into"
    )
    loss_tokens: Literal["answer", "all"] = Field(
        "answer", description="tokens that a causal model is trained on: those of the answer, or of the prompt too"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="of an encoder's loss; balanced: n / (classes x count of the class) of the train split; refused "
        "for causal models, which are trained on tokens",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of each target that is spread evenly over all classes; causal: over tokens"
    )
    schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="learning rate after its warm-up")
    warmup_fraction: float = Field(
        0.06, ge=0, lt=1, description="share of the steps over which the learning rate rises"
    )
    max_grad_norm: float | None = Field(
        1.0, gt=0, description="clip the gradient's global L2 norm; absent: no clipping"
    )
    optimizer: Literal["adamw", "adamw_foreach", "paged_adamw", "adamw_8bit"] = Field(
        "adamw",
        description="adamw: PyTorch's fused kernel; adamw_foreach: PyTorch's default, which needs more memory; "
        "paged_adamw: bitsandbytes', whose state moves to the host where a GPU is full; adamw_8bit: bitsandbytes', "
        "whose state is in 8 bits, but for tensors below 4096 elements",
    )
    gradient_checkpointing: bool = Field(
        False, description="keep each layer's input alone and compute the rest again in the backward pass"
    )
    keep_artifact: bool = Field(False, description="keep the saved adapter or model; its size is measured in any case")
    timing_warmup_steps: int = Field(5, ge=0, description="first steps, trained but left out of the throughput")
    validation_points: int = Field(
        0,
        ge=0,
        le=50,
        description="times that the validation F1 becomes known, evenly over the training, the last at its end; each "
        "but the last keeps the trained weights on disk until then",
    )
    keep: Literal["last", "best"] = Field(
        "last",
        description="weights that are saved and evaluated: of the last step, or of the validation point with the "
        "highest macro F1",
    )
    early_stopping_patience: int | None = Field(
        None,
        ge=1,
        description="end the training after so many validation points in a row that are no better than the best; the "
        "points then predict amid the training, outside of its times and peaks; absent: it runs to its end",
    )

    @model_validator(mode="after")
    def _has_points_to_choose_by(self) -> "TrainSettings":
        chooses = 'keep = "best"' if self.keep == "best" else "early_stopping_patience"
        if (self.keep == "best" or self.early_stopping_patience is not None) and not self.validation_points:
            raise ValueError(f"{chooses} needs validation points: set validation_points to at least 1 beside it")
        return self

    @model_validator(mode="after")
    def _can_be_scaled(self) -> "TrainSettings":
        if self.precision == "fp16" and self.weights_storage == "true":
            raise ValueError('weights_storage = "true" needs precision "bf16": updates of fp16 weights underflow')
        return self


class PromptSettings(Frozen):
    """How a causal language model is asked for a label, in words and in the model's own chat template."""

    instruction: str | None = Field(
        None,
        min_length=1,
        description="what to do with the text, before it; {labels} stands for the label words; absent: the catalog's, "
        "or one that lists the label words",
    )
    label_words: tuple[str, ...] | None = Field(
        None, min_length=2, description="the answer for each class, by index; absent: the catalog's, or the class names"
    )
    examples_per_class: int = Field(
        0,
        ge=0,
        le=100,
        description="train texts of each class shown before the one asked about, drawn by data.split_seed",
    )
    length_normalization: Literal["none", "tokens"] = Field(
        "none", description="label likelihood: none: the sum over a label's tokens; tokens: their mean"
    )
    generate: bool = Field(True, description="also let the model write its answer, and parse it")
    max_new_tokens: int | None = Field(
        None, ge=1, description="tokens that an answer may have; absent: those of the longest label and 4 more"
    )


class Limits(Frozen):
    """What one cell may use."""

    cell_timeout_seconds: float = Field(
        3600, gt=0, description="wall-clock limit of one cell; then its row is a timeout"
    )
    cell_memory_bytes: int | None = Field(
        None, ge=1, description="host memory that one cell may allocate, libraries included; then its row is oom; Linux"
    )
