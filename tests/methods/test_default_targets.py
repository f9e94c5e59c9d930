"""Default layers of LoRA and of peft's types where peft knows none: self-attention only, by structure."""

from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from bench.errors import UnsupportedError
from bench.method import Task
from bench.model.load import build
from methods._default_targets import default_targets
from tests.methods.architectures.configs import config_of
from tests.train.support import shipped

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]  # of tiny configs and peft
TASK = Task(labels=("anger", "joy", "sadness"), max_length=16, kind="encoder")


def linears(*names: str) -> nn.ModuleDict:
    return nn.ModuleDict({name: nn.Linear(8, 8) for name in names})


class Toy(nn.Module):
    """A model whose head and cross-attention have the names of self-attention too."""

    def __init__(self, **attention: nn.Module) -> None:
        super().__init__()
        body = nn.ModuleDict(attention | {"cross_attn": linears("q_proj", "v_proj"), "mlp": linears("query", "value")})
        self.body, self.head_attn = body, linears("q_proj", "v_proj")

    @property
    def base_model(self) -> nn.Module:
        return self.body


@pytest.mark.parametrize(
    ("attention", "wanted"),
    [
        ({"self_attn": linears("q_proj", "k_proj", "v_proj")}, ["self_attn.q_proj", "self_attn.v_proj"]),
        ({"attention": linears("query", "key", "value")}, ["attention.query", "attention.value"]),
        ({"attn": linears("query_key_value", "dense")}, ["query_key_value"]),
        ({"attn": linears("c_attn", "c_proj")}, ["c_attn"]),
        ({"attn": linears("Wqkv", "Wo")}, ["Wqkv"]),
        ({"attn": linears("q", "kv", "o")}, ["kv", "q"]),
        ({"attn": linears("q_a_proj", "kv_a_proj", "o_proj")}, ["kv_a_proj", "o_proj", "q_a_proj"]),
        ({"attn": linears("q", "o")}, ["o", "attn.q"]),
    ],
)
def test_self_attention_is_found_by_its_names(attention: dict[str, nn.Module], wanted: list[str]) -> None:
    found = default_targets(Toy(**attention))
    assert {end(name) for name in found} == {end(name) for name in wanted}
    for name in found:  # neither the head, cross-attention nor the feed-forward block is called so
        called = [path for path, _ in Toy(**attention).named_modules() if f".{path}".endswith(f".{name}")]
        assert called == [path for path in called if path.startswith(f"body.{next(iter(attention))}")]


def end(name: str) -> str:
    return name.rpartition(".")[2]


def test_a_model_without_attention_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"target_modules is absent, and Toy .* no linear layers in its self"):
        default_targets(Toy())


@pytest.mark.parametrize("name", ["mbart", "umt5"])
def test_cross_attention_is_left_alone(name: str) -> None:
    with torch.device("meta"):
        model = shipped("lora").adapt(build(config_of(name)), TASK)
    adapted = [path for path, _ in model.named_modules() if path.endswith("lora_A")]
    assert adapted
    assert not [path for path in adapted if "encoder_attn" in path or "EncDecAttention" in path]


@pytest.mark.parametrize("name", ["phi3", "olmo"])
def test_causal_models_are_adapted_too(name: str) -> None:
    task = Task(labels=TASK.labels, max_length=16, kind="causal")
    method = shipped("lora")
    with torch.device("meta"):
        model = method.adapt(AutoModelForCausalLM.from_config(config_of(name)), task)
    assert method.choices(model)["target_modules"] in (["qkv_proj"], ["q_proj", "v_proj"])


@pytest.mark.parametrize("name", ["mpnet", "camembert", "phi3", "olmo"])
@pytest.mark.parametrize(
    "options",
    [{"peft_type": "LORA", "use_dora": True}, *({"peft_type": t} for t in ("IA3", "LOHA", "OFT", "ADALORA", "VERA"))],
    ids=lambda options: options["peft_type"],
)
def test_types_of_peft_take_the_same_layers(name: str, options: dict[str, Any]) -> None:
    method = shipped("peft", **options)
    with torch.device("meta"):
        model = method.adapt(build(config_of(name)), TASK)
        wanted = default_targets(build(config_of(name)))
    assert method.choices(model) == {"target_modules": wanted}


def test_norms_of_an_architecture_that_peft_lacks_are_named() -> None:
    method = shipped("peft", peft_type="LN_TUNING")
    chosen = method.choices(method.adapt(build(config_of("mpnet")), TASK))["target_modules"]
    assert all(name.endswith("LayerNorm") for name in chosen)
