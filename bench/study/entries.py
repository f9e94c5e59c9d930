"""Entries of a study file for datasets, models and methods."""

from typing import Literal

from pydantic import Field, model_validator

from bench.schema import Frozen
from bench.study.values import HubId, LabelValues, OpenSettings, Place, Reference, Revision, Settings, Slug


class DatasetEntry(Frozen):
    """A user-defined dataset: a folder, a file or a hub id."""

    path: Place | None = Field(
        None,
        description="folder with train, test and optionally validation as jsonl, csv, tsv or parquet; or one such "
        "file, which is divided by data.split_seed",
    )
    hub_id: HubId | None = Field(None, description="dataset on the hub")
    hub_config: Reference | None = Field(None, description="configuration of the hub dataset")
    revision: Revision = Field("main", description="hub revision, preferably a commit hash")
    text: str | tuple[str, str] = Field(
        "text", description='column of the text; for pairs two columns, e.g. ["premise", "hypothesis"]'
    )
    label: str = Field("label", description="column of the label: one of labels, or its index")
    labels: tuple[str, ...] | None = Field(
        None, min_length=2, description="class names by index; absent: those that the files declare, or those of train"
    )
    label_values: LabelValues | None = Field(
        None, description="names: labels are class names; indices: positions in labels, from 0; absent: detected"
    )
    max_length: int | None = Field(None, ge=4, description="maximum sequence length in tokens, over data.max_length")

    @model_validator(mode="after")
    def _one_source(self) -> "DatasetEntry":
        if (self.path is None) == (self.hub_id is None):
            raise ValueError("give exactly one of path and hub_id")
        if len(set(self.text)) == 1 and not isinstance(self.text, str):
            raise ValueError(f"text of pairs must name two columns, got {self.text[0]!r:.80} twice")
        return self


class ModelEntry(Frozen):
    """A user-defined model: a folder, a hub id, or a variant of a catalog model."""

    path: Place | None = Field(
        None, description="folder with config.json, tokenizer and model.safetensors; a plan needs config.json only"
    )
    hub_id: HubId | None = Field(None, description="model on the hub")
    revision: Revision = Field("main", description="hub revision, preferably a commit hash")
    kind: Literal["encoder", "causal"] | None = Field(
        None,
        description="encoder with a classification head, or causal language model; absent: as config.json says, or "
        "encoder for a hub id",
    )
    bits: Literal[4, 8, 16] | None = Field(
        None,
        description="bits of a causal model's linear layers but the head: 4 (NF4), 8 (LLM.int8) or 16 (bf16); absent: "
        "the catalog's, otherwise 16",
    )
    weights: Literal["pretrained", "random"] = Field(
        "pretrained", description="random: only the architecture, marked in tables"
    )
    base: str | None = Field(None, description="catalog model that this entry changes, e.g. with random weights")
    architecture: OpenSettings | None = Field(
        None, description="content of a config.json, to plan a model without its files"
    )
    attention: Literal["eager"] | None = Field(
        None, description="eager: separate matmuls and softmax; absent: PyTorch's fused attention if supported"
    )
    scale: Literal["tiny"] | None = Field(
        None, description="tiny: few layers, small widths and vocabulary, for a quick trial; random weights only"
    )
    head: Literal["fresh", "checkpoint"] = Field(
        "fresh",
        description="classification head of an encoder: fresh: drawn from the seed; checkpoint: the checkpoint's, with "
        "classes matched to the task's by name, else by index",
    )
    tokenizer: str | None = Field(
        None, description="catalog model whose tokenizer is used, for random weights; absent: the model's own"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "ModelEntry":
        sources = (self.path, self.hub_id, self.base, self.architecture)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("give exactly one of path, hub_id, base and architecture")
        if self.architecture is not None and self.weights == "pretrained":
            raise ValueError('architecture needs weights = "random", because it comes without weights')
        if self.weights == "pretrained" and self.tokenizer is not None:
            raise ValueError('tokenizer needs weights = "random", because pretrained weights need their own tokenizer')
        if self.weights == "pretrained" and self.scale is not None:
            raise ValueError('scale needs weights = "random", because pretrained weights cannot be scaled')
        if self.head == "checkpoint" and (self.weights == "random" or self.kind == "causal"):
            raise ValueError('head = "checkpoint" needs an encoder with pretrained weights')
        if self.bits is not None and self.kind == "encoder":
            raise ValueError("bits is for causal models; an encoder is trained in fp32 and computed in train.precision")
        return self


class MethodEntry(Frozen):
    """A method with its options; each entry is a row, also if two entries have the same plugin."""

    plugin: Slug | None = Field(None, description="name of the method; absent: the name of this entry")
    label: str | None = Field(None, max_length=80, description="name in tables; absent: that of the plugin")
    options: OpenSettings = Field(default_factory=dict, description="options of the plugin")
    train: Settings = Field(default_factory=dict, description="train settings for this method only")
