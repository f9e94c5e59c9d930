"""Blocks found, chosen and replaced; what cannot be is refused by name."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from bench.errors import PluginError, UnsupportedError
from bench.measure import parameters
from bench.method import architecture as closed_form
from bench.method import registry
from bench.model.random_weights import random_causal
from methods import moe
from tests.methods.moe.support import (
    IDS,
    MASK,
    SIZES,
    TASK,
    adapted,
    config_of,
    experts_in,
    logits,
    method_of,
    plain_model,
)

pytestmark = pytest.mark.usefixtures("one_thread")


NAMES = {"module": "mlp", "up": "dense_h_to_4h", "activation": "act", "down": "dense_4h_to_h"}


GROUPS = {f"{name}_groups": 2 for name in ("q", "k", "v", "intermediate", "output")} | {"embedding_size": 16}

HEADS = {f"{part}_attention_heads": 2 for part in ("encoder", "decoder")} | {"encoder_ffn_dim": 32, "eos_token_id": 2}


class Scaled(nn.Linear):
    """A linear layer with one more parameter."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, values: Tensor) -> Tensor:
        return super().forward(values) * self.scale


def of_type(model_type: str, **values: Any) -> nn.Module:
    """A model of an architecture, with few values of its own."""
    config = AutoConfig.for_model(model_type, num_labels=3, **{**SIZES, **values})
    return AutoModelForSequenceClassification.from_config(config).eval()  # type: ignore[no-any-return]


def with_one_part_more(where: str) -> nn.Module:
    """A BERT whose blocks hold a layer that they do not call."""
    model = plain_model("bert")
    encoder: Any = model.base_model
    for layer in encoder.encoder.layer:
        getattr(layer, where).more = nn.Linear(16, 16)
    return model


class TestSurgery:
    @pytest.mark.parametrize(
        ("layers", "wanted"),
        [("last:2", [3, 4]), ("first:2", [0, 1]), ("every:2", [1, 3]), ("every:1", [0, 1, 2, 3, 4]),
         ("last:5", [0, 1, 2, 3, 4]), ([4, 0], [0, 4])],
    )  # fmt: skip
    def test_layers_are_chosen_as_the_option_says(self, layers: Any, wanted: list[int]) -> None:
        model = method_of(layers=layers).adapt(plain_model("bert", num_hidden_layers=5), TASK)
        encoder: Any = model.base_model
        assert [i for i, layer in enumerate(encoder.encoder.layer) if experts_in(layer)] == wanted

    def test_what_follows_the_block_stays_and_its_matrices_go(self) -> None:
        before = {name: p.shape for name, p in plain_model("roberta").named_parameters()}
        after = {name: p.shape for name, p in adapted("roberta", num_experts=3).named_parameters()}
        prefix = "roberta.encoder.layer"
        gone = {f"{prefix}.{i}.{part}.dense.{kind}" for i in (1, 2) for part in ("intermediate", "output")
                for kind in ("weight", "bias")}  # fmt: skip
        new = {"router.weight": (3, 16), "in_weight": (3, 64, 16), "in_bias": (3, 64), "out_weight": (3, 16, 32),
               "out_bias": (3, 16)}  # fmt: skip
        assert set(before) - set(after) == gone
        assert {name: tuple(after[name]) for name in set(after) - set(before)} == {
            f"{prefix}.{i}.intermediate.{name}": shape for i in (1, 2) for name, shape in new.items()
        }

    def test_biases_of_experts_do_not_decay(self) -> None:
        method = method_of(weight_decay=0.3)
        model = method.adapt(plain_model("bert"), TASK)
        decays = {id(p): group["weight_decay"] for group in method.parameter_groups(model) for p in group["params"]}
        for module in experts_in(model):
            assert [decays[id(bias)] for bias in module.biases()] == [0.0, 0.0]
            assert [decays[id(p)] for p in (module.router.weight, module.in_weight, module.out_weight)] == [0.3] * 3

    def test_pooler_stands_beside_the_head(self) -> None:
        without, given = adapted("roberta"), adapted("roberta", pooler=True)
        assert parameters.count(given).total_params - parameters.count(without).total_params == 16 * 16 + 16
        with_states: Any = given.base_model
        assert with_states(IDS, MASK).pooler_output.shape == (4, 16)
        torch.testing.assert_close(logits(given), logits(without), atol=1e-5, rtol=0)
        has_one = adapted("bert", pooler=True)
        assert parameters.count(has_one) == parameters.count(adapted("bert"))

    def test_the_mode_of_the_model_is_kept(self) -> None:
        assert all(not module.training for module in adapted("bert").modules())


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"top_k": 5}, "top_k: must be at most num_experts, which is 4, got 5"),
            ({"num_experts": 1}, "top_k: must be at most num_experts, which is 1"),
            ({"num_experts": 0}, "num_experts must be at least 1"),
            ({"top_k": 0}, "top_k must be at least 1"),
            ({"top_k": 1}, "renormalize: must be false if top_k is 1"),
            ({"inter_size": 0}, "inter_size must be at least 1"),
            ({"expert": "swish"}, "expert"),
            ({"init": "zeros"}, "init"),
            *(
                ({"layers": layers}, "layers: must be last:n, first:n or every:n")
                for layers in ("last", "last:0", "last:-1", "middle:2", "last:2x", "")
            ),
            *(({"layers": layers}, "layers: must be a list of at least one id") for layers in ([], [-1], [2, 2])),
            ({"layers": ["a"]}, "layers"),
            *(
                ({"block": block}, "block")
                for block in ({}, {"module": "mlp"}, NAMES | {"middle": "x"}, NAMES | {"up": ""})
            ),
        ],
    )
    def test_option_out_of_range_is_named(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(PluginError, match=rf"methods\.moe\.options: {said}"):
            registry.options("moe", moe.MixtureOfExperts, options)

    @pytest.mark.parametrize("options", [{"num_experts": 1, "top_k": 1}, {"top_k": 1, "renormalize": False}])
    def test_top_1_is_accepted_where_it_can_be_learnt_or_nothing_is_to_learn(self, options: dict[str, Any]) -> None:
        assert registry.options("moe", moe.MixtureOfExperts, options)

    @pytest.mark.parametrize(
        ("kind", "layers", "said"),
        [
            *(("bert", layers, "layers = .* the model has 3 feed-forward blocks, ids 0 to 2")
              for layers in ("last:4", "first:4", "every:4", [3], [0, 7])),
            ("albert", "last:2", r"1 feed-forward block \(one that several layers share counts once"),
        ],
    )  # fmt: skip
    def test_layers_that_do_not_exist_are_named(self, kind: str, layers: Any, said: str) -> None:
        with pytest.raises(UnsupportedError, match=said):
            adapted(kind, layers=layers)

    @pytest.mark.parametrize(
        ("kind", "options", "said"),
        [
            ("bert", {"inter_size": 48}, 'inter_size = 48 .* block of 32; leave it out or set init = "random"'),
            ("bert", {"expert_bias": False}, "expert_bias = false: a gated expert .* set expert_bias = true"),
            ("bert", {"expert_bias": False, "expert": "plain"}, "expert_bias = false, but the block has biases"),
            ("llama", {"expert": "plain"}, 'expert = "plain" cannot be upcycled .* set expert = "gated"'),
            ("modernbert", {"expert": "plain"}, 'expert = "plain" cannot be upcycled .* set expert = "gated"'),
            ("distilbert", {"pooler": True}, "pooler = true, but DistilBertModel has no place for one"),
        ],
    )
    def test_options_that_do_not_fit_the_block_are_named(self, kind: str, options: dict[str, Any], said: str) -> None:
        with pytest.raises(UnsupportedError, match=rf"methods\.moe\.options: {said}"):
            adapted(kind, **options)

    def test_what_can_be_upcycled_exactly_is(self) -> None:
        wanted = logits(plain_model("modernbert"))
        torch.testing.assert_close(logits(adapted("modernbert", expert_bias=False)), wanted, atol=1e-5, rtol=0)
        same = adapted("bert", inter_size=32)
        torch.testing.assert_close(logits(same), logits(plain_model("bert")), atol=1e-5, rtol=0)

    @pytest.mark.parametrize(
        ("build", "said"),
        [
            (lambda: of_type("squeezebert", **GROUPS), r"model_type squeezebert\) has no feed-forward block: nowhere"),
            (lambda: of_type("mixtral", num_key_value_heads=1), "has experts already: model.layers.0.mlp is a Mixtral"),
            (lambda: of_type("qwen2_moe", num_experts=4), r"has experts already: model\.layers\.0\.mlp is a Qwen2Moe"),
            (lambda: of_type("longformer", attention_window=8), r"do not get one vector for each token \(but 8 for 7"),
            (lambda: nn.Linear(2, 2), "failed in it: RuntimeError"),
        ],
        ids=["convolutions", "mixtral", "qwen2_moe", "padded", "no-transformer"],
    )  # fmt: skip
    def test_what_is_no_block_is_refused_by_name(self, build: Callable[[], nn.Module], said: str) -> None:
        with pytest.raises(UnsupportedError, match=said):
            method_of().adapt(build(), TASK)

    def test_a_dropout_that_a_layer_itself_calls_between_the_matrices_is_named(self) -> None:
        model = of_type("bart", d_model=16, encoder_layers=2, decoder_layers=1, activation_dropout=0.1, **HEADS)
        with pytest.raises(UnsupportedError, match=r"around layers\.0\.fc2 .* calls a dropout of 0\.1 between .* to 0"):
            method_of().adapt(model, TASK)

    @pytest.mark.parametrize("where", ["intermediate", "output"])
    def test_a_part_that_is_never_called_changes_nothing(self, where: str) -> None:
        got = logits(method_of().adapt(with_one_part_more(where), TASK))
        torch.testing.assert_close(got, logits(plain_model("bert")), atol=1e-5, rtol=0)

    def test_an_architecture_without_blocks_has_no_closed_form(self) -> None:
        architecture = closed_form.Architecture.from_config(config_of("gpt2"), "encoder")
        other = {"module": "mlp", "up": "fc1", "activation": "act", "down": "fc2"}
        with pytest.raises(
            UnsupportedError, match=r"model_type gpt2 has no .* names it: looked for mlp\.fc1 and mlp\.fc2"
        ):
            method_of(block=other).closed_form_flops(architecture, TASK)

    def test_chunks_of_sequences_are_refused(self) -> None:
        with pytest.raises(UnsupportedError, match="chunk_size_feed_forward"):
            method_of().adapt(plain_model("bert", chunk_size_feed_forward=2), TASK)

    def test_quantised_weights_are_refused_by_the_option(self) -> None:
        model = random_causal(config_of("llama"), torch.float32, 4, torch.device("cpu"))
        with pytest.raises(UnsupportedError, match=r"self_attn\.q_proj is quantised \(Linear4bit\).* set bits = 16"):
            method_of().adapt(model, TASK)

    def test_a_layer_that_computes_more_than_a_product_is_no_part_of_a_block(self) -> None:
        model = plain_model("bert")
        encoder: Any = model.base_model
        encoder.encoder.layer[0].output.dense = Scaled(32, 16)
        with pytest.raises(UnsupportedError, match="the model has 2 feed-forward blocks"):
            method_of(layers="first:3").adapt(model, TASK)


class TestNamedBlock:
    def plain(self) -> nn.Module:
        torch.manual_seed(0)
        config = AutoConfig.for_model("gpt_neox", num_labels=3, **SIZES)
        return AutoModelForSequenceClassification.from_config(config).eval()  # type: ignore[no-any-return]

    @pytest.mark.parametrize("expert", ["gated", "plain"])
    def test_an_unknown_architecture_is_adapted_by_the_names_of_its_parts(self, expert: str) -> None:
        model = method_of(block=NAMES, expert=expert).adapt(self.plain(), TASK)
        assert len(experts_in(model)) == 2
        torch.testing.assert_close(logits(model), logits(self.plain()), atol=1e-5, rtol=0)

    @pytest.mark.parametrize(
        "changes", [{"module": "ffn"}, {"up": "fc1"}, {"down": "dense_h_to_4h"}, {"gate": "gate"}, {"dropout": "drop"}]
    )
    def test_names_that_are_not_there_are_refused(self, changes: dict[str, str]) -> None:
        with pytest.raises(
            UnsupportedError, match="has no feed-forward block as the option block names it: looked for"
        ):
            method_of(block={**NAMES, **changes}).adapt(self.plain(), TASK)

    def test_its_flops_have_a_closed_form_where_the_architecture_has_one(self) -> None:
        names = {"module": "mlp", "up": "up_proj", "gate": "gate_proj", "activation": "act_fn", "down": "down_proj"}
        architecture = closed_form.Architecture.from_config(config_of("llama"), "encoder")
        named = method_of(block=names).closed_form_flops(architecture, TASK)
        assert named == method_of().closed_form_flops(architecture, TASK)
