"""Forward passes of a causal model over prompts, with the constant prefix computed once."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from bench.data.batches import Batch
from bench.errors import UnsupportedError
from bench.model.position_ids import base_of, position_ids, takes_position_ids
from bench.model.prompting.prompts import Prompt

#: Architectures that take no position ids but derive them from the mask, without padding; a test scores one.
FROM_THE_MASK = frozenset({"bloom"})


@dataclass(frozen=True, slots=True)
class Asked:
    """State of a model that has read the prompts of a batch.

    Attributes:
        logits: logits of the next token, shape (B, vocabulary), in the model's precision.
        cache: keys and values of all K tokens so far; growing a ``fork`` of it leaves it unchanged.
        mask: int64, shape (B, K), 0 on padding, which lies between prefix and text; None without padding.
        next_positions: position of the next token, int64, shape (B,).
    """

    logits: Tensor
    cache: DynamicCache
    mask: Tensor | None
    next_positions: Tensor


class AskedModel:
    """A model with the keys and values of a prompt's prefix; neither may change while this is used."""

    def __init__(self, model: nn.Module, prompt: Prompt) -> None:
        """Take a model in evaluation mode; the prefix is computed at the first batch, on the batch's device.

        Raises:
            UnsupportedError: the model keeps state other than keys and values, or uses virtual tokens.
        """
        self.model, self.prompt = model, prompt
        self.takes_positions = takes_position_ids(model)
        self.window = _window(model)
        config = base_of(model).config
        if (not self.takes_positions or getattr(config, "alibi", False)) and config.model_type not in FROM_THE_MASK:
            raise UnsupportedError(
                f"architecture {config.model_type} derives positions from places in the row, so padding would change "
                "its answers"
            )
        self._prefix: DynamicCache | None = None

    @property
    def attention(self) -> str:
        """Name of the attention implementation."""
        return str(base_of(self.model).config._attn_implementation)

    def ask(self, batch: Batch, following: int) -> Asked:
        """Read the prompts of a batch: one forward pass over [text + suffix].

        Args:
            batch: batch by ``collate_prompts``.
            following: maximum number of tokens that will be read afterwards.

        Raises:
            UnsupportedError: the sequence is longer than the model's attention window.
        """
        rows, length = batch.input_ids.shape
        past = len(self.prompt.prefix_ids)
        self.check_window(past + length + following)
        cache = expanded(self._prefix_on(batch.input_ids.device), rows)
        mask = batch.attention_mask
        on_text = torch.ones_like(batch.input_ids) if mask is None else mask
        if mask is not None:
            mask = torch.cat([mask.new_ones(rows, past), mask], dim=1)
        logits = self.forward(batch.input_ids, mask, position_ids(on_text, past), cache, keep=1)
        return Asked(logits[:, -1], cache, mask, on_text.sum(dim=1) + past)

    def forward(self, ids: Tensor, mask: Tensor | None, positions: Tensor, cache: DynamicCache, *, keep: int) -> Tensor:
        """Logits of the last ``keep`` tokens, shape (B, keep, vocabulary); the cache grows by the tokens read.

        Args:
            ids: int64, shape (B, L).
            mask: mask over past and new tokens, shape (B, K + L) or (B, 1, L, K + L); None to hide only later tokens.
            positions: int64, shape (B, L).
            cache: keys and values of the K past tokens.
            keep: number of tokens.
        """
        options = {"position_ids": positions} if self.takes_positions else {}
        output = self.model(
            input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, logits_to_keep=keep, **options
        )
        return output.logits  # type: ignore[no-any-return]

    def _prefix_on(self, device: torch.device) -> DynamicCache:
        if self._prefix is None:
            cache = DynamicCache()
            if self.prompt.prefix_ids:
                ids = torch.tensor([self.prompt.prefix_ids], device=device)
                self.forward(ids, None, position_ids(torch.ones_like(ids)), cache, keep=1)
            self._prefix = cache
        return self._prefix

    def check_window(self, tokens: int) -> None:
        """Refuse a sequence that exceeds a layer's attention window.

        Raises:
            UnsupportedError: the sequence has more tokens than the narrowest window.
        """
        if self.window is not None and tokens > self.window:
            # The window counts padding too, which here lies between prefix and text.
            raise UnsupportedError(
                f"the model's attention window has {self.window} tokens, the prompt and its answer have {tokens}; "
                f"lower data.max_length to {self.window} at most"
            )


def expanded(cache: DynamicCache, rows: int) -> DynamicCache:
    """Expand a cache of one row to several rows, without a copy: a layer that grows allocates its own tensor."""
    many = fork(cache)
    for layer in many.layers:
        if isinstance(layer, DynamicLayer) and layer.keys is not None and layer.values is not None:
            layer.keys, layer.values = (kept.expand(rows, -1, -1, -1) for kept in (layer.keys, layer.values))
    return many


def fork(cache: DynamicCache) -> DynamicCache:
    """A cache that grows independently and shares the tokens so far."""
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    return twin


def _window(model: nn.Module) -> int | None:
    """Number of tokens in the narrowest attention window; None without a window.

    Raises:
        UnsupportedError: a layer's state cannot be shared among rows.
    """
    adapter: Any = getattr(model, "active_peft_config", None)
    if getattr(adapter, "is_prompt_learning", False):
        raise UnsupportedError(f"{adapter.peft_type.value} puts virtual tokens before each call of a causal model")
    layers = DynamicCache(config=base_of(model).config).layers
    others = {type(layer).__name__ for layer in layers if type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer)}
    if others:
        raise UnsupportedError(f"prompts need layers that keep keys and values, got {', '.join(sorted(others))}")
    windows = [layer.sliding_window for layer in layers if isinstance(layer, DynamicSlidingWindowLayer)]
    return min(windows, default=None)
