"""One row of a plan: the static columns of one dataset x model x method."""

from pydantic import Field

from bench.record.memory_breakdown import MemoryBreakdown
from bench.schema import Frozen


class PlanRow(Frozen):
    """What one combination costs before anything is run; null where it does not apply or ``unknown`` says why.

    FLOPs are of one sequence of ``sequence_length`` tokens, batch 1, a multiply-add being 2.
    """

    dataset: str
    model: str
    method: str
    dataset_label: str
    model_label: str
    method_label: str
    trains: bool = True
    num_labels: int
    sequence_length: int = Field(description="tokens, virtual ones not counted")
    batch_size: int = Field(description="sequences per optimizer step")
    inference_batch_size: int
    device: str = Field(description="cpu or cuda: whose kernels the memory is predicted for")
    precision: str
    unsupported: str | None = Field(
        None, description="why the method cannot adapt the model; all numbers are null then"
    )
    trainable_params: int | None = None
    total_params: int | None = None
    logical_params: int | None = None
    forward_flops: int | None = Field(None, description="counted at dispatch")
    train_flops: int | None = Field(None, description="forward and backward as executed, frozen weights spared")
    forward_flops_traced: int | None = Field(None, description="counted on the trace by fvcore")
    forward_flops_closed_form: int | None = Field(None, description="from the numbers of the architecture")
    expert_flops: int | None = Field(None, description="share of the closed form that experts take")
    train_memory: MemoryBreakdown | None = None
    inference_memory: MemoryBreakdown | None = None
    artifact_bytes: int | None = Field(None, description="tensors that must be kept to use the adapted model")
    download_bytes: int | None = Field(None, description="of the weights on the hub; 0 where they lie here")
    unknown: dict[str, str] = Field(default_factory=dict, description="why a field is null, by field")
    remarks: tuple[str, ...] = Field((), description="what a reader must know, e.g. why FLOP counters differ")
