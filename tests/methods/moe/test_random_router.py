"""Random routers: what they choose, and what a trained router's numbers are held against."""

from typing import Any

import numpy as np
import pytest
import torch

from methods.moe.random_router import NUM_ROUTERS, RandomRouters, highest_lift, information
from tests.methods.moe.test_analysis import part, seen, shown

TOKENS = torch.randn(4000, 16, generator=torch.Generator().manual_seed(1))


class TestChoices:
    def test_they_are_the_largest_logits_of_fixed_weights(self) -> None:
        first, again = (RandomRouters(TOKENS, 4, 1).choose(TOKENS, 2) for _ in range(2))
        assert first.shape == (NUM_ROUTERS, 4000, 2)
        np.testing.assert_array_equal(first, again)
        assert (first[..., 0] != first[..., 1]).all()
        assert (RandomRouters(TOKENS, 4, 2).choose(TOKENS, 2) != first).any()
        assert len({routers.tobytes() for routers in first}) == NUM_ROUTERS

    def test_the_load_is_about_even_though_the_states_have_a_large_mean(self) -> None:
        shifted = TOKENS + 50
        chosen = RandomRouters(shifted, 4, 0).choose(shifted, 1)
        shares = [np.bincount(one.ravel(), minlength=4) / 4000 for one in chosen]
        assert np.min(shares) > 0.1
        assert np.max(shares) < 0.5

    def test_batches_are_chosen_for_alike(self) -> None:
        routers = RandomRouters(TOKENS, 4, 0)
        parts = [routers.choose(half, 2) for half in TOKENS.split(2000)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), routers.choose(TOKENS, 2))


class TestRange:
    def test_information_of_an_example_worked_by_hand(self) -> None:
        """A router that sends each class to its own expert has 1 bit, and one that sends all to one expert has none."""
        classes = np.array([0, 0, 1, 1])
        chosen = np.array([[[0], [0], [1], [1]], [[0], [0], [0], [0]]], dtype=np.int16)
        found = information(classes, chosen, 2, 2)
        assert found.values.tolist() == [1, 0]
        assert found.beside(0.75) == (0.5, 0.0, 1.0, "no")
        assert found.beside(1.25)[-1] == "yes"
        assert found.beside(1 + 1e-9)[-1] == "no", "a difference of rounding"

    def test_lift_of_an_example_worked_by_hand(self) -> None:
        """Three of four tokens go to expert 0, of group 0 all of them: 1 over 0.75."""
        found = highest_lift(np.array([0, 0, 1, 1]), np.array([[[0], [0], [0], [1]]], dtype=np.int16), 3, 3)
        assert found.values[0, :2].tolist() == pytest.approx([4 / 3, 2])
        assert found.beside(3.0, 1) == (2.0, 2.0, 2.0, "yes")
        assert found.beside(None, 2) == (None, None, None, None)


def states_with_classes(experts: int, strength: float) -> tuple[Any, Any, Any]:
    """Hidden states that encode two classes, and the classes of 200 texts of 10 tokens."""
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], 100)
    direction = rng.normal(size=16)
    states = rng.normal(size=(2000, 16)) + strength * np.repeat(labels, 10)[:, None] * direction
    routers = RandomRouters(torch.tensor(states), experts, 0)
    return routers, torch.tensor(states), labels


def told(chosen: Any, random: Any, labels: Any) -> tuple[str, Any]:
    """The caption of the routing table, and its row."""
    text_of_token = np.repeat(np.arange(len(labels)), 10).tolist()
    observed = seen([chosen], text_of_token, labels.tolist(), 4)
    object.__setattr__(observed.layers[0], "random_chosen", random)
    insights = shown(observed)
    table = part(insights, "routing").columns
    return part(insights, "routing").caption, {name: values[0] for name, values in table.items()}


def test_a_router_like_the_random_ones_makes_no_statement() -> None:
    """Its experts go with the classes beyond chance, as those of any router of these states do."""
    routers, states, labels = states_with_classes(4, 0.5)
    random = routers.choose(states, 1)
    between = int(np.argsort(information(np.repeat(labels, 10), random, 2, 4).values)[NUM_ROUTERS // 2])
    caption, row = told(random[between].astype(np.int64), np.delete(random, between, axis=0), labels)
    assert row["p_value"] < 0.01
    assert row["mutual_information_bits"] > 3 * row["permuted_mutual_information_bits"]
    assert row["above_random"] == "no"
    assert "In no layer do experts go with classes more than under every random router." in caption


def test_a_router_that_has_learnt_the_classes_is_told() -> None:
    routers, states, labels = states_with_classes(4, 0.5)
    chosen = np.repeat(labels, 10)[:, None]
    caption, row = told(chosen, routers.choose(states, 1), labels)
    assert row["above_random"] == "yes"
    assert row["random_low"] <= row["random_mean"] <= row["random_high"] < row["mutual_information_bits"] == 1
    assert "Experts go with classes more than under every random router in: layer 4." in caption


def test_tokens_and_classes_are_shown_beside_random_routers() -> None:
    ids = np.repeat([1, 2], 40)
    insights = shown(seen((ids - 1)[None, :, None], [0] * 40 + [1] * 40, [0, 1], 2, token_ids=ids))
    for name in ("preferred_tokens", "preferred_examples", "expert_by_class"):
        table = part(insights, name).columns
        known = [(lift, above) for lift, above in zip(table["lift"], table["above_random"], strict=True) if above]
        assert known == [(lift, "yes" if lift == 2 else "no") for lift, _ in known]
        assert (2, "yes") in known
        assert "random routers" in part(insights, name).caption
