"""Forward FLOPs in closed form, computed from a config without building the model.

A linear layer over R rows costs 2 R in out. Attention costs 4 L^2 heads head_dim per layer: L^2 scores and L^2 weighted
values, with one multiply-add per element of a head. (Kaplan et al. 2020, arXiv 2001.08361, table 1, has half of that,
2 n_ctx d_attn per token, but a causal mask saves nothing under ``scaled_dot_product_attention``.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import UnsupportedError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

ModelKind = Literal["encoder", "causal", "none"]
"""Kind of model; ``none`` is for methods without one."""
MODEL_KINDS: tuple[ModelKind, ...] = ("encoder", "causal")
"""The kinds that a method can adapt."""


@dataclass(frozen=True, slots=True)
class LinearLayer:
    """Linear layers of one name and shape.

    Attributes:
        name: end of the dotted name in the module tree, without the block number, e.g. ``attention.self.query`` or
            ``self_attn.q_proj``.
        in_features: width of the input.
        out_features: width of the output.
        count: number of runs in one pass; layers with shared weights run more often than they are stored.
        rows: number of input vectors per run; None: one per token.
        is_convolution: whether it is a convolution over tokens, whose ``in_features`` are those of all its taps.
    """

    name: str
    in_features: int
    out_features: int
    count: int = 1
    rows: int | None = None
    is_convolution: bool = False

    def total_rows(self, tokens: int) -> int:
        """Number of vectors that pass through these layers in one pass over ``tokens`` tokens."""
        return self.count * (tokens if self.rows is None else self.rows)

    def flops(self, tokens: int) -> int:
        """FLOPs of one pass over ``tokens`` tokens: 2 rows in out."""
        return 2 * self.total_rows(tokens) * self.in_features * self.out_features

    def is_called(self, names: Iterable[str]) -> bool:
        """Whether one of the names is its dotted name or ends it, e.g. ``query`` or ``self.query``."""
        return any(self.name == name or self.name.endswith(f".{name}") for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The matmuls of a transformer.

    Attributes:
        model_type: name in transformers, e.g. ``roberta``.
        kind: encoder (with a classification head) or causal (with a language head on the last position).
        hidden_size: width of the residual stream.
        intermediate_size: width inside the feed-forward block.
        embedding_size: width of the embedding table, which some models project to the hidden size.
        num_layers: number of transformer layers.
        attention_width: heads x head_dim of the queries.
        relative_vectors: relative-position vectors that each token of each layer is compared with (DeBERTa).
        linears: all linear layers and convolutions, the head included.
    """

    model_type: str
    kind: ModelKind
    hidden_size: int
    intermediate_size: int
    embedding_size: int
    num_layers: int
    attention_width: int
    relative_vectors: int = 0
    linears: tuple[LinearLayer, ...]

    @classmethod
    def from_config(cls, config: PretrainedConfig, kind: ModelKind) -> Architecture:
        """The architecture of a config; an encoder has a head for ``config.num_labels`` classes.

        Raises:
            UnsupportedError: this model type, or this kind of it, has no closed form yet.
        """
        readers = READERS if kind == "encoder" else {name: READERS[name] for name in DECODERS}
        if config.model_type not in readers:
            raise UnsupportedError(
                f"no closed form for architecture {config.model_type!r} as {kind} model; known: "
                f"{', '.join(sorted(readers))}"
            )
        return readers[config.model_type](config, kind)

    def attention_flops(self, tokens: int) -> int:
        """Attention FLOPs of all layers: 4 L^2 width for scores and values, 2 L width per relative vector."""
        content = 4 * tokens**2 * self.attention_width
        position = 2 * tokens * self.attention_width * self.relative_vectors
        return self.num_layers * (content + position)

    def forward_flops(self, tokens: int) -> int:
        """FLOPs of one forward pass over one sequence of ``tokens`` tokens; a multiply-add is 2."""
        return sum(layer.flops(tokens) for layer in self.linears) + self.attention_flops(tokens)


def _bert_like(config: Any, kind: ModelKind) -> Architecture:
    """BERT, RoBERTa and ELECTRA differ in the head and in ELECTRA's projected embeddings."""
    h, f, n = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    embedding = getattr(config, "embedding_size", None) or h
    first, last = ("pooler.dense", "classifier") if config.model_type == "bert" else HEAD_OF_TWO
    projection = [LinearLayer("embeddings_project", embedding, h)] if embedding != h else []
    linears = [
        *projection, *(LinearLayer(f"attention.self.{name}", h, h, n) for name in ("query", "key", "value")),
        LinearLayer("attention.output.dense", h, h, n), LinearLayer("intermediate.dense", h, f, n),
        LinearLayer("output.dense", f, h, n), LinearLayer(first, h, h, rows=1),
        LinearLayer(last, h, config.num_labels, rows=1),
    ]  # fmt: skip
    return _architecture(config, kind, linears, (h, f, embedding), n)


def _distilbert(config: Any, kind: ModelKind) -> Architecture:
    h, f, n = config.dim, config.hidden_dim, config.n_layers
    linears = [
        *(LinearLayer(f"attention.{name}", h, h, n) for name in ("q_lin", "k_lin", "v_lin", "out_lin")),
        LinearLayer("ffn.lin1", h, f, n), LinearLayer("ffn.lin2", f, h, n), LinearLayer("pre_classifier", h, h, rows=1),
        LinearLayer("classifier", h, config.num_labels, rows=1),
    ]  # fmt: skip
    return _architecture(config, kind, linears, (h, f, h), n)


def _deberta_v2(config: Any, kind: ModelKind) -> Architecture:
    """DeBERTa with disentangled attention of content and relative positions (He et al. 2020, arXiv 2006.03654, eq. 4).

    In every layer, the 2k relative-position vectors pass through the projections of the content's keys and queries if
    these are shared, otherwise through separate ones.
    """
    h, f, n = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    embedding = getattr(config, "embedding_size", None) or h
    kernel = getattr(config, "conv_kernel_size", 0) or 0
    projection = [LinearLayer("embed_proj", embedding, h)] if embedding != h else []
    convolution = (
        [LinearLayer("conv.conv", h * kernel // getattr(config, "conv_groups", 1), h, is_convolution=True)]
        if kernel > 0 and n > 0
        else []
    )
    relative, projected = _relative_positions(config)
    linears = [
        *projection,
        *(LinearLayer(f"attention.self.{name}", h, h, n) for name in ("query_proj", "key_proj", "value_proj")),
        *(LinearLayer(f"attention.self.{name}", h, h, n, rows=relative) for name in projected),
        LinearLayer("attention.output.dense", h, h, n), LinearLayer("intermediate.dense", h, f, n),
        LinearLayer("output.dense", f, h, n), *convolution,
        LinearLayer("pooler.dense", config.pooler_hidden_size, config.pooler_hidden_size, rows=1),
        LinearLayer("classifier", h, config.num_labels, rows=1),
    ]  # fmt: skip
    used = sum(way in (config.pos_att_type or ()) for way in ("c2p", "p2c"))
    return _architecture(config, kind, linears, (h, f, embedding), n, relative_vectors=relative * used)


def _relative_positions(config: Any) -> tuple[int, list[str]]:
    """The number of relative-position vectors, and the names of their projections in each layer."""
    if not getattr(config, "relative_attention", False):
        return 0, []
    buckets, farthest = getattr(config, "position_buckets", -1), getattr(config, "max_relative_positions", -1)
    span = buckets if buckets > 0 else farthest if farthest >= 1 else config.max_position_embeddings
    if getattr(config, "share_att_key", False):
        return 2 * span, ["query_proj", "key_proj"]
    ways = {"c2p": "pos_key_proj", "p2c": "pos_query_proj"}
    return 2 * span, [name for way, name in ways.items() if way in (config.pos_att_type or ())]


def _albert(config: Any, kind: ModelKind) -> Architecture:
    """One group of layers is stored and run several times; each run counts."""
    h, f, e = config.hidden_size, config.intermediate_size, config.embedding_size
    n = config.num_hidden_layers * config.inner_group_num
    linears = [
        LinearLayer("embedding_hidden_mapping_in", e, h),
        *(LinearLayer(f"attention.{name}", h, h, n) for name in ("query", "key", "value", "dense")),
        LinearLayer("ffn", h, f, n), LinearLayer("ffn_output", f, h, n), LinearLayer("pooler", h, h, rows=1),
        LinearLayer("classifier", h, config.num_labels, rows=1),
    ]  # fmt: skip
    return _architecture(config, kind, linears, (h, f, e), n)


def _modernbert(config: Any, kind: ModelKind) -> Architecture:
    """Gated feed-forward; local attention is computed in full and then masked, as in sdpa."""
    h, f, n = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    linears = [
        LinearLayer("attn.Wqkv", h, 3 * h, n), LinearLayer("attn.Wo", h, h, n), LinearLayer("mlp.Wi", h, 2 * f, n),
        LinearLayer("mlp.Wo", f, h, n), LinearLayer("head.dense", h, h, rows=1),
        LinearLayer("classifier", h, config.num_labels, rows=1),
    ]  # fmt: skip
    return _architecture(config, kind, linears, (h, f, h), n)


def _gpt2(config: Any, kind: ModelKind) -> Architecture:
    h, n = config.n_embd, config.n_layer
    f = config.n_inner or 4 * h
    linears = [
        LinearLayer("attn.c_attn", h, 3 * h, n), LinearLayer("attn.c_proj", h, h, n), LinearLayer("mlp.c_fc", h, f, n),
        LinearLayer("mlp.c_proj", f, h, n), _decoder_head(config, kind, h),
    ]  # fmt: skip
    return _architecture(config, kind, linears, (h, f, h), n)


def _llama_like(config: Any, kind: ModelKind) -> Architecture:
    """Llama, Mistral, Qwen2, Gemma: gated feed-forward, fewer key-value heads; attention windows only mask.

    Phi has the same attention with another name for the output layer, and two plain layers as feed-forward.
    """
    h, f, n = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    head = getattr(config, "head_dim", None) or h // config.num_attention_heads
    wide, narrow = config.num_attention_heads * head, config.num_key_value_heads * head
    output, inner, last = ("dense", ["fc1"], "fc2") if config.model_type == "phi" else LLAMA_NAMES
    linears = [
        LinearLayer("self_attn.q_proj", h, wide, n), LinearLayer("self_attn.k_proj", h, narrow, n),
        LinearLayer("self_attn.v_proj", h, narrow, n), LinearLayer(f"self_attn.{output}", wide, h, n),
        *(LinearLayer(f"mlp.{name}", h, f, n) for name in inner), LinearLayer(f"mlp.{last}", f, h, n),
        _decoder_head(config, kind, h),
    ]  # fmt: skip
    return _architecture(config, kind, linears, (h, f, h), n, attention_width=wide)


def _decoder_head(config: Any, kind: ModelKind, hidden_size: int) -> LinearLayer:
    """The language head on the last position, or a decoder's classification head, which runs on every token."""
    if kind == "causal":
        return LinearLayer("lm_head", hidden_size, config.vocab_size, rows=1)
    return LinearLayer("score", hidden_size, config.num_labels)


def _architecture(
    config: Any, kind: ModelKind, linears: list[LinearLayer], widths: tuple[int, int, int], num_layers: int,
    *, attention_width: int | None = None, relative_vectors: int = 0,
) -> Architecture:  # fmt: skip
    """The architecture with these linear layers; ``widths`` are hidden, feed-forward and embedding size."""
    hidden, intermediate, embedding = widths
    return Architecture(
        model_type=config.model_type, kind=kind, hidden_size=hidden, intermediate_size=intermediate,
        embedding_size=embedding, num_layers=num_layers, attention_width=attention_width or hidden,
        relative_vectors=relative_vectors, linears=tuple(linears),
    )  # fmt: skip


LLAMA_NAMES = ("o_proj", ["gate_proj", "up_proj"], "down_proj")
HEAD_OF_TWO = ("classifier.dense", "classifier.out_proj")
DECODERS = ("gpt2", "llama", "mistral", "qwen2", "gemma", "phi")
READERS: dict[str, Callable[[Any, ModelKind], Architecture]] = {
    "bert": _bert_like, "roberta": _bert_like, "electra": _bert_like, "distilbert": _distilbert,
    "deberta-v2": _deberta_v2, "albert": _albert, "modernbert": _modernbert, "gpt2": _gpt2, "llama": _llama_like,
    "mistral": _llama_like, "qwen2": _llama_like, "gemma": _llama_like, "phi": _llama_like,
}  # fmt: skip
