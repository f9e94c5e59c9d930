"""Answers that a causal model writes: greedy, so that the same model gives the same answer."""

from typing import Any

import torch
from torch import Tensor, nn

from bench.data.batches import Batch
from bench.model.position_ids import base_of
from bench.model.prompting.prefix_cache import AskedModel
from bench.model.prompting.prompts import Prompt


class Writer:
    """Writes answers to prompts; the model may not change as long as this is used."""

    def __init__(self, model: nn.Module, prompt: Prompt, tokenizer: Any, max_new_tokens: int | None = None) -> None:
        """Take a model in evaluation mode.

        Args:
            model: causal, plain, wrapped by peft or quantised; what its generation_config says is not heeded.
            prompt: what is asked.
            tokenizer: to read token ids.
            max_new_tokens: tokens that an answer may have; absent: what the prompt says.

        Raises:
            UnsupportedError: as ``AskedModel``.
        """
        self.asked_model = AskedModel(model, prompt)
        self.prompt, self.tokenizer = prompt, tokenizer
        self.max_new_tokens = prompt.max_new_tokens if max_new_tokens is None else max_new_tokens
        self.stops = sorted({stop for stop in (prompt.end_id, tokenizer.eos_token_id) if stop is not None})

    def answers(self, batch: Batch) -> list[str]:
        """What the model writes after each prompt, up to the end of its turn, without control tokens.

        Args:
            batch: B rows by ``collate_prompts``, on the model's device.

        Raises:
            UnsupportedError: as ``AskedModel.ask``.
        """
        answers = []
        for row in self._write(batch).tolist():
            end = next((place for place, token in enumerate(row) if token in self.stops), len(row))
            text = self.tokenizer.decode(row[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
            answers.append(str(text).strip())
        return answers

    @torch.inference_mode()
    def _write(self, batch: Batch) -> Tensor:
        """Token ids written, int64, shape (B, at most max_new_tokens); what follows a row's end means nothing."""
        steps = self._steps(batch)
        stops = torch.tensor(self.stops, dtype=torch.int64, device=batch.input_ids.device)
        asked = self.asked_model.ask(batch, following=steps - 1)
        logits, mask, positions = asked.logits, asked.mask, asked.next_positions[:, None]
        written = [logits.argmax(dim=-1, keepdim=True)]
        ended = torch.isin(written[-1], stops)
        # The host waits for each token here: answers are short, and a token after the end of all costs more than the
        # wait, which a model that generates anywhere else has too.
        while len(written) < steps and not bool(ended.all()):
            mask = None if mask is None else torch.cat([mask, torch.ones_like(written[-1])], dim=1)
            logits = self.asked_model.forward(written[-1], mask, positions, asked.cache, keep=1)[:, -1]
            written.append(logits.argmax(dim=-1, keepdim=True))
            ended |= torch.isin(written[-1], stops)
            positions = positions + 1
        return torch.cat(written, dim=1)

    def _steps(self, batch: Batch) -> int:
        """Tokens to write: no more than the model has positions for, yet one."""
        read = len(self.prompt.prefix_ids) + batch.input_ids.shape[1]
        positions = getattr(base_of(self.asked_model.model).config, "max_position_embeddings", None)
        # The last token written is not read, so it needs no position.
        return self.max_new_tokens if positions is None else max(1, min(self.max_new_tokens, positions - read + 1))
