"""The third of three ways: forward FLOPs in closed form, from the numbers in a config and no module tree.

A linear layer over R rows costs 2 R in out; attention costs 4 L^2 heads head_dim a layer: L^2 scores and L^2 weighted
values, a multiply-add for each element of a head (Kaplan et al. 2020, arXiv 2001.08361, table 1, with its 2 n_ctx
d_attn a token doubled because a causal mask spares nothing under ``scaled_dot_product_attention``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import UnsupportedError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

ModelKind = Literal["encoder", "causal"]


@dataclass(frozen=True, slots=True)
class LinearLayer:
    """Linear layers of one name and shape.

    Attributes:
        name: the end of its dotted name in the module tree, without the number of its block, e.g.
            ``attention.self.query`` or ``self_attn.q_proj``.
        in_features: width of its input.
        out_features: width of its output.
        count: how often it is run in one pass; layers that share weights run more often than they are stored.
        rows: vectors it is run on each time; None where it is every token.
        is_convolution: a convolution over tokens, whose ``in_features`` are those of all its taps.
    """

    name: str
    in_features: int
    out_features: int
    count: int = 1
    rows: int | None = None
    is_convolution: bool = False

    def total_rows(self, tokens: int) -> int:
        """Vectors that pass through all of them in one pass over ``tokens`` tokens."""
        return self.count * (tokens if self.rows is None else self.rows)

    def flops(self, tokens: int) -> int:
        """2 rows in out."""
        return 2 * self.total_rows(tokens) * self.in_features * self.out_features

    def is_called(self, names: Iterable[str]) -> bool:
        """Whether one of the names is its dotted name or the end of it, e.g. ``query`` or ``self.query``."""
        return any(self.name == name or self.name.endswith(f".{name}") for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The matmuls of a transformer.

    Attributes:
        model_type: name in transformers, e.g. ``roberta``.
        kind: encoder (with a classification head) or causal (with a language head, run on the last position).
        hidden_size: width of the residual stream.
        intermediate_size: width inside the feed-forward block.
        embedding_size: width of the embedding table, which some project to the hidden size.
        num_layers: transformer layers that are run.
        attention_width: heads x head_dim of the queries.
        relative_vectors: vectors of relative positions that each token of each layer is compared with (DeBERTa).
        linears: every linear layer and convolution, the head included.
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
        """The architecture that a config describes, with a head for ``config.num_labels`` classes if an encoder.

        Raises:
            UnsupportedError: nobody has written down this model type yet, or not as this kind of model.
        """
        readers = READERS if kind == "encoder" else {name: READERS[name] for name in DECODERS}
        if config.model_type not in readers:
            raise UnsupportedError(
                f"no closed form for architecture {config.model_type!r} as {kind} model; known: "
                f"{', '.join(sorted(readers))}"
            )
        return readers[config.model_type](config, kind)

    def attention_flops(self, tokens: int) -> int:
        """Of all layers: scores and weighted values, 4 L^2 width, and 2 L width for each relative vector."""
        content = 4 * tokens**2 * self.attention_width
        position = 2 * tokens * self.attention_width * self.relative_vectors
        return self.num_layers * (content + position)

    def forward_flops(self, tokens: int) -> int:
        """FLOPs of one forward pass over one sequence of ``tokens`` tokens; a multiply-add is 2."""
        return sum(layer.flops(tokens) for layer in self.linears) + self.attention_flops(tokens)


def _bert_like(config: Any, kind: ModelKind) -> Architecture:
    """BERT, RoBERTa, ELECTRA: they differ in the head and in ELECTRA's projected embeddings."""
    h, f, n = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    embedding = getattr(config, "embedding_size", None) or h
    first, last = ("pooler.dense", "classifier") if config.model_type == "bert" else HEAD_OF_TWO
    projection = [LinearLayer("embeddings_project", embedding, h)] if embedding != h else []
    linears = [
        *projection,
        *(LinearLayer(f"attention.self.{name}", h, h, n) for name in ("query", "key", "value")),
        LinearLayer("attention.output.dense", h, h, n),
        LinearLayer("intermediate.dense", h, f, n),
        LinearLayer("output.dense", f, h, n),
        LinearLayer(first, h, h, rows=1),
        LinearLayer(last, h, config.num_labels, rows=1),
    ]
    return _architecture(config, kind, linears, (h, f, embedding), n)


def _distilbert(config: Any, kind: ModelKind) -> Architecture:
    h, f, n = config.dim, config.hidden_dim, config.n_layers
    linears = [
        *(LinearLayer(f"attention.{name}", h, h, n) for name in ("q_lin", "k_lin", "v_lin", "out_lin")),
        LinearLayer("ffn.lin1", h, f, n),
        LinearLayer("ffn.lin2", f, h, n),
        LinearLayer("pre_classifier", h, h, rows=1),
        LinearLayer("classifier", h, config.num_labels, rows=1),
    ]
    return _architecture(config, kind, linears, (h, f, h), n)


def _deberta_v2(config: Any, kind: ModelKind) -> Architecture:
    """Disentangled attention (He et al. 2020, arXiv 2006.03654, eq. 4): content and relative positions apart.

    The 2k vectors of relative positions pass through a projection in every layer: that of the content's keys and
    queries where they are shared, one of their own elsewhere.
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
        LinearLayer("attention.output.dense", h, h, n),
        LinearLayer("intermediate.dense", h, f, n),
        LinearLayer("output.dense", f, h, n),
        *convolution,
        LinearLayer("pooler.dense", config.pooler_hidden_size, config.pooler_hidden_size, rows=1),
        LinearLayer("classifier", h, config.num_labels, rows=1),
    ]
    used = sum(way in (config.pos_att_type or ()) for way in ("c2p", "p2c"))
    return _architecture(config, kind, linears, (h, f, embedding), n, relative_vectors=relative * used)


def _relative_positions(config: Any) -> tuple[int, list[str]]:
    """How many vectors of relative positions there are, and the names of what they pass through in each layer."""
    if not getattr(config, "relative_attention", False):
        return 0, []
    buckets, farthest = getattr(config, "position_buckets", -1), getattr(config, "max_relative_positions", -1)
    span = buckets if buckets > 0 else farthest if farthest >= 1 else config.max_position_embeddings
    if getattr(config, "share_att_key", False):
        return 2 * span, ["query_proj", "key_proj"]
    ways = {"c2p": "pos_key_proj", "p2c": "pos_query_proj"}
    return 2 * span, [name for way, name in ways.items() if way in (config.pos_att_type or ())]


def _albert(config: Any, kind: ModelKind) -> Architecture:
    """One group of layers is stored and run again and again; each run costs."""
    h, f, e = config.hidden_size, config.intermediate_size, config.embedding_size
    n = config.num_hidden_layers * config.inner_group_num
    linears = [
        LinearLayer("embedding_hidden_mapping_in", e, h),
        *(LinearLayer(f"attention.{name}", h, h, n) for name in ("query", "key", "value", "dense")),
        LinearLayer("ffn", h, f, n),
        LinearLayer("ffn_output", f, h, n),
        LinearLayer("pooler", h, h, rows=1),
        LinearLayer("classifier", h, config.num_labels, rows=1),
    ]
    return _architecture(config, kind, linears, (h, f, e), n)


def _modernbert(config: Any, kind: ModelKind) -> Architecture:
    """Gated feed-forward; local attention is computed in full and masked, as sdpa does."""
    h, f, n = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    linears = [
        LinearLayer("attn.Wqkv", h, 3 * h, n),
        LinearLayer("attn.Wo", h, h, n),
        LinearLayer("mlp.Wi", h, 2 * f, n),
        LinearLayer("mlp.Wo", f, h, n),
        LinearLayer("head.dense", h, h, rows=1),
        LinearLayer("classifier", h, config.num_labels, rows=1),
    ]
    return _architecture(config, kind, linears, (h, f, h), n)


def _gpt2(config: Any, kind: ModelKind) -> Architecture:
    h, n = config.n_embd, config.n_layer
    f = config.n_inner or 4 * h
    linears = [
        LinearLayer("attn.c_attn", h, 3 * h, n),
        LinearLayer("attn.c_proj", h, h, n),
        LinearLayer("mlp.c_fc", h, f, n),
        LinearLayer("mlp.c_proj", f, h, n),
        _decoder_head(config, kind, h),
    ]
    return _architecture(config, kind, linears, (h, f, h), n)


def _llama_like(config: Any, kind: ModelKind) -> Architecture:
    """Llama, Mistral, Qwen2, Gemma: gated feed-forward, fewer heads for keys and values; any window is masked.

    Phi has the same attention with another name for its output, and two plain layers as feed-forward.
    """
    h, f, n = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    head = getattr(config, "head_dim", None) or h // config.num_attention_heads
    wide, narrow = config.num_attention_heads * head, config.num_key_value_heads * head
    output, inner, last = ("dense", ["fc1"], "fc2") if config.model_type == "phi" else LLAMA_NAMES
    linears = [
        LinearLayer("self_attn.q_proj", h, wide, n),
        LinearLayer("self_attn.k_proj", h, narrow, n),
        LinearLayer("self_attn.v_proj", h, narrow, n),
        LinearLayer(f"self_attn.{output}", wide, h, n),
        *(LinearLayer(f"mlp.{name}", h, f, n) for name in inner),
        LinearLayer(f"mlp.{last}", f, h, n),
        _decoder_head(config, kind, h),
    ]
    return _architecture(config, kind, linears, (h, f, h), n, attention_width=wide)


def _decoder_head(config: Any, kind: ModelKind, hidden_size: int) -> LinearLayer:
    """The language head on the last position, or the classification head, which a decoder runs on every token."""
    if kind == "causal":
        return LinearLayer("lm_head", hidden_size, config.vocab_size, rows=1)
    return LinearLayer("score", hidden_size, config.num_labels)


def _architecture(
    config: Any, kind: ModelKind, linears: list[LinearLayer], widths: tuple[int, int, int], num_layers: int,
    *, attention_width: int | None = None, relative_vectors: int = 0,
) -> Architecture:  # fmt: skip
    """Put one together from its linear layers; ``widths`` are those of hidden states, feed-forward and embeddings."""
    hidden, intermediate, embedding = widths
    return Architecture(
        model_type=config.model_type,
        kind=kind,
        hidden_size=hidden,
        intermediate_size=intermediate,
        embedding_size=embedding,
        num_layers=num_layers,
        attention_width=attention_width or hidden,
        relative_vectors=relative_vectors,
        linears=tuple(linears),
    )


LLAMA_NAMES = ("o_proj", ["gate_proj", "up_proj"], "down_proj")
HEAD_OF_TWO = ("classifier.dense", "classifier.out_proj")
DECODERS = ("gpt2", "llama", "mistral", "qwen2", "gemma", "phi")
READERS: dict[str, Callable[[Any, ModelKind], Architecture]] = {
    "bert": _bert_like,
    "roberta": _bert_like,
    "electra": _bert_like,
    "distilbert": _distilbert,
    "deberta-v2": _deberta_v2,
    "albert": _albert,
    "modernbert": _modernbert,
    "gpt2": _gpt2,
    "llama": _llama_like,
    "mistral": _llama_like,
    "qwen2": _llama_like,
    "gemma": _llama_like,
    "phi": _llama_like,
}
