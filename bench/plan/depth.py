"""Extrapolate static costs of a deep model from shallow ones whose layers are identical."""

import itertools
from collections.abc import Callable, Sequence

from transformers import PretrainedConfig

from bench.model.config import at_depth

#: Architectures with identical layers; a test compares extrapolated costs with those of the full depth for each.
UNIFORM = frozenset({"bert", "roberta", "electra", "gpt2", "llama", "mistral", "qwen2", "gemma", "phi"})
#: FLOPs and parameters are sums over layers, so two depths are enough; savings in the first layer are in both.
DEPTHS_OF_SUMS = (1, 2)
#: The position of a peak may depend on the depth; a third depth shows whether it does.
DEPTHS_OF_PEAKS = (2, 3, 4)

Costs = tuple[int | None, ...]


def extrapolated(
    config: PretrainedConfig, costs: Callable[[PretrainedConfig], Costs], depths: Sequence[int]
) -> Costs | None:
    """The costs of a config, extrapolated linearly from those at a few depths.

    Args:
        config: config of the full depth.
        costs: function that returns the costs of a config; None stays None.
        depths: consecutive numbers of layers, at least two.

    Returns:
        None if the layers are not known to be identical, the costs are not linear in the depth, or the full depth is no
        more work than these depths.
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
