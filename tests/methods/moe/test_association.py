"""Mutual information of class and expert: its value, its test when tokens hang together, and Holm's adjustment."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import mutual_info_score

from methods.moe import association
from methods.moe.association import associate, count_choices, holm, mutual_information, share_and_lift


class TestCounts:
    def test_each_choice_counts_for_the_group_of_its_token(self) -> None:
        chosen = np.array([[0, 2], [2, 0], [1, 2]])
        counts = count_choices(np.array([1, 1, 0]), chosen, num_groups=3, num_experts=4)
        assert counts.tolist() == [[0, 1, 1, 0], [2, 0, 2, 0], [0, 0, 0, 0]]

    def test_lift_is_a_ratio_of_shares_and_unknown_without_choices(self) -> None:
        shares, lifts = share_and_lift(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
        np.testing.assert_allclose(shares, [[0.75, 0.25, 0.0], [0.0, 1.0, 0.0], [np.nan] * 3])
        np.testing.assert_allclose(lifts, [[2.0, 0.4, np.nan], [0.0, 1.6, np.nan], [np.nan] * 3])


class TestMutualInformation:
    @pytest.mark.parametrize("seed", range(5))
    def test_agrees_with_scikit_learn(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        joints = rng.integers(0, 20, size=(3, rng.integers(2, 6), rng.integers(2, 9)))
        joints[0, 0] = 0
        wanted = [mutual_info_score(None, None, contingency=joint) / np.log(2) for joint in joints]
        np.testing.assert_allclose(mutual_information(joints), wanted, rtol=0, atol=1e-12)

    def test_is_the_entropy_of_what_is_known_entirely_and_zero_of_what_is_not(self) -> None:
        assert mutual_information(np.diag([1, 1, 2])) == pytest.approx(1.5)
        assert mutual_information(np.outer([1, 2, 7], [5, 3])) == 0
        assert mutual_information(np.zeros((2, 3), dtype=np.int64)) == 0


def clustered(rng: np.random.Generator, texts: int, tests: int, tokens: int = 20) -> NDArray[np.int64]:
    """Choices [M, R, 4] of texts that each keep to experts of their own, whatever their class."""
    return rng.multinomial(tokens, rng.dirichlet([0.3] * 4, size=(texts, tests)))


class TestPermutations:
    def test_without_dependence_p_values_are_uniform_though_tokens_of_a_text_hang_together(self) -> None:
        rng = np.random.default_rng(5)
        found = associate(rng.integers(0, 3, size=40), clustered(rng, 40, 100), permutations=499)
        assert 0 <= (found.p_values <= 0.05).mean() <= 0.12
        assert 0.38 <= (found.p_values <= 0.5).mean() <= 0.62
        assert found.bits.mean() == pytest.approx(found.permuted_bits.mean(), rel=0.1)

    def test_whole_texts_are_permuted_not_tokens(self) -> None:
        """The same data with each token as a text of its own look far from chance."""
        rng = np.random.default_rng(5)
        labels = rng.integers(0, 3, size=40)
        counts = clustered(rng, 40, 1)
        texts, experts = np.nonzero(counts[:, 0])
        rows = np.repeat(np.arange(len(texts)), counts[texts, 0, experts])
        alone = np.eye(4, dtype=np.int64)[experts[rows]][:, None]
        as_texts, as_tokens = associate(labels, counts), associate(labels[texts[rows]], alone)
        assert as_tokens.bits == pytest.approx(as_texts.bits)
        assert as_tokens.p_values[0] < 0.005 < 0.05 < as_texts.p_values[0]

    def test_perfect_dependence(self) -> None:
        labels = np.repeat([0, 1, 3], [10, 10, 20])
        counts = np.zeros((40, 1, 5), dtype=np.int64)
        counts[np.arange(40), 0, labels] = 7
        found = associate(labels, counts)
        assert association.PERMUTATIONS == 1000
        assert found.bits[0] == pytest.approx(1.5)
        assert found.p_values[0] == 1 / 1001
        assert 0 < found.permuted_bits[0] < 0.5

    @pytest.mark.parametrize(
        ("labels", "counts"),
        [([0, 0, 0], [[[3, 1]], [[0, 4]], [[2, 2]]]), ([0, 1, 1], [[[3]], [[4]], [[2]]]), ([1], [[[3, 1]]]),
         ([0, 1, 2], [[[3, 3]], [[1, 1]], [[2, 2]]])],
        ids=["one-class", "one-expert", "one-text", "every-expert"],
    )  # fmt: skip
    def test_where_nothing_can_be_told_chance_explains_all(self, labels: list[int], counts: list[list[int]]) -> None:
        found = associate(np.array(labels), np.array(counts))
        assert found.bits.tolist() == found.permuted_bits.tolist() == [0.0]
        assert found.p_values.tolist() == [1.0]

    def test_an_order_that_is_as_good_counts_whatever_its_rounding(self) -> None:
        """Three texts of three classes: each permutation gives the observed table with its rows in another order."""
        counts = np.random.default_rng(0).integers(0, 60, size=(3, 30, 8))
        assert associate(np.array([0, 1, 2]), counts).p_values.tolist() == [1.0] * 30

    def test_same_data_same_numbers(self) -> None:
        counts = clustered(np.random.default_rng(0), 12, 2)
        labels = np.arange(12) % 3
        for one, other in zip(associate(labels, counts), associate(labels, counts), strict=True):
            np.testing.assert_array_equal(one, other)


class TestHolm:
    def test_worked_example(self) -> None:
        """Four tests, worked by hand: 0.005 x 4, 0.01 x 3, 0.03 x 2, then 0.04 x 1 raised to the one before."""
        np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])

    def test_never_above_one_and_alone_as_it_is(self) -> None:
        assert (holm(np.array([0.9, 0.6])).tolist(), holm(np.array([0.2])).tolist()) == ([1.0, 1.0], [0.2])
