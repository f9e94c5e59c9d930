"""Batches of prompts for a causal model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.batches import IGNORED, Batch
from bench.data.tokens import Tokens
from bench.model.prompting.batches import collate_answers, collate_prompts
from bench.model.prompting.prompts import Prompt
from bench.study.settings import PromptSettings
from tests.known import known

PAD = 99
PROMPT = Prompt((1, 2, 3), (7, 8), ((10,), (11, 12, 13)), 20, ("no", "yes"), "", "", PromptSettings())
NO_END = Prompt((), (7,), ((10,), (11, 12, 13)), None, ("no", "yes"), "", "", PromptSettings())


def tokens_of(rows: list[list[int]]) -> Tokens:
    flat = np.array([token for row in rows for token in row], dtype=np.int32)
    return Tokens(flat, np.cumsum([0, *map(len, rows)]), 0)


def rows_of(batch: Batch) -> list[list[int]]:
    """The rows without padding, by the mask."""
    if batch.attention_mask is None:
        return batch.input_ids.tolist()
    pairs = zip(batch.input_ids.tolist(), batch.attention_mask.tolist(), strict=True)
    return [[token for token, kept in zip(ids, mask, strict=True) if kept] for ids, mask in pairs]


def test_prompts_are_texts_and_suffixes_padded_on_the_left() -> None:
    batch = collate_prompts(PROMPT, tokens_of([[4], [4, 5, 6], []]), [1, 0, 1], np.array([2, 1, 0]), PAD)
    assert batch.input_ids.tolist() == [[PAD, PAD, PAD, 7, 8], [4, 5, 6, 7, 8], [PAD, PAD, 4, 7, 8]]
    assert known(batch.attention_mask).tolist() == [[0, 0, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 1, 1, 1]]
    assert (batch.labels.tolist(), batch.tokens, batch.indices.tolist()) == ([1, 0, 1], 10, [2, 1, 0])


def test_answers_are_whole_rows_with_the_answer_at_the_right_end() -> None:
    batch = collate_answers(PROMPT, tokens_of([[4], [5]]), [1, 0], np.array([0, 1]), PAD)
    assert batch.input_ids.tolist() == [[1, 2, 3, 4, 7, 8, 11, 12, 13, 20], [PAD, PAD, 1, 2, 3, 5, 7, 8, 10, 20]]
    assert batch.labels.tolist() == [[11, 12, 13, 20], [IGNORED, IGNORED, 10, 20]]
    assert batch.tokens == 18


@pytest.mark.parametrize("collate", [collate_prompts, collate_answers])
def test_no_mask_where_nothing_is_padded(collate) -> None:
    batch = collate(PROMPT, tokens_of([[4], [5]]), [1, 1], np.array([0, 1]), PAD)
    assert (batch.attention_mask, batch.tokens) == (None, batch.padded_tokens)


def test_without_prefix_and_end() -> None:
    batch = collate_answers(NO_END, tokens_of([[], [5]]), [1, 0], np.array([0, 1]), PAD)
    assert rows_of(batch) == [[7, 11, 12, 13], [5, 7, 10]]
    assert batch.labels.tolist() == [[11, 12, 13], [IGNORED, IGNORED, 10]]


@given(st.lists(st.lists(st.integers(30, 60), max_size=9), min_size=1, max_size=6), st.data())
def test_rows_come_back_out(texts: list[list[int]], data: st.DataObject) -> None:
    labels = data.draw(st.lists(st.integers(0, 1), min_size=len(texts), max_size=len(texts)))
    order = data.draw(st.permutations(range(len(texts))))
    arguments = (tokens_of(texts), labels, np.array(order), PAD)
    asked, answered = collate_prompts(PROMPT, *arguments), collate_answers(PROMPT, *arguments)
    assert rows_of(asked) == [[*texts[i], *PROMPT.suffix_ids] for i in order]
    whole = [[*PROMPT.prefix_ids, *texts[i], *PROMPT.suffix_ids, *PROMPT.answer_ids(labels[i])] for i in order]
    assert (rows_of(answered), asked.tokens) == (whole, sum(map(len, rows_of(asked))))
    assert answered.tokens == sum(map(len, whole))
    width = answered.labels.shape[1]
    for place, index in enumerate(order):
        kept = [label for label in answered.labels[place].tolist() if label != IGNORED]
        assert kept == list(PROMPT.answer_ids(labels[index])) == answered.input_ids[place].tolist()[-len(kept) :]
        assert answered.labels[place].tolist()[width - len(kept) :] == kept
    assert asked.input_ids.dtype == answered.input_ids.dtype == answered.labels.dtype == asked.labels.dtype


def test_every_token_but_the_first_of_each_row_is_trained_on() -> None:
    """Nothing predicts the first token, and padding is not a token."""
    batch = collate_answers(PROMPT, tokens_of([[30, 31, 32], [40]]), [0, 1], np.array([0, 1]), PAD, "all")
    for ids, labels, row in zip(batch.input_ids.tolist(), batch.labels.tolist(), rows_of(batch), strict=True):
        assert len(labels) == len(ids) - 1
        assert labels[len(labels) - len(row) + 1 :] == row[1:]
        assert set(labels[: len(labels) - len(row) + 1]) <= {IGNORED}
