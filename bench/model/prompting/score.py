"""The likelihood of each label as the answer.

All labels of a batch cost one forward pass over its prompts and, where a label has several tokens, one more over the
distinct starts of labels, as a tree: a token sees the prompt, the tokens that lead to it, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor, nn

from bench.data.batches import Batch
from bench.model.prompting.prefix_cache import Asked, AskedModel, fork
from bench.model.prompting.prompts import Ids, Prompt

#: Implementations of attention that take a mask of queries by keys; BLOOM, say, works positions out of a plain one.
TREE_ATTENTION = ("sdpa", "eager")


@dataclass(frozen=True, slots=True)
class LabelTree:
    """The distinct proper starts of labels, N nodes, each the last token of one start.

    Attributes:
        tokens: token id of each node, shape (N,).
        depths: tokens before it in its label, shape (N,).
        sees: bool, shape (N, N): node i attends to node j, on the way to it or itself.
        steps: of each label token but the first: label, node it follows, token id; shape (steps, 3).
        first: token id that each label begins with, shape (C,).
        lengths: tokens of each label, shape (C,).
        labels: token ids of all labels, one after the other, shape (sum of lengths,).
    """

    tokens: Tensor
    depths: Tensor
    sees: Tensor
    steps: Tensor
    first: Tensor
    lengths: Tensor
    labels: Tensor

    @classmethod
    def of(cls, label_ids: Sequence[Ids]) -> "LabelTree":
        """The tree of these labels; without nodes where each label has one token."""
        starts = list(dict.fromkeys(ids[:end] for ids in label_ids for end in range(1, len(ids))))
        node = {start: number for number, start in enumerate(starts)}
        steps = [
            (label, node[ids[:end]], ids[end]) for label, ids in enumerate(label_ids) for end in range(1, len(ids))
        ]
        sees = [[start[: len(other)] == other for other in starts] for start in starts]
        return cls(
            torch.tensor([start[-1] for start in starts], dtype=torch.int64),
            torch.tensor([len(start) - 1 for start in starts], dtype=torch.int64),
            torch.tensor(sees, dtype=torch.bool).view(len(starts), len(starts)),
            torch.tensor(steps, dtype=torch.int64).view(-1, 3),
            torch.tensor([ids[0] for ids in label_ids], dtype=torch.int64),
            torch.tensor([len(ids) for ids in label_ids], dtype=torch.int64),
            torch.tensor([token for ids in label_ids for token in ids], dtype=torch.int64),
        )

    def to(self, device: torch.device) -> "LabelTree":
        """The same tree on a device."""
        return LabelTree(*(getattr(self, field.name).to(device) for field in fields(self)))


class LabelScorer:
    """Scores labels after prompts; the model may not change as long as this is used."""

    def __init__(self, model: nn.Module, prompt: Prompt, normalization: Literal["none", "tokens"] = "none") -> None:
        """Take a model in evaluation mode.

        Args:
            model: causal, plain, wrapped by peft or quantised.
            prompt: what is asked, and the labels.
            normalization: none: sum of the log-likelihoods of a label's tokens; tokens: their mean.

        Raises:
            UnsupportedError: as ``AskedModel``.
        """
        self.asked_model = AskedModel(model, prompt)
        self.prompt, self.normalization = prompt, normalization
        self.tree = LabelTree.of(prompt.label_ids)

    @torch.no_grad()
    def scores(self, batch: Batch) -> Tensor:
        """Log-likelihood of each label after each prompt.

        Args:
            batch: B rows by ``collate_prompts``, on the model's device.

        Returns:
            Natural logarithms, float32, shape (B, C).

        Raises:
            UnsupportedError: as ``AskedModel.ask``.
        """
        device = batch.input_ids.device
        if self.tree.tokens.device != device:
            self.tree = self.tree.to(device)  # once: a copy makes the host wait
        asked = self.asked_model.ask(batch, following=self.prompt.longest_label - 1)
        scores = _log_likelihoods(asked.logits)[:, self.tree.first]
        if len(self.tree.tokens):
            tree = self.asked_model.takes_positions and self.asked_model.attention in TREE_ATTENTION
            scores = scores + (self._rest_by_tree(asked) if tree else self._rest_by_label(asked))
        if self.normalization == "tokens":
            scores = scores / self.tree.lengths
        return scores

    def _rest_by_tree(self, asked: Asked) -> Tensor:
        """Log-likelihood of all tokens of each label but the first, shape (B, C): one pass for all labels."""
        tree, rows = self.tree, len(asked.logits)
        positions = asked.next_positions[:, None] + tree.depths
        ids = tree.tokens.expand(rows, -1)
        logits = self.asked_model.forward(ids, self._tree_mask(asked), positions, asked.cache, keep=len(tree.tokens))
        label, node, token = tree.steps.T
        chosen = _log_likelihoods(logits)[:, node, token]
        return chosen.new_zeros(rows, len(self.prompt.label_ids)).index_add(1, label, chosen)

    def _tree_mask(self, asked: Asked) -> Tensor:
        """What each node attends to, shape (B, 1, N, K + N): bool, or what eager attention adds to its scores."""
        rows, nodes = len(asked.logits), len(self.tree.tokens)
        past = asked.cache.get_seq_length()
        seen = torch.ones(rows, past, device=asked.logits.device) if asked.mask is None else asked.mask
        of_prompt = seen.to(torch.bool)[:, None, None, :].expand(-1, -1, nodes, -1)
        sees = torch.cat([of_prompt, self.tree.sees.expand(rows, 1, -1, -1)], dim=-1)
        if self.asked_model.attention != "eager":
            return sees
        return torch.zeros(sees.shape, device=sees.device).masked_fill(~sees, torch.finfo(torch.float32).min)

    def _rest_by_label(self, asked: Asked) -> Tensor:
        """The same by one pass a label, for models that take no such mask or no positions."""
        rows, labels = len(asked.logits), self.prompt.label_ids
        rest = torch.zeros(rows, len(labels), device=asked.logits.device)
        answers = self.tree.labels.split([len(ids) for ids in labels])
        for label, (ids, answer) in enumerate(zip(labels, answers, strict=True)):
            if len(ids) == 1:
                continue
            start = answer[:-1].expand(rows, -1)
            mask = None if asked.mask is None else torch.cat([asked.mask, torch.ones_like(start)], dim=1)
            positions = asked.next_positions[:, None] + torch.arange(len(ids) - 1, device=answer.device)
            logits = self.asked_model.forward(start, mask, positions, fork(asked.cache), keep=len(ids) - 1)
            chosen = _log_likelihoods(logits).gather(-1, answer[1:].expand(rows, -1)[..., None])
            rest[:, label] = chosen.sum(dim=(1, 2))
        return rest


def _log_likelihoods(logits: Tensor) -> Tensor:
    """In float32, whatever the model computes in: bf16 would leave two digits of a sum."""
    return logits.float().log_softmax(dim=-1)
