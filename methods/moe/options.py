"""Options of the mixture of experts, validated as far as possible without a model."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from bench.method import Options as BaseOptions

LAYER_RULE = re.compile(r"(last|first|every):([1-9][0-9]*)")


class BlockNames(BaseModel):
    """Dotted names of the parts of a feed-forward block, for an architecture that this project does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    module: str = Field(min_length=1, description="block, relative to its layer, e.g. mlp")
    up: str = Field(min_length=1, description="linear layer to the inner width, relative to the block, e.g. fc1")
    down: str = Field(min_length=1, description="linear layer back to the hidden width, e.g. fc2")
    activation: str = Field(min_length=1, description="activation, e.g. act")
    gate: str | None = Field(
        None, description="linear layer of a gated block, whose activated output is multiplied with that of up"
    )
    dropout: str | None = Field(None, description="dropout before down, if there is one")


class Options(BaseOptions):
    """Options of the mixture of experts."""

    expert: Literal["gated", "plain"] = Field(
        "gated", description="gated: act(x W1) * (x W2) before the output matrix; plain: act(x W1)"
    )
    expert_bias: bool = Field(True, description="give the experts biases; the router never has one")
    num_experts: int = Field(4, ge=1, description="experts in each replaced block")
    top_k: int = Field(2, ge=1, validate_default=True, description="experts that each token is sent to")
    inter_size: int | None = Field(None, ge=1, description="inner width of an expert; absent: that of the block")
    shared_expert: bool = Field(False, description="add an expert that processes every token, with weight 1")
    layers: str | tuple[int, ...] = Field(
        "last:2",
        description="blocks to replace: last:n, first:n, every:n (each n-th one) or a list of ids from 0; a block "
        "that several layers share counts once",
    )
    init: Literal["upcycle", "random"] = Field(
        "upcycle", description="upcycle: each expert starts as a copy of the block's weights; random: random weights"
    )
    renormalize: bool = Field(
        True, validate_default=True, description="scale the weights of a token's experts so that they sum to 1"
    )
    router_aux_loss_coef: float = Field(
        0.01, ge=0, description="weight of the load-balancing loss, which is 1 if all experts get equal shares"
    )
    router_z_loss_coef: float = Field(0.001, ge=0, description="weight of the router's z-loss")
    router_jitter_noise: float = Field(
        0.0, ge=0, lt=1,
        description="in training, the router's input is multiplied by random numbers between 1 - x and 1 + x",
    )  # fmt: skip
    pooler: bool = Field(
        False,
        description="add a pooler beside the classification head, as in the published study; the head does not use it",
    )
    block: BlockNames | None = Field(
        None, description="names of the feed-forward block's parts, for an unknown architecture"
    )

    @field_validator("top_k")
    @classmethod
    def _check_top_k(cls, top_k: int, info: ValidationInfo) -> int:
        experts = info.data.get("num_experts", top_k)
        if top_k > experts:
            raise ValueError(f"must be at most num_experts, which is {experts}")
        return top_k

    @field_validator("layers")
    @classmethod
    def _check_layers(cls, layers: str | tuple[int, ...]) -> str | tuple[int, ...]:
        if isinstance(layers, str):
            if LAYER_RULE.fullmatch(layers) is None:
                raise ValueError("must be last:n, first:n or every:n with n at least 1, or a list of ids")
        elif not layers or min(layers) < 0 or len(set(layers)) < len(layers):
            raise ValueError("must be a list of at least one id, each at least 0 and without duplicates")
        return layers

    @field_validator("renormalize")
    @classmethod
    def _check_renormalize(cls, renormalize: bool, info: ValidationInfo) -> bool:
        if renormalize and info.data.get("top_k") == 1 and info.data.get("num_experts", 1) > 1:
            raise ValueError("must be false if top_k is 1: a single weight scaled to 1 gives the router no gradient")
        return renormalize
