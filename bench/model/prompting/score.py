"""Likelihood of each label as the answer.

All labels of a batch cost one forward pass over its prompts and, if a label has several tokens, one more over the
distinct prefixes of labels, as a tree: a token attends only to the prompt and to the tokens on its path.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor, nn

from bench.data.batches import Batch
from bench.model.prompting.prefix_cache import Asked, AskedModel, fork
from bench.model.prompting.prompts import Ids, Prompt

#: Attention implementations that accept a mask of queries by keys; BLOOM derives positions from a plain mask.
TREE_ATTENTION = ("sdpa", "eager")


@dataclass(frozen=True, slots=True)
class LabelTree:
    """The distinct proper prefixes of labels as N nodes, each the last token of one prefix.

    Attributes:
        tokens: token id of each node, shape (N,).
        depths: number of tokens before each node in its label, shape (N,).
        sees: bool, shape (N, N): whether node i attends to node j, which is itself or on its path.
        steps: label, preceding node and token id of each label token except the first, shape (steps, 3).
        first: first token id of each label, shape (C,).
        lengths: number of tokens of each label, shape (C,).
        labels: concatenated token ids of all labels, shape (sum of lengths,).
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
        """Tree of these labels, without nodes if each label has one token."""
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
    """Scores labels after prompts; the model must not change while this is used."""

    def __init__(self, model: nn.Module, prompt: Prompt, normalization: Literal["none", "tokens"] = "none") -> None:
        """Take a model in evaluation mode.

        Args:
            model: causal model: plain, wrapped by peft, or quantised.
            prompt: prompt with its labels.
            normalization: ``none`` for the sum of the log-likelihoods of a label's tokens, ``tokens`` for their mean.

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
            self.tree = self.tree.to(device)  # only once, since a copy makes the host wait
        asked = self.asked_model.ask(batch, following=self.prompt.longest_label - 1)
        scores = _log_likelihoods(asked.logits)[:, self.tree.first]
        if len(self.tree.tokens):
            tree = self.asked_model.takes_positions and self.asked_model.attention in TREE_ATTENTION
            scores = scores + (self._rest_by_tree(asked) if tree else self._rest_by_label(asked))
        if self.normalization == "tokens":
            scores = scores / self.tree.lengths
        return scores

    def _rest_by_tree(self, asked: Asked) -> Tensor:
        """Log-likelihood of each label without its first token, shape (B, C), in one pass for all labels."""
        tree, rows = self.tree, len(asked.logits)
        positions = asked.next_positions[:, None] + tree.depths
        ids = tree.tokens.expand(rows, -1)
        logits = self.asked_model.forward(ids, self._tree_mask(asked), positions, asked.cache, keep=len(tree.tokens))
        label, node, token = tree.steps.T
        chosen = _log_likelihoods(logits)[:, node, token]
        return chosen.new_zeros(rows, len(self.prompt.label_ids)).index_add(1, label, chosen)

    def _tree_mask(self, asked: Asked) -> Tensor:
        """Attention mask of the nodes, shape (B, 1, N, K + N): bool, or the bias that eager attention adds."""
        rows, nodes = len(asked.logits), len(self.tree.tokens)
        past = asked.cache.get_seq_length()
        seen = torch.ones(rows, past, device=asked.logits.device) if asked.mask is None else asked.mask
        of_prompt = seen.to(torch.bool)[:, None, None, :].expand(-1, -1, nodes, -1)
        sees = torch.cat([of_prompt, self.tree.sees.expand(rows, 1, -1, -1)], dim=-1)
        if self.asked_model.attention != "eager":
            return sees
        return torch.zeros(sees.shape, device=sees.device).masked_fill(~sees, torch.finfo(torch.float32).min)

    def _rest_by_label(self, asked: Asked) -> Tensor:
        """The same in one pass per label, for models that accept no such mask or no positions."""
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
    """Log-likelihoods in float32 for any precision of the model: bf16 would leave two digits of a sum."""
    return logits.float().log_softmax(dim=-1)
