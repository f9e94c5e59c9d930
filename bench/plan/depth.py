"""Static costs of a deep model from shallow ones: where every layer is alike, each costs the same."""

import itertools
from collections.abc import Callable, Sequence

from transformers import PretrainedConfig

from bench.model.config import at_depth

#: Architectures whose layers are all alike; a test compares what is extrapolated with the whole depth for each.
UNIFORM = frozenset({"bert", "roberta", "electra", "gpt2", "llama", "mistral", "qwen2", "gemma", "phi"})
#: Matmuls and parameters add up layer by layer, so that two depths tell: what the first layer alone spares is in both.
DEPTHS_OF_SUMS = (1, 2)
#: A peak is where it is highest, which may be elsewhere in a shallow model; a third depth shows whether it moves.
DEPTHS_OF_PEAKS = (2, 3, 4)

Costs = tuple[int | None, ...]


def extrapolated(
    config: PretrainedConfig, costs: Callable[[PretrainedConfig], Costs], depths: Sequence[int]
) -> Costs | None:
    """What ``costs`` would give for a config, worked out at these depths: a + b layers.

    Args:
        config: the whole architecture.
        costs: whole numbers; None stays None.
        depths: neighbouring numbers of layers, at least two.

    Returns:
        None where it cannot be told so: layers are not known to be alike, the costs are not affine at these depths, or
        the whole depth costs no more work than they do.
    """
    if config.model_type not in UNIFORM or config.num_hidden_layers <= sum(depths):
        return None
    found = [costs(at_depth(config, layers)) for layers in depths]
    whole: list[int | None] = []
    for values in zip(*found, strict=True):
        known = [value for value in values if value is not None]
        steps = {after - before for before, after in itertools.pairwise(known)}
        if len(known) not in (0, len(depths)) or len(steps) > 1:
            return None
        whole.append(known[0] + steps.pop() * (config.num_hidden_layers - depths[0]) if known else None)
    return tuple(whole)
