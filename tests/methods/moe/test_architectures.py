"""Every architecture: equality at the start, gradients, learning, save and load, counts without weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from bench.measure import parameters
from bench.measure.flops import dispatched, traced
from bench.method import architecture as closed_form
from bench.plan.fake_tensors import convert_tensors, empty_like
from methods.moe.surgery import encoder_of
from tests.known import known
from tests.methods.moe.support import (
    GATED,
    IDS,
    KINDS,
    LABELS,
    MASK,
    T5_KINDS,
    TASK,
    adapted,
    config_of,
    experts_in,
    logits,
    method_of,
    plain_model,
)

pytestmark = pytest.mark.usefixtures("one_thread")
every_kind = pytest.mark.parametrize("kind", KINDS)
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
WITHOUT_DROPOUT: dict[str, dict[str, Any]] = {
    "distilbert": {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0},
    "gpt2": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    **{kind: {} for kind in ("modernbert", "llama", "mistral", "qwen2", "phi")},  # they have none
    **{kind: {"dropout_rate": 0.0} for kind in T5_KINDS},
}
#: transformers renamed it on the way to 5.23.
CHECKPOINTING = next(
    name for name in ("activation_checkpointing_enable", "gradient_checkpointing_enable")
    if hasattr(PreTrainedModel, name)
)  # fmt: skip


def routed(model: nn.Module, mask: Tensor) -> list[set[int]]:
    """Ids of the experts that text was sent to in one forward pass, for each replaced block."""
    found: dict[nn.Module, set[int]] = {module.router: set() for module in experts_in(model)}
    text = mask.bool().flatten()
    hooks = [
        router.register_forward_hook(lambda m, args, output: found[m].update(output.chosen[text].flatten().tolist()))
        for router in found
    ]
    with torch.no_grad():
        encode(model, mask)
    for hook in hooks:
        hook.remove()
    return list(found.values())


def encode(model: nn.Module, mask: Tensor) -> Tensor:
    """Every token's last hidden state, of which a head reads some alone."""
    return encoder_of(model)(input_ids=IDS, attention_mask=mask).last_hidden_state  # type: ignore[no-any-return]


class TestEveryArchitecture:
    @pytest.mark.parametrize(
        ("kind", "expert"),
        [(kind, expert) for kind in KINDS for expert in ("gated", "plain") if expert == "gated" or kind not in GATED],
    )
    @pytest.mark.parametrize("shared_expert", [False, True], ids=["", "shared"])
    def test_upcycled_starts_as_the_plain_model(self, kind: str, expert: str, shared_expert: bool) -> None:
        wanted = logits(plain_model(kind))
        got = logits(adapted(kind, expert=expert, shared_expert=shared_expert))
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
        states = encode(model, mask)[mask.bool()]
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
            # Given no mask, some look for padding among the ids; given one, the others look into it.
            mask = torch.ones_like(ids) if kind == "deberta-v2" else None
            twin.config.pad_token_id = None  # type: ignore[union-attr]
            encoder_of(twin)(ids, attention_mask=mask)[0].sum().backward()
        assert parameters.count(twin) == counted
        with torch.device("meta"):
            fake = AutoModelForSequenceClassification.from_config(config_of(kind))
        with FakeTensorMode():
            convert_tensors(fake, empty_like)
            fake = method_of(kind, **options).adapt(fake, TASK)
            ids = torch.ones(2, 7, dtype=torch.int64)
            with torch.autocast("cpu", torch.bfloat16):
                states = encoder_of(fake)(ids, attention_mask=torch.ones_like(ids))[0]
            states.float().sum().backward()
        assert parameters.count(fake) == counted
        for model in (twin, fake):
            for module in experts_in(model):
                assert module.in_weight.grad is not None
                assert module.in_weight.grad.shape == module.in_weight.shape

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in T5_KINDS])  # which has no closed form
    @pytest.mark.parametrize(
        "options",
        [{}, {"shared_expert": True},
         {"layers": "first:1", "num_experts": 3, "top_k": 1, "renormalize": False, "inter_size": 24},
         {"expert": "plain", "num_experts": 5, "top_k": 3, "expert_bias": False}],
    )  # fmt: skip
    def test_flops_are_counted_for_the_experts_in_use(self, kind: str, options: dict[str, Any]) -> None:
        method = method_of(kind, init="random", **options)
        with torch.device("meta"):
            model = method.adapt(AutoModelForSequenceClassification.from_config(config_of(kind)), TASK)
        architecture = closed_form.Architecture.from_config(config_of(kind), "encoder")
        wanted = method.closed_form_flops(architecture, TASK)
        assert wanted != architecture.forward_flops(TASK.max_length)
        assert traced.count_forward(model, TASK.max_length) == pytest.approx(wanted, rel=1e-3)
        assert dispatched.count_forward(model, TASK.max_length).forward_flops == pytest.approx(wanted, rel=1e-3)

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "albert"])  # transformers has none for ALBERT
    def test_gradient_checkpointing_changes_no_gradient(self, kind: str) -> None:
        method, gradients = method_of(kind, init="random"), []
        for checkpointing in (False, True):
            # In training mode, as checkpointing does nothing in the other.
            model: Any = method.adapt(plain_model(kind, **WITHOUT_DROPOUT.get(kind, NO_DROPOUT)), TASK).train()
            if checkpointing:
                getattr(model, CHECKPOINTING)()
            loss = F.cross_entropy(logits(model), LABELS)
            extra = known(method.extra_loss(model))
            (loss + 100 * extra).backward()
            assert len(experts_in(model)[0].encoder_pass.routings) == 2  # none again from the backward pass
            gradients.append([p.grad for p in model.parameters() if p.grad is not None])
        torch.testing.assert_close(gradients[1], gradients[0], atol=1e-6, rtol=1e-5)
