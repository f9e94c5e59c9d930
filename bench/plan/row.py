"""One row of a plan: the static columns of one dataset x model x method."""

from pydantic import Field

from bench.record.memory_breakdown import MemoryBreakdown
from bench.schema import Frozen


class ParameterParts(Frozen):
    """Stored elements in parts of an adapted model.

    Attributes:
        head: of the classification head, copies included; 0 without one.
        trainable_head: those that are trained.
        copies: frozen originals of which a copy is trained in their place.
        head_copies: those in the head.
        embeddings: of the embeddings that the model had before adaptation.
        trainable_embeddings: those that are trained.
    """

    head: int = 0
    trainable_head: int = 0
    copies: int = 0
    head_copies: int = 0
    embeddings: int = 0
    trainable_embeddings: int = 0


class PlanRow(Frozen):
    """The static costs of one combination; a field is null if it does not apply or ``unknown`` gives a reason.

    FLOPs are for one sequence of ``sequence_length`` tokens with batch size 1; a multiply-add counts as 2.
    """

    dataset: str
    model: str
    method: str
    dataset_label: str
    model_label: str
    method_label: str
    trains: bool = True
    num_labels: int
    sequence_length: int | None = Field(description="tokens, without virtual ones")
    batch_size: int | None = Field(description="sequences per optimizer step")
    inference_batch_size: int
    device: str = Field(description="cpu or cuda: device for which memory is predicted")
    precision: str | None
    unsupported: str | None = Field(
        None, description="why the method cannot adapt the model; all numbers are null then"
    )
    trainable_params: int | None = None
    total_params: int | None = None
    logical_params: int | None = None
    parts: ParameterParts | None = Field(None, description="parts of the counts that some publications leave out")
    forward_flops: int | None = Field(None, description="counted at dispatch")
    train_flops: int | None = Field(None, description="forward and backward as executed, with frozen weights")
    forward_flops_traced: int | None = Field(None, description="counted on the trace by fvcore")
    forward_flops_closed_form: int | None = Field(None, description="from the sizes of the architecture")
    expert_flops: int | None = Field(None, description="part of the closed form that is due to experts")
    train_memory: MemoryBreakdown | None = None
    inference_memory: MemoryBreakdown | None = None
    artifact_bytes: int | None = Field(None, description="tensors to be kept for the adapted model")
    download_bytes: int | None = Field(None, description="size of the weights on the hub; 0 if they are local")
    unknown: dict[str, str] = Field(default_factory=dict, description="reason why a field is null, by field")
    remarks: tuple[str, ...] = Field((), description="remarks, e.g. why FLOP counters differ")
