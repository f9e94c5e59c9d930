"""FLOPs of a model with experts in closed form, for architectures whose feed-forward blocks are known by name."""

from typing import NamedTuple

from bench.errors import UnsupportedError
from bench.method import Architecture, Task

from .options import Options
from .surgery import choose, not_found


class Names(NamedTuple):
    """Names of a block's linear layers in ``bench.method.Architecture``, the last one last."""

    matrices: tuple[str, ...]
    shared: bool = False  # one block is stored and run in every layer, as in all published ALBERT models


NAMES = (
    Names(("intermediate.dense", "output.dense")),  # BERT, RoBERTa, ELECTRA and DeBERTa-v2
    Names(("ffn.lin1", "ffn.lin2")),  # DistilBERT
    Names(("ffn", "ffn_output"), shared=True),  # ALBERT
    Names(("mlp.Wi", "mlp.Wo")),  # ModernBERT
    Names(("mlp.c_fc", "mlp.c_proj")),  # GPT-2
    Names(("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")),  # Llama, Mistral, Qwen2 and Gemma
    Names(("mlp.fc1", "mlp.fc2")),  # Phi
)


class Replaced(NamedTuple):
    """The replaced blocks: multiplications a token of one, its two widths, and their number of runs."""

    products: int
    hidden: int
    inner: int
    runs: int


def replaced(architecture: Architecture, options: Options) -> Replaced:
    """The replaced blocks of an architecture.

    Raises:
        UnsupportedError: its blocks have none of these names.
    """
    linears = {linear.name: linear for linear in architecture.linears}
    known = _known(options)
    names = next((names for names in known if all(name in linears for name in names.matrices)), None)
    if names is None:
        where = f"model_type {architecture.model_type}"
        raise UnsupportedError(
            f"methods.moe: {where} has no closed form of its feed-forward blocks"
            if options.block is None else f"methods.moe.options: {not_found(where, options.block)}"
        )  # fmt: skip
    layers = [linears[name] for name in names.matrices]
    last = layers[-1]
    stored = 1 if names.shared else last.count
    runs = len(choose(options.layers, stored)) * last.count // stored
    return Replaced(sum(x.in_features * x.out_features for x in layers), last.out_features, last.in_features, runs)


def _known(options: Options) -> tuple[Names, ...]:
    block = options.block
    if block is None:
        return NAMES
    return (Names(tuple(f"{block.module}.{name}" for name in (block.gate, block.up, block.down) if name)),)


def forward_flops(architecture: Architecture, task: Task, options: Options) -> int:
    """The FLOPs of the plain model without the replaced blocks, plus routers, experts and the optional pooler."""
    block, tokens = replaced(architecture, options), task.max_length
    names = {linear.name for linear in architecture.linears}
    pooler = 2 * block.hidden * block.hidden if options.pooler and not names & {"pooler.dense", "pooler"} else 0
    routers: int = 2 * tokens * block.runs * block.hidden * options.num_experts
    plain: int = architecture.forward_flops(tokens) - 2 * tokens * block.runs * block.products
    return plain + routers + expert_flops(architecture, task, options) + pooler


def expert_flops(architecture: Architecture, task: Task, options: Options) -> int:
    """2 L K M h i per replaced block: K experts per token, a shared one included, with M matrices h x i each.

    M is 3 for gated experts, otherwise 2.
    """
    block = replaced(architecture, options)
    matrices = 3 if options.expert == "gated" else 2
    experts = options.top_k + options.shared_expert
    width = matrices * block.hidden * (options.inter_size or block.inner)
    return 2 * task.max_length * block.runs * experts * width
