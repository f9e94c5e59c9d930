"""The unused pooler that the published study kept beside its classification head."""

from typing import cast

from torch import Tensor, nn

from bench.errors import UnsupportedError

from .surgery import encoder_of


class _Pooler(nn.Module):
    """The first token's state through a linear layer and tanh, named as in BERT."""

    def __init__(self, like: Tensor) -> None:
        super().__init__()
        size = like.shape[-1]
        self.dense = nn.Linear(size, size, device=like.device, dtype=like.dtype)
        self.activation = nn.Tanh()

    def forward(self, states: Tensor) -> Tensor:
        """Map states [B, L, D] to [B, D]."""
        return cast(Tensor, self.activation(self.dense(states[:, 0])))


def add_pooler(model: nn.Module, like: Tensor, deviation: float) -> None:
    """Add a pooler with random weights to the encoder, if its ``pooler`` is None.

    Args:
        model: model with the encoder.
        like: tensor [..., D] with the pooler's dtype and device.
        deviation: standard deviation of the weights.

    Raises:
        UnsupportedError: the encoder has no attribute ``pooler``.
    """
    encoder = encoder_of(model)
    if not hasattr(encoder, "pooler"):
        raise UnsupportedError(
            f"methods.moe.options: pooler = true, but {type(encoder).__name__} has no place for one; set pooler = false"
        )
    if encoder.pooler is None:
        encoder.pooler = _Pooler(like)
        nn.init.normal_(encoder.pooler.dense.weight, std=deviation)
        nn.init.zeros_(encoder.pooler.dense.bias)
