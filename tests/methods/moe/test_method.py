"""The mixture of experts as a method: published sizes, losses, insights."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForSequenceClassification

from bench.measure import parameters
from bench.method import Task
from bench.method import architecture as closed_form
from methods import moe
from methods.moe.options import Options
from tests.known import known
from tests.methods.moe.support import IDS, TASK, adapted, experts_in, logits, method_of, plain_model

pytestmark = pytest.mark.usefixtures("one_thread")


class TestPublishedSizes:
    @pytest.mark.parametrize(
        ("num_labels", "num_experts", "wanted"), [(2, 4, 172_422_146), (4, 6, 200_738_308), (5, 4, 172_424_453)]
    )
    def test_parameters_and_flops_of_roberta_base(self, num_labels: int, num_experts: int, wanted: int) -> None:
        method = moe.MixtureOfExperts(
            Options(
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
        assert method.closed_form_flops(closed_form.Architecture.from_config(config, "encoder"), task) == forward


class TestForInference:
    @pytest.mark.parametrize("options", [{}, {"expert": "plain", "shared_expert": True}, {"expert_bias": False}])
    def test_experts_of_their_own_layers_compute_the_same(self, options: dict[str, Any]) -> None:
        method = method_of(init="random", num_experts=5, **options)
        model = method.adapt(plain_model("bert"), TASK)
        module = experts_in(model)[0]
        wanted, tokens = logits(model), torch.randn(7, 16)
        outputs, similarity = module.every_output(tokens), module.weight_similarity()
        prepared = method.prepare_inference(model)
        assert sum(type(part) is nn.Linear for part in module.modules()) == 10 + 2 * ("shared_expert" in options)
        torch.testing.assert_close(logits(prepared), wanted)
        torch.testing.assert_close(module.every_output(tokens), outputs)
        torch.testing.assert_close(module.weight_similarity(), similarity)
        assert torch.allclose(similarity.diagonal(), torch.ones(5), atol=1e-5)
        assert outputs.shape == (5, 7, 16)

    def test_upcycled_experts_are_alike(self) -> None:
        torch.testing.assert_close(experts_in(adapted("bert"))[0].weight_similarity(), torch.ones(4, 4))


class TestExplain:
    def test_each_token_has_its_experts_in_each_place(self) -> None:
        method = method_of(init="random", num_experts=3)
        model = method.adapt(plain_model("bert"), TASK)
        trace = known(method.explain(model, IDS[:1], None))
        assert (trace.places, trace.categories) == (("layer 1", "layer 2"), ("expert 0", "expert 1", "expert 2"))
        assert len(trace.steps) == IDS.shape[1]
        seen: list[Tensor] = []
        hook = experts_in(model)[1].router.register_forward_hook(lambda m, args, output: seen.append(output.chosen))
        logits(model, IDS[:1], None)
        hook.remove()
        assert [steps[1].category for steps in trace.steps] == seen[0][:, 0].tolist()
        first, second = (int(part.split(" ")[0]) for part in trace.steps[0][1].text.split(", "))
        assert [first, second] == seen[0][0].tolist()

    def test_runs_of_a_shared_block_are_told_apart(self) -> None:
        method = method_of("albert", layers="last:1")
        trace = known(method.explain(method.adapt(plain_model("albert"), TASK), IDS[:1], None))
        assert trace.places == ("layer 0, run 0", "layer 0, run 1", "layer 0, run 2")
