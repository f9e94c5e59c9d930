"""Batches of prompts for a causal model, padded on the left so that all rows end where the answer begins."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.batches import IGNORED, Batch
from bench.data.tokens import Tokens
from bench.model.prompting.prompts import Prompt


def collate_prompts(
    prompt: Prompt, tokens: Tokens, labels: Sequence[int], indices: NDArray[np.int64], pad_id: int
) -> Batch:
    """Rows [text + suffix], padded on the left, without the constant prefix, which is computed once.

    Args:
        prompt: prompt that gives the suffix.
        tokens: token ids of the texts, without special tokens, truncated to ``prompt.room``.
        labels: class of each text.
        indices: texts of this batch, shape (B,).
        pad_id: padding token id.

    Returns:
        A batch whose ``labels`` are the classes, shape (B,), and whose ``tokens`` counts texts and suffixes.
    """
    rows = [np.concatenate([_text(tokens, i), prompt.suffix_ids]) for i in indices]
    ids, mask = _padded(rows, pad_id)
    return Batch(ids, mask, torch.tensor([labels[i] for i in indices]), indices, sum(map(len, rows)))


def collate_answers(
    prompt: Prompt, tokens: Tokens, labels: Sequence[int], indices: NDArray[np.int64], pad_id: int,
    loss_tokens: Literal["answer", "all"] = "answer",
) -> Batch:  # fmt: skip
    """Rows to train on, [prefix + text + suffix + label + end], padded on the left.

    Args:
        prompt: prompt around the texts.
        tokens: token ids of the texts, without special tokens, truncated to ``prompt.room``.
        labels: class of each text.
        indices: texts of this batch, shape (B,).
        pad_id: padding token id.
        loss_tokens: see ``TrainSettings.loss_tokens``.

    Returns:
        A batch whose ``labels`` are the token ids to train on, int64, shape (B, T): each row's answer with its end
        token, or the whole row without its first token, which nothing predicts. They are padded on the left with -100,
        so that ``labels[:, t]`` belongs to ``input_ids[:, t - T]``.
    """
    answers = [prompt.answer_ids(labels[i]) for i in indices]
    rows = [
        np.concatenate([prompt.prefix_ids, _text(tokens, i), prompt.suffix_ids, answer]).astype(np.int64)
        for i, answer in zip(indices, answers, strict=True)
    ]
    ids, mask = _padded(rows, pad_id)
    trained = [np.array(answer, dtype=np.int64) for answer in answers]
    if loss_tokens == "all":
        trained = [row[1:] for row in rows]
    targets, _ = _padded(trained, IGNORED)
    return Batch(ids, mask, targets, indices, sum(map(len, rows)))


def _text(tokens: Tokens, index: int) -> NDArray[np.int64]:
    return tokens.ids[tokens.offsets[index] : tokens.offsets[index + 1]].astype(np.int64)


def _padded(rows: Sequence[NDArray[np.int64]], fill: int) -> tuple[Tensor, Tensor | None]:
    """Rows padded on the left, int64, shape (B, L), and their mask; no mask if nothing is padded."""
    lengths = np.array([len(row) for row in rows])
    longest = int(lengths.max())
    values = np.full((len(rows), longest), fill, dtype=np.int64)
    on_token = np.arange(longest) >= longest - lengths[:, None]
    values[on_token] = np.concatenate(rows)
    mask = None if bool(on_token.all()) else torch.from_numpy(on_token.astype(np.int64))
    return torch.from_numpy(values), mask
