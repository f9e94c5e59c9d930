"""Every method found is put through the kit, with its defaults and with options that build something else."""

from typing import Any

import pytest

from bench.commands.check.kit import examine
from bench.commands.check.specimen import specimens
from bench.commands.check.text_checks import TEXT_CHECKS
from bench.method import Method, registry

pytestmark = pytest.mark.usefixtures("one_thread")
FOUND = registry.find()
ADAPTING = [name for name, plugin in FOUND.items() if not plugin.is_baseline]
BASELINES = [name for name, plugin in FOUND.items() if plugin.is_baseline]
#: Options whose other values build something else.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "bitfit": [{"train_head": False}],
    "lora": [{"r": 3, "alpha": 5, "target_modules": ["query", "dense"]}, {"merge": False}],
    "p_tuning": [{"reparameterization": kind, "num_virtual_tokens": 7} for kind in ("none", "lstm")],
    "moe": [{"expert": "plain", "init": "random", "top_k": 1, "renormalize": False, "shared_expert": True}],
}


@pytest.mark.parametrize("specimen", specimens(), ids=lambda specimen: specimen.name)
@pytest.mark.parametrize("name", ADAPTING)
def test_keeps_the_contract(name: str, specimen: Any) -> None:
    method = registry.load(name, FOUND[name].path)
    if not method.supports(specimen.kind):
        pytest.skip(f"{name} supports no {specimen.kind} models")
    results = list(examine(FOUND[name], chosen=[specimen]))
    assert [result for result in results if result.verdict in ("fail", "not run")] == []
    checked = {result.check for result in results if result.verdict == "pass"}
    stated = {"closed form"} if method.closed_form_flops is not Method.closed_form_flops else set()
    assert {"adapt", "random numbers", "meta build", "FLOPs", *stated, "evaluation", "padding"} <= checked


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_keeps_the_contract_of_text_methods(name: str) -> None:
    results = list(examine(FOUND[name]))
    assert [result for result in results if result.verdict != "pass"] == []
    assert [result.check for result in results] == ["import", "label", "options", *(check for check, _ in TEXT_CHECKS)]


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, options) for name in FOUND for options in VARIANTS.get(name, [])],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_keeps_the_contract_with_other_options(name: str, options: dict[str, Any]) -> None:
    results = list(examine(FOUND[name], options, specimens()[:1]))
    assert [result for result in results if result.verdict in ("fail", "not run")] == []
    assert len(results) > 20
