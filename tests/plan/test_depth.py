"""What is told from shallow models is what the whole depth gives."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, PretrainedConfig

from bench.model.config import at_depth
from bench.plan import depth
from bench.plan.depth import DEPTHS_OF_PEAKS, DEPTHS_OF_SUMS, UNIFORM, extrapolated
from bench.plan.plan import Plan
from bench.plan.row import PlanRow
from bench.study.request import Request
from bench.study.study import Study

pytestmark = pytest.mark.usefixtures("one_thread")
#: One more than the three depths of peaks have together.
LAYERS = 10
CAUSAL = {
    "gpt2": "GPT2", "llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "gemma": "Gemma", "phi": "Phi",
}  # fmt: skip
ENCODERS = {"bert": "Bert", "roberta": "Roberta", "electra": "Electra"}
HEADS = {"num_key_value_heads": 1, "head_dim": 16, "sliding_window": 16}


def config_of(model_type: str, layers: int = LAYERS) -> dict[str, Any]:
    """The content of a small config.json."""
    class_name = ENCODERS.get(model_type) or CAUSAL[model_type]
    task = "ForSequenceClassification" if model_type in ENCODERS else "LMHeadModel"
    if model_type in CAUSAL and model_type != "gpt2":
        task = "ForCausalLM"
    config: dict[str, Any] = {
        "model_type": model_type, "architectures": [class_name + task], "vocab_size": 67, "hidden_size": 32,
        "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 48, "max_position_embeddings": 32,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    if model_type == "gpt2":
        names = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}
        config = {names.get(key, key): value for key, value in config.items()}
    return config | (HEADS if model_type in ("mistral", "qwen2", "gemma") else {})


def row_of(folder: Path, config: dict[str, Any], plugin: str, options: dict[str, Any], device: str) -> PlanRow:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    content = {
        "name": "depth", "device": device, "baselines": False,
        "grid": [{"datasets": ["texts"], "models": ["model"], "methods": ["row"]}],
        "data": {"max_length": 8},
        "train": {"batch_size": 2, "inference_batch_size": 2, "precision": "bf16" if device == "cuda" else "fp32"},
        "datasets": {"texts": {"hub_id": "nobody/nothing", "labels": ["no", "yes"]}},
        "models": {"model": {"path": str(folder), "weights": "random"}},
        "methods": {"row": {"plugin": plugin, "options": options}},
    }  # fmt: skip
    plan = Plan(Request(study=Study.model_validate_json(json.dumps(content)).in_folder(folder)))
    return plan.row(plan.cells[0])


def rows_both_ways(
    folder: Path,
    config: dict[str, Any],
    plugin: str,
    monkeypatch: pytest.MonkeyPatch,
    device: str = "cpu",
    **options: Any,
) -> tuple[PlanRow, PlanRow, set[int]]:
    """The row from shallow models, the row from the whole depth, and the depths that were looked at."""
    looked_at: set[int] = set()

    def noted(config: PretrainedConfig, layers: int) -> PretrainedConfig:
        looked_at.add(layers)
        return at_depth(config, layers)

    with monkeypatch.context() as changed:
        changed.setattr(depth, "at_depth", noted)
        shallow = row_of(folder, config, plugin, options, device)
    with monkeypatch.context() as changed:
        changed.setattr(depth, "UNIFORM", frozenset())
        whole = row_of(folder, config, plugin, options, device)
    return shallow, whole, looked_at


def test_every_uniform_architecture_is_tried() -> None:
    assert {*ENCODERS, *CAUSAL} == UNIFORM


@pytest.mark.slow
class TestAgainstTheWholeDepth:
    @pytest.mark.parametrize(
        ("model_type", "plugin"),
        [(name, method) for name in ENCODERS for method in ("full_ft", "lora")] + [(name, "lora") for name in CAUSAL],
    )
    def test_is_exact(self, tmp_path: Path, model_type: str, plugin: str, monkeypatch: pytest.MonkeyPatch) -> None:
        shallow, whole, looked_at = rows_both_ways(tmp_path, config_of(model_type), plugin, monkeypatch)
        assert whole.unsupported is None
        assert looked_at == {*DEPTHS_OF_SUMS, *DEPTHS_OF_PEAKS}
        assert shallow == whole

    @pytest.mark.parametrize(
        ("model_type", "plugin", "given"),
        [
            ("roberta", "lora", {"device": "cuda"}), ("llama", "lora", {"device": "cuda"}),
            # Some of these layers are not there in a shallow model, or are a larger share of it.
            *(("bert", "moe", {"layers": layers}) for layers in ("last:2", "first:1", "every:4", [0, 5])),
        ],
    )  # fmt: skip
    def test_with_the_kernels_of_cuda_and_with_chosen_layers_it_is_exact_too(
        self, tmp_path: Path, model_type: str, plugin: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shallow, whole, _ = rows_both_ways(tmp_path, config_of(model_type), plugin, monkeypatch, **given)
        assert whole.unsupported is None
        assert shallow == whole


def layers_of(config: PretrainedConfig) -> int:
    return int(config.num_hidden_layers)


def bert(layers: int = LAYERS, model_type: str = "bert") -> PretrainedConfig:
    return AutoConfig.for_model(model_type, num_hidden_layers=layers)


class TestExtrapolated:
    def test_constant_and_slope_are_told_apart_and_none_stays_none(self) -> None:
        found = extrapolated(bert(), lambda config: (7 + 3 * layers_of(config), 5, None), DEPTHS_OF_SUMS)
        assert found == (7 + 3 * LAYERS, 5, None)

    def test_only_shallow_models_are_looked_at(self) -> None:
        seen = []

        def costs(config: PretrainedConfig) -> tuple[int]:
            seen.append(layers_of(config))
            return (1,)

        extrapolated(bert(32), costs, DEPTHS_OF_PEAKS)
        assert seen == list(DEPTHS_OF_PEAKS)

    def test_a_peak_that_moves_is_not_extrapolated(self) -> None:
        """Until three layers the head is highest, then the layers are."""
        assert extrapolated(bert(), lambda config: (max(40, 13 * layers_of(config)),), DEPTHS_OF_PEAKS) is None

    def test_a_cost_that_is_known_at_some_depths_alone_is_not_extrapolated(self) -> None:
        assert extrapolated(bert(), lambda config: (None if layers_of(config) == 2 else 4,), DEPTHS_OF_PEAKS) is None

    @pytest.mark.parametrize(
        ("layers", "depths", "enough"),
        [
            (3, DEPTHS_OF_SUMS, False), (4, DEPTHS_OF_SUMS, True), (9, DEPTHS_OF_PEAKS, False),
            (10, DEPTHS_OF_PEAKS, True),
        ],
    )  # fmt: skip
    def test_a_shallow_model_is_worked_out_whole(self, layers: int, depths: tuple[int, ...], enough: bool) -> None:
        found = extrapolated(bert(layers), lambda config: (layers_of(config),), depths)
        assert found == ((layers,) if enough else None)

    @pytest.mark.parametrize("model_type", ["modernbert", "deberta-v2", "distilbert", "albert"])
    def test_layers_that_are_not_known_to_be_alike(self, model_type: str) -> None:
        assert extrapolated(bert(12, model_type), lambda config: (layers_of(config),), DEPTHS_OF_SUMS) is None


class TestAtDepth:
    def test_cuts_what_has_an_entry_a_layer(self) -> None:
        config = AutoConfig.for_model("qwen2", num_hidden_layers=6, use_sliding_window=True, max_window_layers=2)
        shallow = at_depth(config, 3)
        assert shallow.num_hidden_layers == 3
        assert shallow.layer_types == config.layer_types[:3] == ["full_attention"] * 2 + ["sliding_attention"]

    def test_leaves_the_original_and_other_lists_alone(self) -> None:
        config = AutoConfig.for_model("bert", num_hidden_layers=6, architectures=["BertForSequenceClassification"])
        shallow = at_depth(config, 2)
        assert config.num_hidden_layers == 6
        assert shallow.architectures == config.architectures
        assert shallow.hidden_size == config.hidden_size

    def test_goes_by_the_name_that_the_architecture_uses(self) -> None:
        assert at_depth(AutoConfig.for_model("gpt2", n_layer=6), 2).n_layer == 2
