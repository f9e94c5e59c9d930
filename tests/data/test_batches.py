"""Batches: every text once, grouped by length, with padding masked."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.data.batches import BUCKET_BATCHES, collate, prediction_order, training_order
from bench.data.tokens import Tokens
from tests.known import known

PAD = 99
LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=300).map(lambda found: np.array(found, dtype=np.int64))


def tokens_of(rows: list[list[int]]) -> Tokens:
    offsets = np.cumsum([0, *(len(row) for row in rows)])
    return Tokens(np.array([i for row in rows for i in row], dtype=np.int32), offsets.astype(np.int64), 0)


class TestOrder:
    @given(lengths=LENGTHS, batch_size=st.integers(1, 40), seed=st.integers(0, 9))
    def test_every_index_exactly_once(self, lengths: NDArray[np.int64], batch_size: int, seed: int) -> None:
        for order in (
            training_order(lengths, batch_size, np.random.default_rng(seed)),
            prediction_order(lengths, batch_size),
        ):
            assert sorted(np.concatenate(order).tolist()) == list(range(len(lengths)))
            assert sum(len(batch) < batch_size for batch in order) <= -(-len(lengths) // (batch_size * BUCKET_BATCHES))
            assert max(len(batch) for batch in order) <= batch_size

    @given(batch_size=st.integers(1, 3), buckets=st.integers(1, 3), seed=st.integers(0, 9))
    def test_first_batch_of_each_bucket_is_its_longest(self, batch_size: int, buckets: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        lengths = rng.integers(1, 500, size=buckets * BUCKET_BATCHES * batch_size)
        order = training_order(lengths, batch_size, rng)
        for start in range(0, len(order), BUCKET_BATCHES):
            bucket = order[start : start + BUCKET_BATCHES]
            assert lengths[bucket[0]].min() >= max(lengths[batch].max() for batch in bucket[1:])

    def test_training_groups_by_length_and_shuffles(self) -> None:
        lengths = np.arange(200)
        rng = np.random.default_rng(0)
        one, two = training_order(lengths, 10, rng), training_order(lengths, 10, rng)
        assert all(np.ptp(lengths[batch]) < 10 for batch in one)
        means = [lengths[batch].mean() for batch in one[1:]]
        assert means != sorted(means, reverse=True)
        assert [batch.tolist() for batch in one] != [batch.tolist() for batch in two]

    def test_training_order_follows_the_seed(self) -> None:
        lengths = np.arange(200) % 17
        first, again, other = (training_order(lengths, 8, np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]
        assert [batch.tolist() for batch in first] != [batch.tolist() for batch in other]

    def test_prediction_groups_by_length_the_longest_first(self) -> None:
        lengths = np.array([3, 9, 1, 9, 4])
        first, *others = (batch.tolist() for batch in prediction_order(lengths, 2))
        assert (first, sorted(others)) == ([1, 3], [[2], [4, 0]])

    def test_times_of_prediction_do_not_fall_with_the_lengths(self) -> None:
        """After the first batch, the earlier half is not the longer half, and the order is fixed."""
        lengths = np.arange(4000)
        order = prediction_order(lengths, 10)
        means = np.array([lengths[batch].mean() for batch in order[1:]])
        assert means.max() < lengths[order[0]].mean()
        earlier, later = np.array_split(means, 2)
        assert abs(earlier.mean() - later.mean()) < 0.1 * means.mean()
        assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.1
        again = prediction_order(lengths, 10)
        assert all(np.array_equal(one, other) for one, other in zip(order, again, strict=True))


class TestCollate:
    TOKENS = tokens_of([[1, 2, 3], [4], [5, 6], [7, 8, 9]])

    def test_pads_to_the_longest_of_the_batch_on_the_right(self) -> None:
        batch = collate(self.TOKENS, [0, 1, 2, 3], np.array([2, 1]), PAD)
        assert batch.input_ids.tolist() == [[5, 6], [4, PAD]]
        assert (known(batch.attention_mask).tolist(), batch.labels.tolist()) == ([[1, 1], [1, 0]], [2, 1])
        assert (batch.indices.tolist(), batch.tokens, batch.padded_tokens) == ([2, 1], 3, 4)
        assert {batch.input_ids.dtype, known(batch.attention_mask).dtype, batch.labels.dtype} == {torch.int64}

    @pytest.mark.parametrize("indices", [[0, 3], [1], [2]])
    def test_has_no_mask_where_nothing_is_padded(self, indices: list[int]) -> None:
        batch = collate(self.TOKENS, [0, 1, 2, 3], np.array(indices), PAD)
        assert (batch.attention_mask, batch.tokens) == (None, batch.padded_tokens)

    def test_a_token_that_looks_like_padding_is_none(self) -> None:
        batch = collate(tokens_of([[PAD, PAD], [1]]), [0, 0], np.array([0, 1]), PAD)
        assert known(batch.attention_mask).tolist() == [[1, 1], [1, 0]]

    @given(lengths=LENGTHS, seed=st.integers(0, 9))
    def test_loses_no_token(self, lengths: NDArray[np.int64], seed: int) -> None:
        rows = [list(range(i, i + int(length))) for i, length in enumerate(lengths)]
        tokens = tokens_of(rows)
        total = 0
        for indices in training_order(lengths, 7, np.random.default_rng(seed)):
            batch = collate(tokens, list(range(len(rows))), indices, PAD)
            mask = torch.ones_like(batch.input_ids) if batch.attention_mask is None else batch.attention_mask
            for row, label, ids, on in zip(indices, batch.labels, batch.input_ids, mask, strict=True):
                assert (label, ids[on == 1].tolist()) == (row, rows[row])
                assert (ids[on == 0] == PAD).all()
            assert batch.tokens == int(mask.sum())
            total += batch.tokens
        assert total == lengths.sum()

    def test_on_a_cpu_it_stays_as_it_is(self) -> None:
        batch, cpu = collate(self.TOKENS, [0, 1, 2, 3], np.array([0, 3]), PAD), torch.device("cpu")
        assert batch.to(cpu) is batch.pinned_for(cpu) is batch
