"""Ways from tokens to experts and back: one result for all."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.moe import dispatch
from methods.moe.experts import SparseExperts
from tests.methods.moe.support import (
    LABELS,
    MASK,
    TASK,
    adapted,
    experts_in,
    logits,
    method_of,
    plain_model,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def token_by_token(module: SparseExperts, states: Tensor, kept: Tensor) -> Tensor:
    """What the module computes, written as its definition says."""
    outputs = []
    for state, keep in zip(states, kept.tolist(), strict=True):
        routing = module.router(state.unsqueeze(0))
        output = torch.zeros_like(state)
        for share, expert in zip(routing.shares[0], routing.chosen[0].tolist(), strict=True):
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
    @pytest.mark.parametrize("path", [dispatch.one_by_one, dispatch.grouped])
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
            module.encoder_pass.mask = mask
            monkeypatch.setattr("methods.moe.experts.path_for", lambda values, weights, dtype: path)
            module.zero_grad(set_to_none=True)
            states = start.clone().requires_grad_(True)
            output = compute(states)
            (output * target).sum().backward()
            results.append([output.detach(), states.grad, *(p.grad for p in module.parameters())])
        torch.testing.assert_close(results[1], results[0], atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("expert", ["gated", "plain"])
    def test_paths_agree_under_autocast(self, expert: str, monkeypatch: pytest.MonkeyPatch) -> None:
        module = experts_in(adapted("bert", init="random", expert=expert))[0]
        module.encoder_pass.mask = MASK
        start, results, seen = torch.randn(4, 6, 16), [], set()
        assert isinstance(module.activation, nn.Module)
        module.activation.register_forward_hook(lambda m, args, output: seen.add(args[0].dtype))
        for path in (dispatch.one_by_one, dispatch.grouped):
            monkeypatch.setattr("methods.moe.experts.path_for", lambda values, weights, dtype, path=path: path)
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
        module.router.register_forward_hook(lambda m, args, output: seen.update(router=output.logits.dtype))
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
