"""Every shipped method on every architecture that a plan must work for, from nothing but its config.json."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.plan.plan import Plan
from bench.plan.row import PlanRow
from bench.study.request import Request
from bench.study.study import Study

pytestmark = pytest.mark.slow  # 86 combinations, each built on meta, counted three times and trained a step

METHODS = ("full_ft", "bitfit", "lora", "p_tuning", "moe", "zero_shot")
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
ROBERTA = {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}
DECODER = {
    "vocab_size": 32000, "hidden_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 16,
    "intermediate_size": 2816, "max_position_embeddings": 2048,
}  # fmt: skip
GROUPED = {**DECODER, "num_key_value_heads": 4}
#: What published files of each architecture say, those of decoders with fewer and narrower layers.
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {"architectures": ["BertForMaskedLM"], "vocab_size": 30522, "type_vocab_size": 2, **BASE},
    "roberta-base": {"model_type": "roberta", "architectures": ["RobertaForMaskedLM"], **ROBERTA, **BASE},
    "roberta-large": {"model_type": "roberta", "architectures": ["RobertaForMaskedLM"], **ROBERTA, **LARGE},
    "distilbert": {
        "architectures": ["DistilBertForMaskedLM"], "vocab_size": 30522, "dim": 768, "n_layers": 6, "n_heads": 12,
        "hidden_dim": 3072, "max_position_embeddings": 512,
    },
    "electra": {
        "architectures": ["ElectraForPreTraining"], "vocab_size": 30522, "embedding_size": 128, "hidden_size": 256,
        "num_hidden_layers": 12, "num_attention_heads": 4, "intermediate_size": 1024,
    },
    "deberta-v2": {
        "vocab_size": 128100, "hidden_size": 384, "num_hidden_layers": 3, "num_attention_heads": 6,
        "intermediate_size": 1536, "relative_attention": True, "position_buckets": 256, "norm_rel_ebd": "layer_norm",
        "share_att_key": True, "pos_att_type": "p2c|c2p", "position_biased_input": False, "max_relative_positions": -1,
        "type_vocab_size": 0, "architectures": ["DebertaV2ForMaskedLM"],
    },
    "albert": {"architectures": ["AlbertForMaskedLM"], "vocab_size": 30000, "embedding_size": 128, **BASE},
    "modernbert": {
        "architectures": ["ModernBertForMaskedLM"], "vocab_size": 50368, "hidden_size": 768, "num_hidden_layers": 4,
        "num_attention_heads": 12, "intermediate_size": 1152, "max_position_embeddings": 8192,
    },
    "gpt2": {
        "architectures": ["GPT2LMHeadModel"], "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12,
        "n_positions": 1024, "n_ctx": 1024,
    },
    "llama": {"architectures": ["LlamaForCausalLM"], **GROUPED},
    "mistral": {"architectures": ["MistralForCausalLM"], **GROUPED},
    "qwen2": {"architectures": ["Qwen2ForCausalLM"], **GROUPED},
    "gemma": {"architectures": ["GemmaForCausalLM"], "head_dim": 128, **GROUPED},
    "phi": {"architectures": ["PhiForCausalLM"], **DECODER},
}  # fmt: skip
ENCODERS = list(CONFIGS)[:8]
CAUSAL = list(CONFIGS)[8:]

#: What does not work and what is said of it; whatever is not here works.
UNSUPPORTED = {
    ("modernbert", "bitfit"): "the model's body has no bias terms, so BitFit has nothing to train",
    ("albert", "moe"): "methods.moe.options: layers = 'last:2' names layers that do not exist: the model has 1 feed-",
}
UNSUPPORTED |= {
    (name, "zero_shot"): f"method zero_shot supports causal models; {name} is of kind encoder" for name in ENCODERS
}
UNSUPPORTED |= {
    (name, method): f"method {method} supports encoder models; {name} is of kind causal"
    for name in CAUSAL
    for method in ("bitfit", "p_tuning", "moe")
}
#: Of published files, worked out by hand or printed by their authors: bodies with a head for two classes.
TOTALS = {
    "bert": 109_483_778, "roberta-base": 124_647_170, "roberta-large": 355_361_794, "distilbert": 66_955_010,
    "electra": 13_549_314, "albert": 11_685_122, "gpt2": 124_439_808,
}  # fmt: skip

Rows = dict[tuple[str, str], PlanRow]


def write(folder: Path, name: str, **changes: Any) -> Path:
    """The config.json of an architecture, in a folder of its name."""
    (folder / name).mkdir(exist_ok=True)
    path = folder / name / "config.json"
    path.write_text(json.dumps({"model_type": name} | CONFIGS[name] | changes))
    return path


def plan(models: list[Path], methods: list[str], with_memory: bool = False, **grid: Any) -> list[PlanRow]:
    content = {
        "name": "s", "device": "cpu", "train": {"precision": "fp32", "batch_size": 4, "inference_batch_size": 4},
        "baselines": False,
        "grid": [{"datasets": ["imdb"], "models": list(map(str, models)), "methods": methods, **grid}],
    }  # fmt: skip
    return Plan(Request(study=Study.model_validate(content)), with_memory=with_memory).rows()


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Every combination, by architecture and method."""
    folder = tmp_path_factory.mktemp("configs")
    found = plan([write(folder, name) for name in CONFIGS], list(METHODS))
    return {(row.model, row.method): row for row in found}


def test_each_combination_is_a_row(rows: Rows) -> None:
    assert list(rows) == [(name, method) for name in CONFIGS for method in METHODS]


def test_those_that_do_not_work_are_these(rows: Rows) -> None:
    assert {key for key, row in rows.items() if row.unsupported is not None} == set(UNSUPPORTED)


@pytest.mark.parametrize(("name", "method"), UNSUPPORTED)
def test_why_is_said_in_plain_words(name: str, method: str, rows: Rows) -> None:
    said = str(rows[name, method].unsupported)
    assert said.startswith(UNSUPPORTED[name, method])
    for text in ("<class", "Traceback", "Error:", "transformers.", "\n"):
        assert text not in said


@pytest.mark.parametrize(
    ("name", "method"), [(name, method) for name in CONFIGS for method in METHODS if (name, method) not in UNSUPPORTED]
)
def test_what_works_is_counted_and_the_counts_agree(name: str, method: str, rows: Rows) -> None:
    row = rows[name, method]
    assert row.total_params
    assert row.forward_flops
    assert row.remarks == ()
    assert row.forward_flops == pytest.approx(row.forward_flops_closed_form, rel=1e-3)
    assert row.forward_flops == pytest.approx(row.forward_flops_traced, rel=1e-3)
    assert row.logical_params == row.total_params
    if method == "zero_shot":
        assert (row.trainable_params, row.train_flops, row.artifact_bytes) == (0, None, 0)
        return
    assert row.train_flops
    assert row.trainable_params
    assert 1.5 * row.forward_flops < row.train_flops < 3.001 * row.forward_flops
    whole = method in ("full_ft", "moe")
    assert (row.trainable_params == row.total_params) is whole
    assert whole or row.trainable_params < 0.02 * row.total_params


@pytest.mark.parametrize("name", TOTALS)
def test_total_is_that_of_the_published_model(name: str, rows: Rows) -> None:
    assert rows[name, "zero_shot" if name in CAUSAL else "full_ft"].total_params == TOTALS[name]


def test_the_way_out_that_is_named_works(tmp_path: Path) -> None:
    models = [write(tmp_path, name) for name in ("distilbert", "albert", "modernbert")]
    options = {"lora": {"target_modules": "all-linear"}, "moe": {"layers": "last:1"}}
    for row in plan(models, ["lora", "moe"], options=options):
        assert row.unsupported is None, row
        assert row.remarks == ()


@pytest.mark.parametrize("name", ["distilbert", "deberta-v2", "albert", "modernbert", "gpt2", "gemma", "phi"])
def test_memory_is_predicted_too(name: str, tmp_path: Path) -> None:
    method = "zero_shot" if name in CAUSAL else "full_ft"
    lora = {"lora": {"target_modules": "all-linear"}}
    for row in plan([write(tmp_path, name)], [method, "lora"], with_memory=True, options=lora, data={"max_length": 32}):
        assert row.unsupported is None
        assert row.inference_memory
        assert row.total_params
        assert 4.05 * row.total_params > row.inference_memory.weights_bytes > 3.5 * row.total_params
        if row.train_memory is not None:
            assert row.train_memory.weights_bytes >= 4 * row.total_params
            assert row.train_memory.peak_bytes > row.inference_memory.peak_bytes
        else:
            assert name in CAUSAL
