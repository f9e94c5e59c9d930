"""The mixture of experts: published sizes, equality at the start, padding, ways of dispatch, and errors by name."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel

from bench import registry
from bench.errors import PluginError, UnsupportedError
from bench.measure import parameters
from bench.measure.fake import convert_tensors, empty_like
from bench.measure.flops import closed_form, traced
from bench.method import Task
from methods import moe

pytestmark = pytest.mark.usefixtures("one_thread")
TASK = Task(labels=("anger", "joy", "sadness"), max_length=16, kind="encoder")
SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 40,
    "pad_token_id": 1,
}
KINDS: dict[str, dict[str, Any]] = {
    "bert": SIZES,
    "roberta": SIZES,
    "electra": {**SIZES, "embedding_size": 8},
    "distilbert": {
        "vocab_size": 40, "dim": 16, "hidden_dim": 32, "n_layers": 3, "n_heads": 2, "max_position_embeddings": 40,
        "pad_token_id": 1,
    },
    "albert": {**SIZES, "embedding_size": 8, "classifier_dropout_prob": 0.1},
    "deberta-v2": {
        **SIZES, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8,
        "norm_rel_ebd": "layer_norm", "share_att_key": True, "position_biased_input": False,
    },
    "modernbert": {**SIZES, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
}  # fmt: skip
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
WITHOUT_DROPOUT: dict[str, dict[str, Any]] = {
    "distilbert": {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0},
    "modernbert": {},  # it has none
}
every_kind = pytest.mark.parametrize("kind", KINDS)
#: transformers renamed it on the way to 5.23.
CHECKPOINTING = next(
    name for name in ("activation_checkpointing_enable", "gradient_checkpointing_enable")
    if hasattr(PreTrainedModel, name)
)  # fmt: skip
IDS = torch.tensor([[2, 5, 6, 7, 8, 3], [2, 9, 10, 11, 12, 3], [2, 13, 14, 3, 1, 1], [2, 15, 3, 1, 1, 1]])
MASK = (IDS != 1).long()
LABELS = torch.tensor([0, 1, 2, 0])


def config_of(kind: str, **changes: Any) -> PretrainedConfig:
    return AutoConfig.for_model(kind, num_labels=3, **{**KINDS[kind], **changes})


def plain_model(kind: str, **changes: Any) -> nn.Module:
    """A model whose biases and scales are not at their start, as in a pretrained one."""
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config_of(kind, **changes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model.eval()  # type: ignore[no-any-return]


def method_of(kind: str = "bert", **options: Any) -> moe.MixtureOfExperts:
    return moe.MixtureOfExperts(moe.Options(**{"layers": "last:1" if kind == "albert" else "last:2", **options}))


def adapted(kind: str, **options: Any) -> nn.Module:
    return method_of(kind, **options).adapt(plain_model(kind), TASK)


def logits(model: nn.Module, ids: Tensor = IDS, mask: Tensor | None = MASK) -> Tensor:
    return model(input_ids=ids, attention_mask=mask).logits  # type: ignore[no-any-return]


def experts_in(model: nn.Module) -> list[moe.SparseExperts]:
    return [module for module in model.modules() if isinstance(module, moe.SparseExperts)]


def routed(model: nn.Module, mask: Tensor) -> list[set[int]]:
    """Ids of the experts that text was sent to in one forward pass, for each replaced block."""
    seen: list[tuple[moe.SparseExperts, Tensor]] = []
    hooks = [m.register_forward_pre_hook(lambda m, args: seen.append((m, args[0]))) for m in experts_in(model)]
    with torch.no_grad():
        logits(model, mask=mask)
    for hook in hooks:
        hook.remove()
    found: dict[int, set[int]] = {id(module): set() for module in experts_in(model)}
    for module, states in seen:
        found[id(module)] |= set(module.route(states[mask.bool()])[1].flatten().tolist())
    return [found[id(module)] for module in experts_in(model)]


class TestPublishedSizes:
    @pytest.mark.parametrize(
        ("num_labels", "num_experts", "wanted"), [(2, 4, 172_422_146), (4, 6, 200_738_308), (5, 4, 172_424_453)]
    )
    def test_parameters_and_flops_of_roberta_base(self, num_labels: int, num_experts: int, wanted: int) -> None:
        method = moe.MixtureOfExperts(
            moe.Options(
                expert="gated", expert_bias=False, num_experts=num_experts, top_k=1, inter_size=3072, layers="last:2",
                init="random", renormalize=False, pooler=True,
            )
        )  # fmt: skip
        config = AutoConfig.for_model(
            "roberta", vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, num_labels=num_labels
        )
        task = Task(labels=tuple("abcde"[:num_labels]), max_length=256, kind="encoder")
        with torch.device("meta"):
            model = method.adapt(AutoModelForSequenceClassification.from_config(config), task).eval()
            with FlopCounterMode(display=False) as counter:
                model(input_ids=torch.ones(1, 256, dtype=torch.int64))
        counted = parameters.count(model)
        assert (counted.total_params, counted.trainable_params) == (wanted, wanted)
        forward = counter.get_total_flops()
        assert round(forward / 1e9, 2) == {4: 48.32, 6: 48.33}[num_experts]
        architecture = closed_form.Architecture.from_config(config, "encoder")
        assert method.closed_form_flops(architecture, task) == forward


class TestEveryArchitecture:
    # ModernBERT's own blocks are gated and have no plain form.
    @pytest.mark.parametrize(
        ("kind", "expert"),
        [
            (kind, expert)
            for kind in KINDS
            for expert in ("gated", "plain")
            if (kind, expert) != ("modernbert", "plain")
        ],
    )
    def test_upcycled_starts_as_the_plain_model(self, kind: str, expert: str) -> None:
        wanted = logits(plain_model(kind))
        got = logits(adapted(kind, expert=expert))
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)

    @every_kind
    @pytest.mark.parametrize("top_k", [1, 2, 4])
    def test_gradient_reaches_the_router_and_the_experts_in_use(self, kind: str, top_k: int) -> None:
        model = adapted(kind, init="random", top_k=top_k, renormalize=top_k > 1)
        assert all(parameter.requires_grad for parameter in model.parameters())
        mask = torch.zeros_like(MASK)
        mask[3, :3] = 1  # so little text that some expert stays without
        in_use = routed(model, mask)
        assert top_k == 4 or any(len(ids) < 4 for ids in in_use)
        # Every token's state, as the head sees of the last block the first token alone.
        encoder: Any = model.base_model
        states = encoder(input_ids=IDS, attention_mask=mask).last_hidden_state[mask.bool()]
        (states * torch.randn_like(states)).sum().backward()
        for module, ids in zip(experts_in(model), in_use, strict=True):
            assert module.router.weight.grad is not None
            assert module.router.weight.grad.abs().sum() > 0
            for weight in (module.in_weight, module.out_weight, *module.biases()):
                assert weight.grad is not None
                assert {e for e in range(4) if weight.grad[e].abs().sum() > 0} == ids

    @every_kind
    def test_a_few_steps_lower_the_loss(self, kind: str) -> None:
        method = method_of(kind, learning_rate=1e-2)
        model = method.adapt(plain_model(kind), TASK)
        optimizer = torch.optim.AdamW(method.parameter_groups(model), lr=method.options.learning_rate)
        start = {name: p.detach().clone() for name, p in model.named_parameters() if "router" in name}
        losses = []
        for _ in range(20):
            loss = F.cross_entropy(logits(model), LABELS)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
        assert sum(losses[-3:]) < 0.7 * sum(losses[:3]), losses
        assert start
        assert all(not torch.equal(dict(model.named_parameters())[name], old) for name, old in start.items())

    @every_kind
    def test_saved_and_loaded_gives_the_same_logits(self, kind: str, tmp_path: Path) -> None:
        method = method_of(kind)
        tuned = method.adapt(plain_model(kind), TASK)
        with torch.no_grad():
            for parameter in tuned.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        method.save(tuned, tmp_path)
        fresh = method_of(kind).adapt(plain_model(kind), TASK)
        assert not torch.allclose(logits(fresh), logits(tuned), atol=1e-3)
        assert torch.equal(logits(method.load(fresh, tmp_path)), logits(tuned))

    @every_kind
    @pytest.mark.parametrize("options", [{}, {"expert_bias": False, "init": "random", "inter_size": 24, "top_k": 3}])
    def test_meta_and_fake_builds_train_and_have_the_counts_of_the_real_one(
        self, kind: str, options: dict[str, Any]
    ) -> None:
        counted = parameters.count(adapted(kind, **options))
        with torch.device("meta"):
            twin = method_of(kind, **options).adapt(
                AutoModelForSequenceClassification.from_config(config_of(kind)), TASK
            )
            ids = torch.zeros(2, 7, dtype=torch.int64)
            # Given no mask, DeBERTa looks for padding among the ids; given one, the others look into it.
            logits(twin, ids, torch.ones_like(ids) if kind == "deberta-v2" else None).sum().backward()
        assert parameters.count(twin) == counted
        with torch.device("meta"):
            fake = AutoModelForSequenceClassification.from_config(config_of(kind))
        with FakeTensorMode():
            convert_tensors(fake, empty_like)
            fake = method_of(kind, **options).adapt(fake, TASK)
            ids = torch.ones(2, 7, dtype=torch.int64)
            with torch.autocast("cpu", torch.bfloat16):
                scores = logits(fake, ids, torch.ones_like(ids))
            scores.float().sum().backward()
        assert parameters.count(fake) == counted
        for model in (twin, fake):
            for module in experts_in(model):
                assert module.in_weight.grad is not None
                assert module.in_weight.grad.shape == module.in_weight.shape

    @every_kind
    @pytest.mark.parametrize(
        "options",
        [{}, {"layers": "first:1", "num_experts": 3, "top_k": 1, "renormalize": False, "inter_size": 24},
         {"expert": "plain", "num_experts": 5, "top_k": 3}],
    )  # fmt: skip
    def test_flops_are_counted_for_the_experts_in_use(self, kind: str, options: dict[str, Any]) -> None:
        method = method_of(kind, init="random", **options)
        with torch.device("meta"):
            model = method.adapt(AutoModelForSequenceClassification.from_config(config_of(kind)), TASK)
        architecture = closed_form.Architecture.from_config(config_of(kind), "encoder")
        wanted = method.closed_form_flops(architecture, TASK)
        assert wanted != architecture.forward_flops(TASK.max_length)
        assert traced.count_forward(model, TASK.max_length) == pytest.approx(wanted, rel=1e-3)

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "albert"])  # transformers has none for ALBERT
    def test_gradient_checkpointing_changes_no_gradient(self, kind: str) -> None:
        method, gradients = method_of(kind, init="random"), []
        for checkpointing in (False, True):
            # In training mode, as checkpointing does nothing in the other.
            model: Any = method.adapt(plain_model(kind, **WITHOUT_DROPOUT.get(kind, NO_DROPOUT)), TASK).train()
            if checkpointing:
                getattr(model, CHECKPOINTING)()
            F.cross_entropy(logits(model), LABELS).backward()
            gradients.append([p.grad for p in model.parameters() if p.grad is not None])
        torch.testing.assert_close(gradients[1], gradients[0], atol=1e-6, rtol=1e-5)


class TestPadding:
    @every_kind
    def test_neither_its_content_nor_its_amount_changes_the_logits(self, kind: str) -> None:
        model = adapted(kind, init="random")
        wanted = logits(model)
        other = torch.where(MASK.bool(), IDS, 25)
        if kind != "roberta":  # it tells positions by the id of padding
            torch.testing.assert_close(logits(model, other), wanted, atol=1e-5, rtol=0)
        more = F.pad(IDS, (0, 5), value=1)
        torch.testing.assert_close(logits(model, more, (more != 1).long()), wanted, atol=1e-5, rtol=0)
        alone = logits(model, IDS[3:, :3], None)
        torch.testing.assert_close(alone, wanted[3:], atol=1e-5, rtol=0)

    @pytest.mark.parametrize(("expert", "matrices"), [("gated", 3), ("plain", 2)])
    def test_the_experts_are_handed_the_rows_of_text_alone(self, expert: str, matrices: int) -> None:
        module = experts_in(adapted("bert", expert=expert, init="random"))[0]
        for mask in (None, torch.ones(4, 6), MASK, MASK.bool(), torch.zeros(4, 6)):
            module.padding.mask = mask
            kept = 24 if mask is None else int(mask.sum())
            with FlopCounterMode(display=False) as counter:
                output = module(torch.randn(4, 6, 16))
            assert counter.get_total_flops() == 2 * 24 * 16 * 4 + 2 * kept * 2 * matrices * 16 * 32
            zeros = (output == 0).all(-1)
            assert torch.equal(zeros, torch.zeros(4, 6, dtype=torch.bool) if mask is None else mask == 0)

    def test_what_stands_there_does_not_spread(self) -> None:
        module = experts_in(adapted("bert", init="random"))[0]
        module.padding.mask = MASK
        states = torch.randn(4, 6, 16)
        spoiled = torch.where(MASK.bool().unsqueeze(-1), states, 1e6)
        assert torch.equal(module(spoiled), module(states))

    def test_each_pass_has_its_own_mask_however_it_is_given(self) -> None:
        model = adapted("bert", init="random")
        whole = logits(model, mask=None)
        wanted = logits(model)
        assert not torch.allclose(whole, wanted, atol=1e-4)
        assert torch.equal(logits(model, mask=None), whole)
        assert torch.equal(model(IDS, MASK).logits, wanted)
        assert torch.equal(logits(model, mask=MASK.bool()), wanted)

    def test_a_copy_of_the_model_has_a_mask_of_its_own(self) -> None:
        model = adapted("bert", init="random")
        twin = copy.deepcopy(model)
        wanted = logits(model)
        logits(model, mask=None)
        assert torch.equal(logits(twin), wanted)
        assert experts_in(model)[0].padding.mask is None
        assert experts_in(twin)[0].padding.mask is MASK

    def test_a_mask_of_another_shape_is_refused(self) -> None:
        with pytest.raises(UnsupportedError, match=r"shape \[sequences, tokens\], got \[4, 1, 6, 6\]"):
            logits(adapted("bert"), mask=torch.ones(4, 1, 6, 6))


def token_by_token(module: moe.SparseExperts, states: Tensor, kept: Tensor) -> Tensor:
    """What the module computes, written as its definition says."""
    outputs = []
    for state, keep in zip(states, kept.tolist(), strict=True):
        shares, chosen = module.route(state.unsqueeze(0))
        output = torch.zeros_like(state)
        for share, expert in zip(shares[0], chosen[0].tolist(), strict=True):
            inner = module.in_weight[expert] @ state
            inner = inner if module.in_bias is None else inner + module.in_bias[expert]
            if module.gated:
                inner = module.activation(inner[: len(inner) // 2]) * inner[len(inner) // 2 :]
            else:
                inner = module.activation(inner)
            result = module.out_weight[expert] @ inner
            output = output + share * (result if module.out_bias is None else result + module.out_bias[expert])
        outputs.append(output if keep else torch.zeros_like(state))
    return torch.stack(outputs)


class TestDispatch:
    @pytest.mark.parametrize("path", [moe._one_by_one, moe._grouped])
    @pytest.mark.parametrize("mask", [MASK, torch.ones_like(MASK)], ids=["padded", "whole"])
    @pytest.mark.parametrize(
        "options",
        [{"expert": "gated"}, {"expert": "plain", "top_k": 1, "renormalize": False},
         {"expert_bias": False, "top_k": 4}, {"num_experts": 24, "top_k": 3}],
        ids=["gated", "plain-top-1", "no-bias-top-4", "idle-experts"],
    )  # fmt: skip
    def test_every_path_computes_what_the_definition_says(
        self, path: Any, mask: Tensor, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = experts_in(adapted("bert", init="random", **options))[0]
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.5)
        start = torch.randn(4, 6, 16)
        target = torch.randn(24, 16)
        results = []
        for compute in (
            lambda states: token_by_token(module, states.reshape(24, 16), mask.reshape(-1)),
            lambda states: module(states).reshape(24, 16),
        ):
            module.padding.mask = mask
            monkeypatch.setattr(moe, "_path_for", lambda values, weights: path)
            module.zero_grad(set_to_none=True)
            states = start.clone().requires_grad_(True)
            output = compute(states)
            (output * target).sum().backward()
            results.append([output.detach(), states.grad, *(p.grad for p in module.parameters())])
        torch.testing.assert_close(results[1], results[0], atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("expert", ["gated", "plain"])
    def test_paths_agree_under_autocast(self, expert: str, monkeypatch: pytest.MonkeyPatch) -> None:
        module = experts_in(adapted("bert", init="random", expert=expert))[0]
        module.padding.mask = MASK
        start, results, seen = torch.randn(4, 6, 16), [], set()
        assert isinstance(module.activation, nn.Module)
        module.activation.register_forward_hook(lambda m, args, output: seen.add(args[0].dtype))
        for path in (moe._one_by_one, moe._grouped):
            monkeypatch.setattr(moe, "_path_for", lambda values, weights, path=path: path)
            module.zero_grad(set_to_none=True)
            states = start.clone().requires_grad_(True)
            with torch.autocast("cpu", torch.bfloat16):
                output = module(states)
            output.float().square().sum().backward()
            results.append([output.detach(), states.grad, *(p.grad for p in module.parameters())])
        assert seen == {results[0][0].dtype} == {torch.bfloat16}
        torch.testing.assert_close(results[1], results[0], atol=2e-3, rtol=2e-2)

    def test_sizes_that_grouped_matmul_does_not_take_are_computed_all_the_same(self) -> None:
        model = method_of(init="random", inter_size=7).adapt(plain_model("bert", hidden_size=10), TASK)
        logits(model).sum().backward()
        gradients = [module.in_weight.grad for module in experts_in(model)]
        assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)

    def test_experts_compute_in_bf16_under_autocast_and_the_router_in_fp32(self) -> None:
        model = adapted("bert", init="random")
        module = experts_in(model)[0]
        seen: dict[str, torch.dtype] = {}
        assert isinstance(module.activation, nn.Module)
        module.activation.register_forward_hook(lambda m, args, output: seen.update(experts=args[0].dtype))
        module.router.register_forward_hook(lambda m, args, output: seen.update(router=output.dtype))
        with torch.autocast("cpu", torch.bfloat16):
            scores = logits(model)
        assert seen == {"experts": torch.bfloat16, "router": torch.float32}
        torch.testing.assert_close(scores.float(), logits(model), atol=0.05, rtol=0.05)
        assert seen["experts"] == torch.float32

    def test_a_model_stored_in_bf16_runs_as_deployed(self) -> None:
        model = adapted("bert")
        wanted = logits(model)
        torch.testing.assert_close(logits(model.to(torch.bfloat16)).float(), wanted, atol=0.1, rtol=0.1)

    def test_a_seed_settles_the_gradients(self) -> None:
        def gradients() -> Iterator[Tensor]:
            model = adapted("bert", init="random").train()
            torch.manual_seed(3)
            F.cross_entropy(logits(model), LABELS).backward()
            return (p.grad for p in model.parameters() if p.grad is not None)

        assert all(torch.equal(one, other) for one, other in zip(gradients(), gradients(), strict=True))


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


def with_one_part_more(where: str) -> nn.Module:
    """A BERT whose blocks do something that is not known."""
    model = plain_model("bert")
    encoder: Any = model.base_model
    for layer in encoder.encoder.layer:
        getattr(layer, where).more = nn.Linear(16, 16)
    return model


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"top_k": 5}, "top_k: must be at most num_experts, which is 4, got 5"),
            ({"num_experts": 1}, "top_k: must be at most num_experts, which is 1"),
            ({"num_experts": 0}, "num_experts must be at least 1"),
            ({"top_k": 0}, "top_k must be at least 1"),
            ({"top_k": 1}, "renormalize: must be false where top_k is 1"),
            ({"inter_size": 0}, "inter_size must be at least 1"),
            ({"expert": "swish"}, "expert"),
            ({"init": "zeros"}, "init"),
            *(
                ({"layers": layers}, "layers: must be last:n, first:n or every:n")
                for layers in ("last", "last:0", "last:-1", "middle:2", "last:2x", "")
            ),
            *(({"layers": layers}, "layers: must be a list of at least one id") for layers in ([], [-1], [2, 2])),
            ({"layers": ["a"]}, "layers"),
        ],
    )
    def test_option_out_of_range_is_named(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(PluginError, match=rf"methods\.moe\.options: {said}"):
            registry.options("moe", moe.MixtureOfExperts, options)

    @pytest.mark.parametrize("options", [{"num_experts": 1, "top_k": 1}, {"top_k": 1, "renormalize": False}])
    def test_top_1_is_accepted_where_it_can_be_learnt_or_nothing_is_to_learn(self, options: dict[str, Any]) -> None:
        assert registry.options("moe", moe.MixtureOfExperts, options)

    @pytest.mark.parametrize("layers", ["last:4", "first:4", "every:4", [3], [0, 7]])
    def test_layers_that_do_not_exist_are_named(self, layers: Any) -> None:
        with pytest.raises(UnsupportedError, match=r"layers = .* the model has 3 feed-forward blocks, ids 0 to 2"):
            adapted("bert", layers=layers)

    def test_a_block_that_layers_share_counts_once(self) -> None:
        with pytest.raises(UnsupportedError, match=r"1 feed-forward block \(one that several layers share counts once"):
            adapted("albert", layers="last:2")

    @pytest.mark.parametrize(
        ("kind", "options", "said"),
        [
            ("bert", {"inter_size": 48}, 'inter_size = 48 .* block of 32; leave it out or set init = "random"'),
            ("bert", {"expert_bias": False}, "expert_bias = false: a gated expert .* set expert_bias = true"),
            ("bert", {"expert_bias": False, "expert": "plain"}, "expert_bias = false, but the block has biases"),
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
        "build",
        [
            lambda: AutoModelForSequenceClassification.from_config(
                AutoConfig.for_model("gpt2", vocab_size=40, n_embd=16, n_layer=1, n_head=2, pad_token_id=1)
            ),
            # Its intermediate part has a normalisation too, which must not be lost.
            lambda: AutoModelForSequenceClassification.from_config(
                AutoConfig.for_model("roberta-prelayernorm", **SIZES)
            ),
            lambda: with_one_part_more("intermediate"),
            lambda: with_one_part_more("output"),
            lambda: nn.Linear(2, 2),
        ],
        ids=["gpt2", "roberta-prelayernorm", "more-before", "more-after", "no-transformer"],
    )  # fmt: skip
    def test_unknown_architecture_says_what_was_looked_for(self, build: Callable[[], nn.Module]) -> None:
        with pytest.raises(UnsupportedError, match=r"looked for intermediate\.dense and output\.dense .* PATTERNS"):
            method_of().adapt(build(), TASK)

    def test_an_architecture_without_blocks_has_no_closed_form(self) -> None:
        config = AutoConfig.for_model("gpt2", vocab_size=40, n_embd=16, n_layer=1, n_head=2, num_labels=3)
        architecture = closed_form.Architecture.from_config(config, "encoder")
        with pytest.raises(UnsupportedError, match="model_type gpt2 has no feed-forward block of a known form"):
            method_of().closed_form_flops(architecture, TASK)

    def test_chunks_of_sequences_are_refused(self) -> None:
        with pytest.raises(UnsupportedError, match="chunk_size_feed_forward"):
            method_of().adapt(plain_model("bert", chunk_size_feed_forward=2), TASK)
