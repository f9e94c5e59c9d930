"""Datasets, models and methods that a study file defines."""

from typing import Literal

from pydantic import Field, model_validator

from bench.method.architecture import ModelKind
from bench.schema import Frozen
from bench.study.values import HubId, LabelValues, OpenSettings, Place, Reference, Revision, Settings, Slug


class DatasetEntry(Frozen):
    """A dataset of the user's own: a folder or a hub id."""

    path: Place | None = Field(
        None,
        description="folder with train, test and perhaps validation as jsonl, csv, tsv or parquet; or one such file "
        "alone, which is divided by data.split_seed",
    )
    hub_id: HubId | None = Field(None, description="dataset on the hub")
    hub_config: Reference | None = Field(None, description="configuration of the hub dataset")
    revision: Revision = Field("main", description="hub revision, best a commit hash")
    text: str | tuple[str, str] = Field(
        "text", description='column that holds the text; two of pairs, e.g. ["premise", "hypothesis"]'
    )
    label: str = Field("label", description="column that holds the label: one of labels, or its index")
    labels: tuple[str, ...] | None = Field(
        None, min_length=2, description="class names by index; absent: those that the files declare, or from train"
    )
    label_values: LabelValues | None = Field(
        None, description="names: labels are class names; indices: places in labels, from 0; absent: as they tell"
    )
    max_length: int | None = Field(None, ge=4, description="longest sequence in tokens, in place of data.max_length")

    @model_validator(mode="after")
    def _one_source(self) -> "DatasetEntry":
        if (self.path is None) == (self.hub_id is None):
            raise ValueError("give exactly one of path and hub_id")
        if len(set(self.text)) == 1 and not isinstance(self.text, str):
            raise ValueError(f"text of pairs must name two columns, got {self.text[0]!r:.80} twice")
        return self


class ModelEntry(Frozen):
    """A model of the user's own: a folder or a hub id."""

    path: Place | None = Field(
        None, description="folder with config.json, tokenizer and model.safetensors; to plan, a config.json is enough"
    )
    hub_id: HubId | None = Field(None, description="model on the hub")
    revision: Revision = Field("main", description="hub revision, best a commit hash")
    kind: ModelKind | None = Field(
        None,
        description="encoder with a classification head, or causal language model; absent: what config.json names, "
        "and encoder on the hub",
    )
    bits: Literal[4, 8, 16] | None = Field(
        None,
        description="of a causal model's weights: linear layers but the head in 4 (NF4) or 8 (LLM.int8); 16: bf16; "
        "absent: the catalog's, else 16",
    )
    weights: Literal["pretrained", "random"] = Field("pretrained", description="random: the architecture alone, marked")
    base: str | None = Field(None, description="catalog name that this entry varies, e.g. with random weights")
    architecture: OpenSettings | None = Field(
        None, description="content of a config.json, to plan a model of which nothing else is at hand"
    )
    attention: Literal["eager"] | None = Field(
        None,
        description="eager: matmuls and a softmax one by one; absent: PyTorch's fused attention where there is one",
    )
    scale: Literal["tiny"] | None = Field(
        None, description="tiny: layers, widths and vocabulary cut, to try the wiring; random weights alone"
    )
    head: Literal["fresh", "checkpoint"] = Field(
        "fresh",
        description="of an encoder's classification: fresh, drawn from the seed whatever the checkpoint has; "
        "checkpoint: the one that it has, its classes matched with the task's by name, else by index",
    )
    tokenizer: str | None = Field(
        None, description="catalog name of the model whose tokenizer stands in, for random weights; absent: its own"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "ModelEntry":
        sources = (self.path, self.hub_id, self.base, self.architecture)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("give exactly one of path, hub_id, base and architecture")
        if self.architecture is not None and self.weights == "pretrained":
            raise ValueError('architecture needs weights = "random": there are no weights beside it')
        if self.weights == "pretrained" and self.tokenizer is not None:
            raise ValueError('tokenizer needs weights = "random": pretrained weights know their own tokens alone')
        if self.weights == "pretrained" and self.scale is not None:
            raise ValueError('scale needs weights = "random": pretrained weights have the size that they have')
        if self.head == "checkpoint" and (self.weights == "random" or self.kind == "causal"):
            raise ValueError('head = "checkpoint" needs an encoder with pretrained weights')
        if self.bits is not None and self.kind == "encoder":
            raise ValueError(
                "bits is for causal models; an encoder is trained in fp32 and computed as train.precision says"
            )
        return self


class MethodEntry(Frozen):
    """A method with its options; a second entry for the same plugin is a second row."""

    plugin: Slug | None = Field(None, description="the method's name; absent: the name of this entry")
    label: str | None = Field(None, max_length=80, description="name in tables; absent: the plugin's")
    options: OpenSettings = Field(default_factory=dict, description="options of the plugin")
    train: Settings = Field(default_factory=dict, description="train settings for this method alone")
