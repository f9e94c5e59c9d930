"""Ways from tokens to experts and back: one result for all."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.train.evaluate import for_inference
from methods.moe import dispatch
from methods.moe.dispatch import path_for
from methods.moe.experts import SparseExperts
from tests.methods.moe.support import (
    IDS,
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
    @pytest.mark.parametrize(
        ("path", "chunk_rows"), [(dispatch.one_by_one, 64), (dispatch.one_by_one, 4), (dispatch.grouped, 64)]
    )
    @pytest.mark.parametrize("mask", [MASK, torch.ones_like(MASK)], ids=["padded", "whole"])
    @pytest.mark.parametrize(
        "options",
        [{"expert": "gated"}, {"expert": "plain", "top_k": 1, "renormalize": False},
         {"expert_bias": False, "top_k": 4}, {"num_experts": 24, "top_k": 3}],
        ids=["gated", "plain-top-1", "no-bias-top-4", "idle-experts"],
    )  # fmt: skip
    def test_every_path_computes_what_the_definition_says(
        self, path: Any, chunk_rows: int, mask: Tensor, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dispatch, "CHUNK_ROWS", chunk_rows)
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

    @pytest.mark.parametrize("path", [dispatch.one_by_one, dispatch.grouped])
    def test_an_activation_that_autocast_runs_in_fp32_is_no_obstacle(self, path: Any) -> None:
        """CUDA's autocast does so with the power in GPT-2's GELU."""
        module = experts_in(adapted("bert", init="random"))[0]
        rows = torch.randn(24, 16, requires_grad=True)
        weights = dispatch.Weights(module.in_weight, module.in_bias, module.out_weight, module.out_bias)
        ends = torch.tensor([5, 5, 20, 24], dtype=torch.int32)
        output = path(lambda values: module.inside(values).float(), rows, ends, weights, torch.bfloat16)
        assert output.dtype == torch.bfloat16
        output.float().sum().backward()
        assert rows.grad is not None

    @pytest.mark.parametrize("options", [{}, {"expert": "plain", "top_k": 1, "renormalize": False}])
    def test_what_is_deployed_in_bf16_computes_what_was_trained(self, options: dict[str, Any]) -> None:
        method = method_of(init="random", **options)
        model = method.adapt(plain_model("bert", hidden_size=64, intermediate_size=96), TASK)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            wanted = logits(model)
        deployed = for_inference(method.prepare_inference(model), torch.bfloat16, torch.device("cpu"))
        with torch.inference_mode():
            torch.testing.assert_close(logits(deployed).float(), wanted.float(), atol=0.05, rtol=0.05)

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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
class TestOnCuda:
    @pytest.mark.parametrize("kind", ["bert", "gpt2"])
    @pytest.mark.parametrize(
        "options",
        [{}, {"expert": "plain", "top_k": 1, "renormalize": False} , {"num_experts": 24, "top_k": 3}],
        ids=["gated", "plain-top-1", "idle-experts"],
    )  # fmt: skip
    def test_grouped_matmul_computes_what_one_expert_after_the_other_does(
        self, kind: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = method_of(kind, init="random", **options).adapt(plain_model(kind), TASK).cuda()
        taken: list[Any] = []

        def own(*arguments: Any) -> Any:
            taken.append(path_for(*arguments))
            return taken[-1]

        results = []
        for choose in (own, lambda *arguments: dispatch.one_by_one):
            monkeypatch.setattr("methods.moe.experts.path_for", choose)
            model.zero_grad(set_to_none=True)
            with torch.autocast("cuda", torch.bfloat16):
                scores = logits(model, IDS.cuda(), MASK.cuda())
            F.cross_entropy(scores.float(), LABELS.cuda()).backward()
            results.append([scores.detach().float(), *(p.grad for p in model.parameters() if p.grad is not None)])
        assert set(taken) == {dispatch.grouped}
        torch.testing.assert_close(results[1], results[0], atol=2e-2, rtol=5e-2)
