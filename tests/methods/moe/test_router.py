"""Padding that is never routed, losses, noise and the log of who gets what."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.errors import UnsupportedError
from methods.moe.router import Routing, expert_shares, load_balancing_loss, z_loss
from tests.known import known
from tests.methods.moe.support import (
    IDS,
    KINDS,
    MASK,
    READ_PADDING_IDS,
    TASK,
    adapted,
    experts_in,
    logits,
    method_of,
    plain_model,
)

pytestmark = pytest.mark.usefixtures("one_thread")
every_kind = pytest.mark.parametrize("kind", KINDS)


class TestPadding:
    @every_kind
    def test_neither_its_content_nor_its_amount_changes_the_logits(self, kind: str) -> None:
        model = adapted(kind, init="random")
        wanted = logits(model)
        other = torch.where(MASK.bool(), IDS, 25)
        if kind not in READ_PADDING_IDS:
            torch.testing.assert_close(logits(model, other), wanted, atol=1e-5, rtol=0)
        more = F.pad(IDS, (0, 5), value=1)
        torch.testing.assert_close(logits(model, more, (more != 1).long()), wanted, atol=1e-5, rtol=0)
        alone = logits(model, IDS[3:, :3], None)
        torch.testing.assert_close(alone, wanted[3:], atol=1e-5, rtol=0)

    def test_a_shared_expert_leaves_it_so(self) -> None:
        model = adapted("bert", init="random", shared_expert=True)
        wanted = logits(model)
        torch.testing.assert_close(logits(model, torch.where(MASK.bool(), IDS, 25)), wanted, atol=1e-5, rtol=0)

    @pytest.mark.parametrize(("expert", "matrices"), [("gated", 3), ("plain", 2)])
    def test_the_experts_are_handed_the_rows_of_text_alone(self, expert: str, matrices: int) -> None:
        module = experts_in(adapted("bert", expert=expert, init="random"))[0]
        for mask in (None, torch.ones(4, 6), MASK, MASK.bool(), torch.zeros(4, 6)):
            module.encoder_pass.mask = mask
            kept = 24 if mask is None else int(mask.sum())
            with FlopCounterMode(display=False) as counter:
                output = module(torch.randn(4, 6, 16))
            assert counter.get_total_flops() == 2 * 24 * 16 * 4 + 2 * kept * 2 * matrices * 16 * 32
            zeros = (output == 0).all(-1)
            assert torch.equal(zeros, torch.zeros(4, 6, dtype=torch.bool) if mask is None else mask == 0)

    def test_what_stands_there_does_not_spread(self) -> None:
        module = experts_in(adapted("bert", init="random"))[0]
        module.encoder_pass.mask = MASK
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
        assert experts_in(model)[0].encoder_pass.mask is None
        assert experts_in(twin)[0].encoder_pass.mask is MASK

    def test_a_mask_of_another_shape_is_refused(self) -> None:
        with pytest.raises(UnsupportedError, match=r"shape \[sequences, tokens\], got \[4, 1, 6, 6\]"):
            logits(adapted("bert"), mask=torch.ones(4, 1, 6, 6))


def routing_of(logits: Tensor, top_k: int = 2) -> Routing:
    probabilities = logits.softmax(-1)
    shares, chosen = probabilities.topk(top_k, dim=-1)
    return Routing(logits, probabilities, shares, chosen)


class TestLosses:
    def test_load_balancing_is_one_where_all_get_equal_shares_and_the_number_of_experts_at_worst(self) -> None:
        # Each of four tokens prefers another expert, all by the same margin.
        even = routing_of(torch.eye(4) * 8, top_k=1)
        assert load_balancing_loss(even, expert_shares(even, None), None) == pytest.approx(1.0)
        one = routing_of(torch.eye(4)[:1].repeat(4, 1) * 80, top_k=1)
        assert load_balancing_loss(one, expert_shares(one, None), None) == pytest.approx(4.0)

    @pytest.mark.parametrize("top_k", [1, 2, 3])
    def test_load_balancing_is_what_the_definition_says(self, top_k: int) -> None:
        torch.manual_seed(0)
        routing = routing_of(torch.randn(7, 3), top_k)
        kept = torch.tensor([1, 1, 0, 1, 1, 0, 1]).bool()
        total = 0.0
        for expert in range(3):
            sent = sum(int(expert in chosen) for chosen in routing.chosen[kept].tolist())
            total += sent / (5 * top_k) * float(routing.probabilities[kept, expert].mean())
        assert load_balancing_loss(routing, expert_shares(routing, kept), kept) == pytest.approx(3 * total)
        assert expert_shares(routing, kept).sum() == pytest.approx(top_k)

    def test_z_loss_is_what_the_definition_says(self) -> None:
        # log(e^0 + e^0) = log 2; log(e^1 + e^1) = 1 + log 2.
        routing = routing_of(torch.tensor([[0.0, 0.0], [1.0, 1.0], [50.0, 50.0]]), 1)
        wanted = (math.log(2) ** 2 + (1 + math.log(2)) ** 2) / 2
        assert z_loss(routing, torch.tensor([True, True, False])) == pytest.approx(wanted)

    def test_without_any_text_they_are_finite(self) -> None:
        routing, nothing = routing_of(torch.randn(3, 4)), torch.zeros(3).bool()
        assert load_balancing_loss(routing, expert_shares(routing, nothing), nothing) == z_loss(routing, nothing) == 0

    def test_their_gradient_evens_the_shares_out(self) -> None:
        method = method_of(router_aux_loss_coef=1.0, router_z_loss_coef=0.0, num_experts=4, top_k=1, renormalize=False)
        model = method.adapt(plain_model("bert"), TASK).train()
        router = experts_in(model)[-1].router
        with torch.no_grad():  # all tokens to one expert, by the mean of their states
            router.weight[2] += 2 * router_input(model).mean(0)
        optimizer = torch.optim.Adam([router.weight], lr=0.05)
        found = []
        for _ in range(40):
            logits(model)
            loss = known(method.extra_loss(model))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            found.append(float(loss.detach()))
        shares = method._shares[0][-1], method._shares[-1][-1]
        assert shares[0].max() > 0.95 > 0.6 > shares[1].max(), shares
        assert found[-1] < found[0]


def router_input(model: nn.Module) -> Tensor:
    """What the last router reads of the text, [T, D]."""
    seen: list[Tensor] = []
    hook = experts_in(model)[-1].router.register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    with torch.no_grad():
        logits(model)
    hook.remove()
    return seen[0][MASK.bool().flatten()]


class TestExtraLoss:
    @every_kind
    def test_it_is_the_weighted_sum_over_the_runs_of_all_blocks(self, kind: str) -> None:
        method = method_of(kind, router_aux_loss_coef=0.5, router_z_loss_coef=0.25)
        model = method.adapt(plain_model(kind), TASK).train()
        logits(model)
        encoder_pass = experts_in(model)[0].encoder_pass
        kept = encoder_pass.kept_tokens()
        runs = 3 if kind == "albert" else 2  # three layers share one block
        assert len(encoder_pass.routings) == runs
        wanted = sum(
            0.5 * load_balancing_loss(r, expert_shares(r, kept), kept) + 0.25 * z_loss(r, kept)
            for r in encoder_pass.routings
        )
        loss = known(method.extra_loss(model))
        torch.testing.assert_close(loss, wanted)
        loss.backward()
        assert experts_in(model)[0].router.weight.grad is not None
        assert len(method._shares) == 1
        assert method._shares[0].shape == (runs, 4)
        torch.testing.assert_close(method._shares[0].sum(1), torch.full((runs,), 2.0))

    def test_there_is_none_outside_of_training(self) -> None:
        method = method_of()
        model = method.adapt(plain_model("bert"), TASK)
        logits(model.train())
        logits(model.eval())
        assert method.extra_loss(model) is None
        assert method._shares == []

    def test_a_pass_forgets_the_one_before(self) -> None:
        method = method_of()
        model = method.adapt(plain_model("bert"), TASK).train()
        logits(model)
        logits(model)
        assert len(experts_in(model)[0].encoder_pass.routings) == 2


class TestJitter:
    def test_it_changes_the_choice_in_training_alone_and_only_within_its_bounds(self) -> None:
        model = adapted("bert", router_jitter_noise=0.5)
        router, tokens = experts_in(model)[0].router, torch.randn(50, 16)
        assert torch.equal(router(tokens).logits, router(tokens).logits)
        router.train()
        assert not torch.allclose(router(tokens).logits, router(tokens).logits)
        with torch.no_grad():
            router.weight.copy_(torch.eye(4, 16))
        ratio = router(tokens).logits / tokens[:, :4]
        assert 0.5 <= ratio.min() < 0.6
        assert 1.4 < ratio.max() <= 1.5


class TestPrecision:
    def test_a_model_stored_in_bf16_is_routed_by_the_same_scores(self) -> None:
        router = experts_in(adapted("bert", init="random").to(torch.bfloat16))[0].router
        tokens = torch.randn(50, 16).to(torch.bfloat16)
        wanted = tokens.float() @ router.weight.float().t()
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(router(tokens).logits, wanted)
