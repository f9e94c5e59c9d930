"""The three ways of counting agree to the last FLOP for every method on every architecture that it adapts."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from _pytest.mark import ParameterSet
from transformers import AutoConfig

from bench.errors import UnsupportedError
from bench.measure.flops import dispatched, traced
from bench.measure.flops.agreement import disagreement
from bench.method import Method, Task, registry
from bench.method.architecture import Architecture, ModelKind
from tests.measure.flops.architectures import CONFIGS, NATIVE, OTHER, TOKENS, on_meta
from tests.train.support import FOUND, shipped

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False:UserWarning"),  # peft, of GPT-2
]
VARIED: list[tuple[str, ModelKind]] = [
    ("roberta", "encoder"), ("deberta-v2, as v2-xlarge", "encoder"), ("albert", "encoder"), ("llama", "causal"),
    ("phi", "causal"),
]  # fmt: skip
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "bitfit": [{"train_head": False}],
    "lora": [
        {"target_modules": "all-linear"},
        {"r": 3, "target_modules": ["query", "dense", "query_proj", "o_proj", "lm_head"]},
    ],
    "p_tuning": [{"reparameterization": kind, "num_virtual_tokens": 7} for kind in ("none", "lstm")],
    "moe": [{"layers": "first:1", "top_k": 1, "renormalize": False}],
}


def cases() -> Iterator[ParameterSet]:
    """Each method on each architecture; other configs and other options on some."""
    for name, found in FOUND.items():
        method = registry.load(name, found.path)
        where: list[tuple[tuple[str, ModelKind], dict[str, Any]]]
        where = [(place, {}) for place in NATIVE + (OTHER if name in ("full_ft", "lora") else [])]
        where += [(place, options) for options in VARIANTS.get(name, []) for place in VARIED]
        for (architecture, kind), options in where:
            if method.supports(kind):
                yield pytest.param(
                    architecture, kind, name, options,
                    id="-".join(map(str, (architecture, kind, name, *options.values()))),
                )  # fmt: skip


@pytest.mark.parametrize(("architecture", "kind", "name", "options"), list(cases()))
def test_the_three_ways_agree(architecture: str, kind: ModelKind, name: str, options: dict[str, Any]) -> None:
    config, method = CONFIGS[architecture], shipped(name, **options)
    task = Task(labels=("anger", "joy", "sadness"), max_length=TOKENS, kind=kind)
    try:
        with torch.device("meta"):
            model = method.adapt(on_meta(config, kind), task)
    except UnsupportedError as error:
        pytest.skip(f"{name} on {architecture}: {error}")
    at_dispatch = dispatched.count_forward(model, TOKENS, kind).forward_flops
    on_trace = traced.count_forward(model, TOKENS, kind)
    plain = Architecture.from_config(config, kind)
    in_closed_form = method.closed_form_flops(plain, task)
    states_one = type(method).closed_form_flops is not Method.closed_form_flops
    assert (on_trace, in_closed_form) == (at_dispatch, at_dispatch if states_one else None)
    assert disagreement(at_dispatch, on_trace, in_closed_form, without_method=plain.forward_flops(TOKENS)) is None


@pytest.mark.parametrize("fate", ["never attached", "merged"])
@pytest.mark.parametrize("rank", [1, 8])
def test_an_adapter_that_does_no_work_is_found(fate: str, rank: int) -> None:
    config = CONFIGS["roberta"]
    method = shipped("lora", r=rank)
    task = Task(labels=("anger", "joy", "sadness"), max_length=TOKENS, kind="encoder")
    model = on_meta(config)
    if fate == "merged":
        with torch.device("meta"):
            model = method.prepare_inference(method.adapt(model, task))
    plain = Architecture.from_config(config, "encoder")
    said = disagreement(
        dispatched.count_forward(model, TOKENS).forward_flops,
        traced.count_forward(model, TOKENS),
        method.closed_form_flops(plain, task),
        without_method=plain.forward_flops(TOKENS),
    )
    assert said is not None
    assert f"the method's own work, {2 * TOKENS * rank * 2 * 2 * (64 + 64):,} FLOPs" in said
    assert "never attached, or is already merged" in said


def test_the_published_figures() -> None:
    """Table 3 of the published study: GFLOPs of RoBERTa-base at 256 tokens and 2 classes, to the printed digits."""
    config = AutoConfig.for_model(
        "roberta", vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, num_labels=2
    )
    task = Task(labels=("negative", "positive"), max_length=256, kind="encoder")
    printed = {
        ("full_ft", ()): 45_903_645_696,
        ("lora", ()): "46.05",
        ("p_tuning", (("reparameterization", "none"),)): "49.69",
    }
    for (name, options), figure in printed.items():
        method = shipped(name, **dict(options))
        with torch.device("meta"):
            model = method.adapt(on_meta(config), task)
        flops = dispatched.count_forward(model, 256).forward_flops
        assert traced.count_forward(model, 256) == flops
        assert method.closed_form_flops(Architecture.from_config(config, "encoder"), task) == flops
        assert figure in (flops, f"{flops / 1e9:.2f}")
