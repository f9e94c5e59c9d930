"""Avoid device synchronisation by transformers in each step.

transformers reads a padding mask to drop it if nothing is padded, reads positions to find several texts in a row, and
in some architectures looks for padding without a mask, to warn. All three are known beforehand: a mask is passed only
if something is padded, and a row holds one text.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel, masking_utils
from transformers.masking_utils import AttentionMaskInterface, eager_mask, sdpa_mask


def avoid_device_waits() -> None:
    """Keep transformers from reading tensor values in this process; the results of models do not change.

    This covers the attention implementations ``sdpa`` and ``eager``, with which models are built.
    """
    AttentionMaskInterface.register("sdpa", _with_padding(sdpa_mask))
    AttentionMaskInterface.register("eager", _with_padding(eager_mask))
    # transformers has no registry for these two.
    vars(masking_utils)["find_packed_sequence_indices"] = _one_text_a_row
    PreTrainedModel.warn_if_padding_and_no_attention_mask = _no_warning  # type: ignore[method-assign]


def _with_padding(make: Callable[..., Tensor | None]) -> Callable[..., Tensor | None]:
    """A mask function that never drops a given padding mask."""

    def made(*args: Any, attention_mask: Tensor | None = None, **settings: Any) -> Tensor | None:
        if attention_mask is not None:
            settings |= {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
        return make(*args, attention_mask=attention_mask, **settings)

    return made


def _one_text_a_row(position_ids: Tensor) -> None:
    """The result of ``find_packed_sequence_indices`` if no row holds several texts."""
    del position_ids


def _no_warning(model: PreTrainedModel, input_ids: Any, attention_mask: Any) -> None:
    """Without a mask, nothing is padded."""
    del model, input_ids, attention_mask
