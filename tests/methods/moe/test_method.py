"""The mixture of experts as a method: published sizes, losses, insights."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForSequenceClassification

from bench.measure import parameters
from bench.measure.flops import closed_form
from bench.method import Task
from methods import moe
from methods.moe.options import Options

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
        architecture = closed_form.Architecture.from_config(config, "encoder")
        assert method.closed_form_flops(architecture, task) == forward
