"""The layers that get an update if neither the study nor peft names any."""

from collections.abc import Sequence

from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from torch import nn

#: Query and value as in Hu et al. 2021 (arXiv 2106.09685): those of peft, and ours for architectures that peft lacks.
QUERY_AND_VALUE: dict[str, Sequence[str]] = {
    "albert": ["query", "value"], "distilbert": ["q_lin", "v_lin"], "modernbert": ["Wqkv"],
    **TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING,
}  # fmt: skip


def default_targets(model: nn.Module) -> list[str] | None:
    """Names of the query and value layers; None if the architecture is unknown."""
    found = QUERY_AND_VALUE.get(str(getattr(getattr(model, "config", None), "model_type", None)))
    return None if found is None else list(found)
