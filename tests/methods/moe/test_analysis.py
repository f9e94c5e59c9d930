"""What a mixture of experts shows: each part on an example worked by hand, warnings, odd input, and a real model."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForSequenceClassification

from bench.method import Encoded, Examples, Insight, Insights, Task
from methods.moe import MixtureOfExperts
from methods.moe.analysis import describe
from methods.moe.observe import LayerRouting, Observed
from methods.moe.options import Options
from tests.known import known

HOSTILE = "one\ntwo\r\n\x00three\x1b[31m\u202e\ud800 four\u2028 " + "x" * 400


def random_chosen(layer: NDArray[np.int64], experts: int) -> NDArray[np.int16]:
    """What three random routers choose, which pay no heed to the tokens."""
    scores = np.random.default_rng(5).random((3, len(layer), experts))
    return np.argsort(scores, axis=-1)[..., : layer.shape[1]].astype(np.int16)


def seen(
    chosen: Any,
    text_of_token: Sequence[int],
    labels: Sequence[int],
    experts: int,
    **changes: Any,
) -> Observed:
    """Tokens and the experts that they are sent to, [R, N, K], and what there must be beside them."""
    layers = [
        LayerRouting(
            name=f"layer {index}", chosen=layer, shares=np.full(layer.shape, 1 / layer.shape[1]),
            entropy=np.full(len(layer), 0.5), weight_similarity=np.eye(experts),
            output_similarity=np.full((experts, experts), 0.25), compared_tokens=64,
            random_chosen=random_chosen(layer, experts),
        )
        for index, layer in enumerate(np.array(chosen), start=4)
    ]  # fmt: skip
    rest = {
        "layers": tuple(layers), "num_experts": experts, "token_ids": np.arange(len(text_of_token)),
        "text_of_token": np.array(text_of_token), "labels": np.array(labels), "label_names": ("anger", "joy", "fear"),
        "states": np.random.default_rng(0).normal(size=(len(labels), 4)),
    }  # fmt: skip
    return Observed(**{**rest, **changes})


def shown(observed: Observed, shares: NDArray[np.float32] | None = None, **changes: Any) -> Insights:
    texts = [f"text {row}" for row in range(len(observed.labels))]
    rest = {"split": "validation", "texts": texts, "labels": observed.labels.tolist(), "batches": []}
    rest["rows"] = [10 * row for row in range(len(texts))]  # a sample of the split
    rest |= {"token": "token{}".format, "special_ids": frozenset()}
    return describe(observed, Examples(**{**rest, **changes}), shares)


def part(insights: Insights, name: str) -> Insight:
    (found,) = [part for part in insights.parts if part.name == name]
    return found


def rows(insights: Insights, name: str) -> list[tuple[Any, ...]]:
    return list(zip(*part(insights, name).columns.values(), strict=True))


def names(insights: Insights) -> set[str]:
    return {part.name for part in insights.parts}


def random_case(texts: int = 30, tokens: int = 8, experts: int = 4, top_k: int = 2, classes: int = 3) -> Observed:
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(2, texts * tokens, experts))
    return seen(
        np.argsort(-scores, axis=-1)[..., :top_k], np.repeat(np.arange(texts), tokens).tolist(),
        rng.integers(0, classes, size=texts).tolist(), experts, token_ids=rng.integers(0, 9, size=texts * tokens),
    )  # fmt: skip


#: Four tokens of a text of anger, four of one of joy, in one layer of three experts, of which one is never chosen.
TINY = seen([[[0], [0], [0], [1], [1], [1], [1], [1]]], [0] * 4 + [1] * 4, [0, 1], 3)


class TestLoad:
    def test_utilisation_averages_windows_of_steps(self) -> None:
        shares = np.zeros((401, 1, 3), dtype=np.float32)
        shares[:, 0, 0] = np.arange(401) % 3 == 0
        shares[:, 0, 1] = 1 - shares[:, 0, 0]
        found = part(shown(TINY, shares), "utilisation")
        table = [row[1:] for row in rows(shown(TINY, shares), "utilisation")]
        assert len(table) == 3 * 134
        assert table[:2] == [("expert 0", 3, 0.333333), ("expert 0", 6, 0.333333)]
        assert table[133:135] == [("expert 0", 401, 0.5), ("expert 1", 3, 0.666667)]
        assert "n = 401 training steps; each point is the mean of up to 3 steps" in found.caption
        assert known(found.chart).reference == 0.333333

    def test_few_steps_are_shown_one_by_one(self) -> None:
        steps = part(shown(TINY, np.ones((200, 1, 3), dtype=np.float32)), "utilisation").columns["step"]
        assert steps[:200] == tuple(range(1, 201))

    @pytest.mark.parametrize("shares", [None, np.zeros((0, 1, 3), dtype=np.float32)])
    def test_no_training_no_utilisation(self, shares: NDArray[np.float32] | None) -> None:
        assert "utilisation" not in names(shown(TINY, shares))

    def test_tokens_by_expert(self) -> None:
        assert rows(shown(TINY), "tokens_by_expert") == [
            ("layer 4", 0, 3, 0.375), ("layer 4", 1, 5, 0.625), ("layer 4", 2, 0, 0.0)
        ]  # fmt: skip

    def test_shares_of_a_layer_sum_to_the_experts_of_a_token(self) -> None:
        insights = shown(random_case())
        for layer in insights.facts["layers"].values():
            assert sum(layer["shares"]) == pytest.approx(2, abs=1e-5)
        assert known(part(insights, "tokens_by_expert").chart).reference == 0.5

    def test_routing_says_how_sure_and_how_even(self) -> None:
        numbers = {name: values[0] for name, values in part(shown(TINY), "routing").columns.items()}
        even = -(0.375 * np.log(0.375) + 0.625 * np.log(0.625)) / np.log(3)
        assert numbers["router_entropy_fraction"] == pytest.approx(0.5 / np.log(3), rel=1e-5)
        assert numbers["utilisation_entropy_fraction"] == pytest.approx(even, rel=1e-5)
        assert (numbers["tokens"], numbers["texts"]) == (8, 2)
        assert (numbers["first_choice_expert"], numbers["first_choice_share"]) == (1, 0.625)
        assert (numbers["p_value"], numbers["p_value_holm"]) == (1, 1)

    def test_layers_that_go_with_the_class_have_small_p_values(self) -> None:
        labels = [0, 1] * 20
        chosen = [[[label], [label]] for label in labels]
        other = [[[0], [1]]] * 40
        observed = seen(np.reshape([chosen, other], (2, 80, 1)), np.repeat(np.arange(40), 2).tolist(), labels, 2)
        insights = shown(observed)
        table = part(insights, "routing").columns
        assert (table["mutual_information_bits"], table["p_value"]) == ((1.0, 0.0), (0.000999001, 1.0))
        assert table["p_value_holm"] == (0.001998, 1.0)
        assert insights.facts["layers"]["layer 4"]["p_value_holm"] == 0.001998
        assert "permuted 1,000 times" in part(insights, "routing").caption


class TestCollapse:
    @staticmethod
    def warnings(first: int, experts: int, top_k: int) -> tuple[str, ...]:
        """Of 100 tokens, ``first`` of which have expert 1 as their first choice."""
        orders = [[1, 0, 2][:top_k]] * first + [[0, 1, 2][:top_k]] * (100 - first)
        return shown(seen([orders], [0] * 50 + [1] * 50, [0, 1], experts)).warnings

    def test_one_first_choice_for_nearly_all_tokens_is_told(self) -> None:
        wanted = "router collapsed in layer 4: expert 1 is the first choice of 96.0 % of the tokens"
        assert self.warnings(96, experts=3, top_k=2) == (wanted,)

    @pytest.mark.parametrize(("first", "experts", "top_k"), [(95, 3, 1), (100, 2, 2), (100, 3, 3)])
    def test_not_up_to_the_limit_nor_where_all_experts_are_chosen(self, first: int, experts: int, top_k: int) -> None:
        assert self.warnings(first, experts, top_k) == ()


class TestExpertByClass:
    def test_lift_of_an_example_worked_by_hand(self) -> None:
        assert [row[:7] for row in rows(shown(TINY), "expert_by_class")] == [
            ("layer 4", "anger", 0, 0.75, 2.0, 4, 1), ("layer 4", "anger", 1, 0.25, 0.4, 4, 1),
            ("layer 4", "anger", 2, 0.0, None, 4, 1),
            ("layer 4", "joy", 0, 0.0, 0.0, 4, 1), ("layer 4", "joy", 1, 1.0, 1.6, 4, 1),
            ("layer 4", "joy", 2, 0.0, None, 4, 1),
            *(("layer 4", "fear", expert, None, None, 0, 0) for expert in range(3)),
        ]  # fmt: skip

    def test_with_two_choices_a_token_counts_once(self) -> None:
        insights = shown(seen([[[0, 1], [2, 0], [1, 2]]], [0, 1, 2], [0, 0, 1], 3))
        table = part(insights, "expert_by_class").columns
        assert table["tokens"][:6] == table["texts"][:6] == (2, 2, 2, 1, 1, 1)
        assert table["share"][:6] == (0.5, 0.25, 0.25, 0.0, 0.5, 0.5)
        assert table["lift"][:6] == (1.5, 0.75, 0.75, 0.0, 1.5, 1.5)
        assert part(insights, "routing").columns["utilisation_entropy_fraction"] == (1.0,)


class TestPreferredTokens:
    def test_the_special_and_the_rare_are_left_out_and_ties_broken_by_count_then_id(self) -> None:
        kinds = [(1, 0, 10), (2, 0, 12), (3, 0, 10), (4, 0, 9), (5, 0, 30), (6, 1, 100), (7, 0, 10), (7, 1, 10)]
        ids = np.repeat([kind[0] for kind in kinds], [kind[2] for kind in kinds])
        chosen = np.repeat([kind[1] for kind in kinds], [kind[2] for kind in kinds])
        found = shown(seen(chosen[None, :, None], [0] * len(ids), [0], 2, token_ids=ids), special_ids=frozenset({5}))
        lift = round(len(ids) / 81, 5)
        assert [row[:7] for row in rows(found, "preferred_tokens")] == [
            ("layer 4", 0, 1, "token2", 12, 1.0, lift), ("layer 4", 0, 2, "token1", 10, 1.0, lift),
            ("layer 4", 0, 3, "token3", 10, 1.0, lift), ("layer 4", 0, 4, "token7", 20, 0.5, round(lift / 2, 5)),
            ("layer 4", 1, 1, "token6", 100, 1.0, round(len(ids) / 110, 5)),
        ]  # fmt: skip
        assert "at least 10 times, 5 of 7 different ones in n = 191 tokens" in part(found, "preferred_tokens").caption

    def test_at_most_fifteen_and_only_where_there_is_a_preference(self) -> None:
        ids = np.repeat(np.arange(40), 10)
        insights = shown(seen((ids >= 20)[None, :, None].astype(np.int64), [0] * 400, [0], 2, token_ids=ids))
        assert part(insights, "preferred_tokens").columns["rank"] == tuple(range(1, 16)) * 2
        everywhere = seen(np.tile([0, 1], (1, 400, 1)), [0] * 400, [0], 2, token_ids=ids)
        assert "preferred_tokens" not in names(shown(everywhere))

    def test_a_token_is_shown_with_its_blanks_and_without_what_cannot_be_seen(self) -> None:
        observed = seen([[[0]] * 10 + [[1]] * 10], [0] * 20, [0], 2, token_ids=np.array([3] * 10 + [4] * 10))
        texts = {3: " a ", 4: "b\n\x00\u202e\ud800é"}
        table = part(shown(observed, token=texts.__getitem__), "preferred_tokens").columns
        assert table["token"] == (" a ", "b\\n\\x00\\u202e\\ud800é")


class TestPreferredExamples:
    def test_the_short_are_left_out_and_ties_broken_by_length_then_row(self) -> None:
        lengths, experts = [5, 4, 6, 5, 10], [0, 0, 0, 0, 1]
        chosen = np.repeat(experts, lengths)[None, :, None]
        observed = seen(chosen, np.repeat(np.arange(5), lengths).tolist(), [0, 1, 2, 1, 0], 2)
        assert [row[:8] for row in rows(shown(observed), "preferred_examples")] == [
            ("layer 4", 0, 1, 20, "text 2", "fear", 1.0, 1.5), ("layer 4", 0, 2, 0, "text 0", "anger", 1.0, 1.5),
            ("layer 4", 0, 3, 30, "text 3", "joy", 1.0, 1.5), ("layer 4", 1, 1, 40, "text 4", "anger", 1.0, 3.0),
        ]  # fmt: skip

    def test_at_most_five(self) -> None:
        observed = seen(np.repeat([0, 1], 40)[None, :, None], np.repeat(np.arange(16), 5).tolist(), [0] * 16, 2)
        assert part(shown(observed), "preferred_examples").columns["rank"] == (1, 2, 3, 4, 5) * 2

    def test_hostile_text_stays_one_short_line(self) -> None:
        observed = seen([[[0]] * 5 + [[1]] * 5], [0] * 5 + [1] * 5, [0, 1], 2, label_names=("a\nb", "joy"))
        insights = shown(observed, texts=[HOSTILE, "plain"])
        table = part(insights, "preferred_examples").columns
        text, label = str(table["text"][0]), table["class"][0]
        assert text.startswith("one two three [31m four xxx")
        assert text.endswith("x…")
        assert len(text) == 300
        assert text.isprintable()
        assert label == "a\\nb" == part(insights, "expert_by_class").columns["class"][0]
        json.dumps([part.model_dump(mode="json") for part in insights.parts], ensure_ascii=False).encode()


def test_similarity_has_weights_and_outputs_of_each_layer() -> None:
    found = part(shown(TINY), "similarity")
    table = rows(shown(TINY), "similarity")
    assert len(table) == 2 * 9
    assert table[:2] == [("layer 4: weights", 0, 0, 1.0), ("layer 4: weights", 0, 1, 0.0)]
    assert table[9:11] == [("layer 4: outputs", 0, 0, 0.25), ("layer 4: outputs", 0, 1, 0.25)]
    assert "n = 64 compared tokens" in found.caption


class TestProjection:
    def test_points_lie_on_the_first_two_axes_whose_signs_are_settled(self) -> None:
        along, across = np.array([-3.0, -1.0, 1.0, 3.0]), np.array([1.0, -1.0, -1.0, 1.0])
        states = np.stack([5 + 0 * along, -2 * along, across], axis=1)
        # Text 2 sends as many tokens to expert 1 as to expert 0.
        observed = seen(
            [[[1], [1], [0], [0], [1], [0], [0], [0]]], [0, 0, 1, 1, 2, 2, 3, 3], [2, 0, 0, 1], 2, states=states
        )
        insights = shown(observed)
        table = rows(insights, "projection")
        by_text = sorted((row for row in table if row[0] == "class"), key=lambda row: row[4])
        np.testing.assert_allclose([row[1:3] for row in by_text], np.stack([-2 * along, across], 1), atol=1e-6)
        # The first text of each class leads, in the order of the classes, and so does that of each expert.
        assert [row[3:] for row in table[:4]] == [("anger", 1), ("joy", 3), ("fear", 0), ("anger", 2)]
        assert [row[0] for row in table[4:]] == ["layer 4: dominant expert"] * 4
        assert [row[3:] for row in table[4:]] == [("expert 0", 1), ("expert 1", 0), ("expert 0", 2), ("expert 0", 3)]
        assert "n = 4 texts" in part(insights, "projection").caption
        assert "explain 95.2 % and 4.8 % of the variance" in part(insights, "projection").caption

    def test_needs_three_texts_that_differ(self) -> None:
        assert "projection" not in names(shown(random_case(texts=2)))
        assert "projection" in names(shown(random_case(texts=3)))
        flat = seen([[[0], [1], [0]]], [0, 1, 2], [0, 1, 2], 2, states=np.full((3, 4), 0.1))
        assert "projection" not in names(shown(flat))

    def test_texts_without_finite_states_are_left_out(self) -> None:
        states = np.random.default_rng(0).normal(size=(5, 4))
        states[1, 2] = np.nan
        observed = seen([[[0], [1], [0], [1], [0]]], range(5), [0, 1, 2, 0, 1], 2, states=states)
        assert set(part(shown(observed), "projection").columns["text"]) == {0, 2, 3, 4}
        states[:] = np.nan
        assert "projection" not in names(shown(observed))


class TestWhole:
    @pytest.mark.parametrize(
        "case",
        [{}, {"texts": 1}, {"classes": 1}, {"experts": 1, "top_k": 1}, {"experts": 2}, {"texts": 1, "tokens": 1}],
        ids=["usual", "one-text", "one-class", "one-expert", "every-expert", "one-token"],
    )
    def test_every_value_is_plain_and_finite(self, case: dict[str, int]) -> None:
        observed = random_case(**case)
        insights = shown(observed, np.full((7, 2, observed.num_experts), 0.5, dtype=np.float32))
        for found in insights.parts:
            assert Insight.model_validate(found.model_dump()) == found
            assert found.caption.endswith(".")
            kinds = {type(value) for values in found.columns.values() for value in values}
            assert kinds <= {str, int, float, type(None)}, found.name
            json.dumps(found.model_dump(mode="json"), allow_nan=False)
        assert json.loads(json.dumps(insights.facts, allow_nan=False)) == insights.facts

    def test_what_cannot_be_told_of_one_expert_is_none(self) -> None:
        facts = shown(random_case(experts=1, top_k=1)).facts["layers"]["layer 4"]
        assert facts["router_entropy_fraction"] is None
        assert facts["utilisation_entropy_fraction"] is None
        assert (facts["mutual_information_bits"], facts["p_value"]) == (0.0, 1.0)

    def test_numbers_that_are_not_finite_are_none(self) -> None:
        observed = random_case()
        observed.layers[0].entropy[3] = np.nan
        observed.layers[0].weight_similarity[0, 1] = np.inf
        insights = shown(observed)
        assert insights.facts["layers"]["layer 4"]["router_entropy_nats"] is None
        assert part(insights, "similarity").columns["cosine"][1] is None

    def test_the_same_twice(self) -> None:
        assert shown(random_case()) == shown(random_case())


@pytest.mark.usefixtures("one_thread")
def test_a_real_model_from_training_to_insights() -> None:
    torch.manual_seed(0)
    task = Task(labels=("anger", "joy", "fear"), max_length=12, kind="encoder")
    config = AutoConfig.for_model(
        "bert", vocab_size=30, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_labels=3,
    )  # fmt: skip
    method = MixtureOfExperts(Options(num_experts=4, top_k=2, layers="last:2"))
    model: Any = method.adapt(AutoModelForSequenceClassification.from_config(config), task)
    ids = torch.randint(4, 30, (24, 12))
    ids[:, 0], ids[:, -1], ids[::2, 7] = 2, 3, 3
    mask = torch.ones_like(ids)
    mask[::2, 8:] = 0
    labels = torch.arange(24) % 3
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.train()
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids, mask).logits, labels)
        (loss + known(method.extra_loss(model))).backward()
        optimizer.step()
    batches = [Encoded(input_ids=ids[half], attention_mask=mask[half], rows=half.tolist())
               for half in torch.arange(24).flip(0).view(2, 12)]  # fmt: skip
    examples = Examples(
        split="test", texts=[f"text {row}" for row in range(24)], rows=range(24), labels=labels.tolist(),
        batches=batches,
        token="token{}".format, special_ids=frozenset({2, 3}),
    )  # fmt: skip
    with torch.inference_mode():
        insights = method.insights(model.eval(), task, examples)
        again = method.insights(model, task, examples)
    assert insights == again
    assert names(insights) == {
        "utilisation", "tokens_by_expert", "routing", "expert_by_class", "preferred_tokens", "preferred_examples",
        "similarity", "projection",
    }  # fmt: skip
    assert (insights.facts["split"], insights.facts["texts"], insights.facts["tokens"]) == (
        "test",
        24,
        12 * 12 + 12 * 8,
    )
    for layer in insights.facts["layers"].values():
        assert sum(layer["shares"]) == pytest.approx(2, abs=1e-5)
    assert set(part(insights, "utilisation").columns["step"]) == {1, 2, 3}
    assert not {"token2", "token3"} & set(part(insights, "preferred_tokens").columns["token"])
    json.dumps([part.model_dump(mode="json") for part in insights.parts], allow_nan=False)
