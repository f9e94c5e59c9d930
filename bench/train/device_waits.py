"""transformers without the places where the host would wait for the device in each step.

It asks a padding mask whether it hides anything, so that attention without a mask can be used where it does not; it
asks positions whether a row holds several texts; and some architectures look for padding that no mask hides, to warn.
All answers are known beforehand: a mask is given only where something is padded, and a row holds one text.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel, masking_utils
from transformers.masking_utils import AttentionMaskInterface, eager_mask, sdpa_mask


def avoid_device_waits() -> None:
    """Have transformers ask tensors for no values in this process; what models compute stays the same.

    Masks are meant of the implementations ``sdpa`` and ``eager``, which are those that models are built with.
    """
    AttentionMaskInterface.register("sdpa", _with_padding(sdpa_mask))
    AttentionMaskInterface.register("eager", _with_padding(eager_mask))
    # These have no place to be registered at.
    vars(masking_utils)["find_packed_sequence_indices"] = _one_text_a_row
    PreTrainedModel.warn_if_padding_and_no_attention_mask = _nothing_to_warn_of  # type: ignore[method-assign]


def _with_padding(make: Callable[..., Tensor | None]) -> Callable[..., Tensor | None]:
    """A function that makes masks, told that a given padding mask hides something."""

    def made(*args: Any, attention_mask: Tensor | None = None, **settings: Any) -> Tensor | None:
        if attention_mask is not None:
            settings |= {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
        return make(*args, attention_mask=attention_mask, **settings)

    return made


def _one_text_a_row(position_ids: Tensor) -> None:
    """What transformers' function of this place answers where no row holds several texts."""
    del position_ids


def _nothing_to_warn_of(model: PreTrainedModel, input_ids: Any, attention_mask: Any) -> None:
    """Nothing is padded where no mask is given."""
    del model, input_ids, attention_mask
