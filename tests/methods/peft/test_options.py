"""Options are those of peft's own config classes: names, types, defaults and combinations are checked."""

import dataclasses
import enum
import json
import sys
from typing import Any

import pytest
from peft.config import PeftConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from bench.errors import PluginError
from bench.method import Method, registry
from tests.train.support import FOUND, shipped

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:peft")
TYPES = sorted(peft_type.value for peft_type in PEFT_TYPE_TO_CONFIG_MAPPING)


def plugin() -> type[Method]:
    return registry.load("peft", FOUND["peft"].path)


def filled(**options: Any) -> dict[str, Any]:
    return registry.filled_options("row", plugin(), options)


@pytest.mark.parametrize("peft_type", TYPES)
def test_a_record_names_every_option_and_gives_the_same_again(peft_type: str) -> None:
    options = filled(peft_type=peft_type)
    assert json.loads(json.dumps(options, allow_nan=False)) == options
    assert filled(**options) == options
    config_class = PEFT_TYPE_TO_CONFIG_MAPPING[peft_type]  # type: ignore[index]
    own = {field.name for field in dataclasses.fields(config_class)} - {f.name for f in dataclasses.fields(PeftConfig)}
    run = {
        "total_step", "token_dim", "num_layers", "num_attention_heads", "num_transformer_submodules", "runtime_config",
    }  # fmt: skip
    assert own - run <= options.keys()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rnk": 8}, r"rnk: unknown option of peft type LORA 'rnk'"),
        ({"use_dorra": True}, "did you mean 'use_dora'"),
        ({"peft_type": "VERA", "use_dora": True}, "use_dora: unknown option of peft type VERA"),
        ({"peft_type": "LORRA"}, r"peft_type: unknown type of peft [\d.]+ 'LORRA'; did you mean 'LORA'"),
        ({"peft_type": "lora"}, "peft_type: unknown type"),
        ({"peft_type": 3}, "peft_type must be a valid string, got 3"),
        ({"r": "8"}, "r: must be int, got '8'"),
        ({"r": 8.5}, "r: must be int, got 8.5"),
        ({"r": True}, "r: must be int, got True"),
        ({"init_lora_weights": "pisa"}, "init_lora_weights: must be .*'pissa'.*, got 'pisa'"),
        ({"eva_config": {"rh": 1.0}, "init_lora_weights": "eva"}, r"eva_config\.rh: unknown key of eva_config 'rh'"),
        ({"layers_pattern": "layer", "target_modules": "x"}, "peft type LORA: `layers_pattern` cannot be used"),
        ({"peft_type": "BOFT", "boft_block_size": 0, "boft_block_num": 0}, "peft type BOFT: Either"),
        ({"peft_type": "ADALORA", "total_step": 9}, "total_step: is set from the model, the task and the training"),
        ({"task_type": "SEQ_CLS"}, "task_type: is set from the model"),
        ({"inference_mode": True}, "inference_mode: is set from the model"),
        ({"learning_rate": 0}, "learning_rate must be above 0, got 0"),
        ({"loraplus_lr_ratio": -1}, "loraplus_lr_ratio must be above 0, got -1"),
        ({"merge": "yes"}, "merge must be"),
    ],
)  # fmt: skip
def test_a_bad_option_is_an_error_that_names_it(options: dict[str, Any], said: str) -> None:
    with pytest.raises(PluginError, match=rf"methods\.row\.options: {said}" if "did you" not in said else said):
        filled(**options)


def test_given_options_reach_the_config_of_peft() -> None:
    assert filled(r=3, use_dora=True, target_modules=["query"])["r"] == 3
    assert shipped("peft", r=3, use_dora=True).options.of_type["use_dora"] is True


def test_a_type_of_a_later_peft_is_there_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class LaterType(enum.StrEnum):
        FUTURE = "FUTURE"

    @dataclasses.dataclass
    class FutureConfig(PeftConfig):
        """Config of a later method.

        Args:
            width (`int`):
                The width of the update. More is slower.
        """

        width: int = 4

    monkeypatch.setitem(PEFT_TYPE_TO_CONFIG_MAPPING, LaterType.FUTURE, FutureConfig)  # type: ignore[misc]
    assert filled(peft_type="FUTURE", width=5)["width"] == 5
    with pytest.raises(PluginError, match="did you mean 'width'"):
        filled(peft_type="FUTURE", widht=5)
    (found,) = [variant for variant in plugin().variants() if variant.name == "FUTURE"]
    assert found.status == "not tested"
    assert [(option.name, option.default, option.meaning) for option in found.options] == [
        ("width", 4, "The width of the update.")
    ]


def test_every_type_says_what_its_options_mean() -> None:
    variants = {variant.name: variant for variant in plugin().variants()}
    assert sorted(variants) == TYPES
    silent = [f"{v.name}.{o.name}" for v in variants.values() for o in v.options if not o.meaning]
    total = sum(len(variant.options) for variant in variants.values())
    assert len(silent) < total / 20, silent
    assert all(len(variant.summary) < 300 for variant in variants.values())


def test_the_plugin_does_not_hide_the_library_of_its_name() -> None:
    plugin()
    assert sys.modules["peft"].PeftModel is not None
    assert sys.modules["tunebench_plugin_peft"] is not sys.modules["peft"]
