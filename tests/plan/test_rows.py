"""Rows of a plan: what is counted, which cells share the work, and what a plugin needs for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from bench.errors import ModelError, PluginError, StudyError
from bench.measure import parameters
from bench.method import Task, registry
from bench.model.load import build, load_config
from bench.plan.plan import Plan
from bench.plan.row import PlanRow
from bench.study.models import resolve_model
from bench.study.request import Request
from bench.study.study import Study
from tests.known import known
from tests.support import TEST_ROWS, TRAIN_ROWS, small_study, write_plugin, write_texts

pytestmark = pytest.mark.usefixtures("one_thread")

ENCODER_METHODS = ["full_ft", "bitfit", "lora", "p_tuning", "moe"]
NUMBERS = (
    "trainable_params", "total_params", "logical_params", "forward_flops", "train_flops", "forward_flops_traced",
    "forward_flops_closed_form", "expert_flops", "train_memory", "inference_memory", "artifact_bytes", "download_bytes",
)  # fmt: skip
BOTTLENECK = """
        import torch
        inner = model.classifier
        class Bottleneck(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.down, self.up, self.inner = torch.nn.Linear(32, 4), torch.nn.Linear(4, 32), inner
            def forward(self, x):
                return self.inner(x + self.up(self.down(x)))
        model.requires_grad_(False)
        model.classifier = Bottleneck()
        return model
"""
SAYS_IT_ADDS = """
    def closed_form_flops(self, architecture, task):
        return architecture.forward_flops(task.max_length) + 2 * 2 * 32 * 4
"""

Planner = Callable[..., Plan]


@pytest.fixture
def planner(tiny_encoder: Path, tmp_path: Path) -> Planner:
    """``planner(methods=[...], **changes)``: a plan of the small study, without memory unless asked."""
    texts = write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)

    def make(
        request: dict[str, Any] | None = None,
        grid: dict[str, Any] | None = None,
        with_memory: bool = False,
        **changes: Any,
    ) -> Plan:
        content = small_study(tiny_encoder, texts, **changes)
        content["grid"][0] |= grid or {}
        study = Study.model_validate(content).in_folder(tmp_path)
        return Plan(Request(study=study, **request or {}), with_memory=with_memory)

    return make


def by_method(plan: Plan) -> dict[str, PlanRow]:
    return {row.method: row for row in plan.rows()}


class TestCounts:
    def test_are_those_of_the_model_that_a_run_would_build(
        self, planner: Planner, tiny_encoder: Path, tmp_path: Path
    ) -> None:
        rows = by_method(planner(methods=ENCODER_METHODS))
        assert list(rows) == ENCODER_METHODS
        found = registry.find()
        source = resolve_model(str(tiny_encoder), Study.model_validate(MINIMAL))
        for name, row in rows.items():
            method_class = registry.load(name, found[name].path)
            method = method_class(method_class.options_class())
            torch.manual_seed(0)
            task = Task(labels=("0", "1"), max_length=12, kind="encoder")
            model = method.adapt(build(load_config(source, tiny_encoder, 2)), task)
            real = parameters.count(model)
            assert (row.trainable_params, row.total_params) == (real.trainable_params, real.total_params), name
            assert row.logical_params == row.total_params
            (tmp_path / name).mkdir()
            method.save(model, tmp_path / name)
            [saved] = (tmp_path / name).glob("*.safetensors")
            assert row.artifact_bytes == sum(tensor.nbytes for tensor in load_file(saved).values()), name

    def test_agree_three_ways_and_training_spares_frozen_weights(self, planner: Planner) -> None:
        rows = by_method(planner(methods=ENCODER_METHODS))
        for name, row in rows.items():
            assert row.forward_flops
            assert row.train_flops
            assert row.remarks == (), name
            assert row.forward_flops == pytest.approx(row.forward_flops_closed_form, rel=1e-3)
            assert row.forward_flops == pytest.approx(row.forward_flops_traced, rel=1e-3)
            assert 1.8 * row.forward_flops < row.train_flops <= 3 * row.forward_flops
        assert rows["full_ft"].train_flops == pytest.approx(3 * rows["full_ft"].forward_flops, rel=0.05)  # type: ignore[operator]
        assert rows["lora"].train_flops < rows["full_ft"].train_flops  # type: ignore[operator]
        assert rows["moe"].expert_flops
        assert {rows[name].expert_flops for name in ENCODER_METHODS[:-1]} == {0}

    def test_nothing_is_null_without_a_reason(self, planner: Planner) -> None:
        plans = [planner(with_memory=wanted, methods=["full_ft", "zero_shot"]) for wanted in (True, False)]
        for plan in plans:
            plain, out = plan.rows()
            assert {name for name in NUMBERS if getattr(plain, name) is None} == set(plain.unknown)
            assert out.unsupported == "method zero_shot supports causal models; tiny is of kind encoder"
            assert {getattr(out, name) for name in NUMBERS} == {None}
        with_memory, without = (plan.rows()[0] for plan in plans)
        assert with_memory.unknown == {}
        assert without.unknown == dict.fromkeys(("train_memory", "inference_memory"), "memory was not requested")

    def test_peaks_grow_with_the_batch_and_hold_what_is_known(self, planner: Planner) -> None:
        plan = planner(with_memory=True, methods=["full_ft"])
        [row] = plan.rows()
        wider = plan.at_batch(plan.cells[0], 2 * known(row.batch_size))
        assert row.train_memory
        assert wider.train_memory
        assert (row.batch_size, wider.batch_size) == (4, 8)
        assert wider.train_memory.activations_bytes > 1.5 * row.train_memory.activations_bytes
        assert row.total_params
        two_moments = 2 * 4 * row.total_params
        assert two_moments <= row.train_memory.optimizer_state_bytes < 1.01 * two_moments
        of_the_batch = {"batch_size", "inference_batch_size", "train_memory", "inference_memory"}
        assert wider.model_dump(exclude=of_the_batch) == row.model_dump(exclude=of_the_batch)

    def test_at_another_length_are_what_a_plan_of_that_length_says(self, planner: Planner) -> None:
        plan = planner(methods=["moe"])
        [row] = plan.rows()
        [longer] = planner(methods=["moe"], data={"max_length": 40}).rows()
        assert longer.forward_flops_closed_form
        assert plan.flops_at(row, 40) == longer.forward_flops_closed_form > row.forward_flops_closed_form  # type: ignore[operator]

    def test_of_4_bit_weights_are_as_stored_with_the_logical_beside(self, planner: Planner, tmp_path: Path) -> None:
        hidden, inner, layers, words = 64, 128, 2, 100
        config = {
            "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": words, "hidden_size": hidden,
            "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": 4,
        }  # fmt: skip
        (tmp_path / "config.json").write_text(json.dumps(config))
        models = {"tiny": {"path": "config.json"}, "packed": {"path": "config.json", "bits": 4}}
        grid = {"models": ["tiny", "packed"], "options": {"lora": {"target_modules": "all-linear"}}}
        whole, plain, packed, packed_plain = planner(methods=["lora", "zero_shot"], models=models, grid=grid).rows()
        weights = layers * (4 * hidden * hidden + 3 * hidden * inner)
        for one, four_bits in ((whole, packed), (plain, packed_plain)):
            assert one.total_params
            assert four_bits.total_params == one.total_params - weights // 2
            assert four_bits.logical_params == one.logical_params == one.total_params
            assert four_bits.trainable_params == one.trainable_params
            assert four_bits.forward_flops == one.forward_flops
        assert plain.total_params == weights + 2 * words * hidden + (2 * layers + 1) * hidden

    def test_of_4_bit_weights_that_a_method_would_train_do_not_exist(self, planner: Planner, tmp_path: Path) -> None:
        own = write_plugin(tmp_path, "own", adapt="pass")
        supports = "    @classmethod\n    def supports(cls, kind):\n        return True\n"
        own.write_text(own.read_text() + "\n" + supports)
        (tmp_path / "llm").mkdir()
        (tmp_path / "llm" / "config.json").write_text(json.dumps(LLAMA))
        models = {"tiny": {"path": str(tmp_path / "llm"), "bits": 4, "weights": "random"}}
        [row] = planner({"plugin_files": [own]}, methods=["own"], models=models).rows()
        assert row.unsupported == "method own would train weights of model tiny that are held in 4 bits"

    def test_of_an_encoder_in_4_bits_are_refused(self, planner: Planner, tiny_encoder: Path) -> None:
        with pytest.raises(ModelError, match="model tiny: bits is for causal models, but this is an encoder"):
            planner(models={"tiny": {"path": str(tiny_encoder), "bits": 4}})

    def test_of_memory_in_8_bits_are_unknown_and_say_why(self, planner: Planner, tmp_path: Path) -> None:
        (tmp_path / "llm").mkdir()
        (tmp_path / "llm" / "config.json").write_text(json.dumps(LLAMA))
        models = {"tiny": {"path": str(tmp_path / "llm"), "bits": 8, "weights": "random"}}
        [row] = planner(with_memory=True, methods=["lora"], models=models, data={"max_length": 16}).rows()
        assert (row.train_memory, row.inference_memory) == (None, None)
        assert row.unknown["train_memory"] == "8-bit operators need real values"
        assert row.total_params == row.logical_params


LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 100, "hidden_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128,
}  # fmt: skip
MINIMAL = {"name": "s", "grid": [{"datasets": ["d"], "models": ["m"]}]}


class TestCells:
    def test_that_differ_in_their_seed_alone_are_one_row(self, planner: Planner) -> None:
        plan = planner(methods=["full_ft", "bitfit"], seeds=[3, 1, 2])
        assert [row.method for row in plan.rows()] == ["full_ft", "bitfit"]

    def test_that_share_a_shape_are_worked_out_once(self, planner: Planner, tmp_path: Path) -> None:
        write_texts(tmp_path / "again", train=TRAIN_ROWS, test=TEST_ROWS)
        write_texts(tmp_path / "three", train=[*TRAIN_ROWS, ("so so", 2)], test=TEST_ROWS)
        plan = planner(grid={"datasets": ["reviews", "./again", "./three"]}, methods=["full_ft", "bitfit"])
        told: list[tuple[int, int]] = []
        rows = plan.rows(lambda done, of: told.append((done, of)))
        assert told[-1] == (4, 4)
        assert [(row.dataset, row.method, row.num_labels) for row in rows] == [
            ("reviews", "full_ft", 2), ("reviews", "bitfit", 2), ("again", "full_ft", 2), ("again", "bitfit", 2),
            ("three", "full_ft", 3), ("three", "bitfit", 3),
        ]  # fmt: skip
        names = {"dataset": "", "dataset_label": ""}
        assert rows[0].model_copy(update=names) == rows[2].model_copy(update=names)
        assert rows[4].total_params == rows[0].total_params + 32 + 1  # type: ignore[operator]

    def test_of_one_grid_have_their_own_length(self, planner: Planner) -> None:
        [short] = planner(methods=["full_ft"]).rows()
        [long] = planner(methods=["full_ft"], grid={"data": {"max_length": 24}}).rows()
        assert (short.sequence_length, long.sequence_length) == (12, 24)
        assert long.forward_flops > 2 * short.forward_flops  # type: ignore[operator]

    def test_longer_than_the_model_has_positions_are_unsupported(self, planner: Planner) -> None:
        data = {"max_length": 160}
        rows = by_method(planner(methods=["full_ft", "p_tuning"], data=data))
        assert rows["full_ft"].unsupported is None
        assert "20 virtual tokens and max_length 160 are more than the model's 160 positions" in str(
            rows["p_tuning"].unsupported
        )
        [row] = planner(methods=["full_ft"], data={"max_length": 161}).rows()
        assert row.unsupported == "data.max_length must be at most 160, the positions of model tiny, got 161"


class TestPlugin:
    def test_is_planned_as_it_is(self, planner: Planner, tmp_path: Path) -> None:
        own = write_plugin(tmp_path, "own", adapt=BOTTLENECK.strip(), extra=SAYS_IT_ADDS)
        rows = by_method(planner({"plugin_files": [own]}, methods=["full_ft"]))
        assert list(rows) == ["full_ft", "own"]
        own_row, plain = rows["own"], rows["full_ft"]
        added = 32 * 4 + 4 + 4 * 32 + 32
        assert (own_row.trainable_params, own_row.total_params) == (added, plain.total_params + added)  # type: ignore[operator]
        assert own_row.method_label == "Special"
        assert own_row.forward_flops == own_row.forward_flops_closed_form == plain.forward_flops + 2 * 2 * 32 * 4  # type: ignore[operator]
        assert own_row.remarks == ()

    def test_that_attaches_nothing_is_named(self, planner: Planner, tmp_path: Path) -> None:
        lost = write_plugin(tmp_path, "lost", extra=SAYS_IT_ADDS)
        rows = by_method(planner({"plugin_files": [lost]}, methods=["full_ft"]))
        [remark] = rows["lost"].remarks
        assert "512 FLOPs in closed form" in remark
        assert "its adapter was never attached, or is already merged" in remark
        assert rows["full_ft"].remarks == ()

    @pytest.mark.parametrize(
        ("statement", "said"),
        [
            ("raise ValueError('no such layer')", "ValueError: no such layer"),
            ("raise SystemExit('enough')", "SystemExit: enough"),
            ("raise UnsupportedError('it has no gates')", "it has no gates"),
            ("return None", "method own: adapt must return the model to train, got None"),
            ("raise RuntimeError('x' * 9999)", "RuntimeError: xxx"),
        ],
    )
    def test_that_fails_leaves_the_others_alone(
        self, planner: Planner, tmp_path: Path, statement: str, said: str
    ) -> None:
        own = write_plugin(tmp_path, "own", adapt=statement)
        rows = by_method(planner({"plugin_files": [own]}, methods=["full_ft"]))
        assert rows["own"].unsupported is not None
        assert rows["own"].unsupported.startswith(said)
        assert len(rows["own"].unsupported) < 500
        assert rows["own"].total_params is None
        assert rows["full_ft"].total_params

    def test_that_ends_its_process_is_an_error(self, planner: Planner, tmp_path: Path) -> None:
        own = write_plugin(tmp_path, "own", adapt="os._exit(3)")
        with pytest.raises(StudyError, match="a process that computed rows ended early"):
            planner({"plugin_files": [own]}, methods=["full_ft"]).rows()

    def test_with_a_wrong_option_is_refused(self, planner: Planner) -> None:
        with pytest.raises(PluginError, match=r"methods\.lora\.options: r must be at least 1, got 0"):
            planner(methods=["lora"], grid={"options": {"lora": {"r": 0}}}).rows()

    def test_that_star_leaves_out_is_said(self, planner: Planner, tmp_path: Path) -> None:
        plan = planner(methods=["*"])
        assert "left out: method zero_shot supports causal models; tiny is of kind encoder" in plan.left_out()
        assert {cell.method.name for cell in plan.cells} >= set(ENCODER_METHODS)


class TestModel:
    def test_is_never_held_in_memory(self, tmp_path: Path, planner: Planner) -> None:
        sizes = {"hidden_size": 2**14, "intermediate_size": 2**16, "num_hidden_layers": 8, "num_attention_heads": 128}
        config = {"model_type": "bert", "architectures": ["BertModel"], "vocab_size": 10**6, **sizes}
        (tmp_path / "config.json").write_text(json.dumps(config))
        [row] = planner(methods=["bitfit"], models={"tiny": {"path": "config.json"}}).rows()
        assert row.total_params
        assert row.total_params > 40 * 10**9

    def test_without_a_head_for_its_kind_is_unsupported_in_plain_words(
        self, tiny_encoder: Path, planner: Planner
    ) -> None:
        config = json.loads((tiny_encoder / "config.json").read_text())
        del config["architectures"]
        path = tiny_encoder.parent / "mixed.json"
        path.write_text(json.dumps(config | {"model_type": "distilbert"}))
        [row] = planner(methods=["zero_shot"], models={"tiny": {"path": str(path), "kind": "causal"}}).rows()
        assert row.unsupported == "transformers has no causal language model for architecture distilbert"

    @pytest.mark.parametrize(
        ("change", "said"),
        [({"hidden_act": "nope"}, "nope"), ({"type_vocab_size": -1}, "negative"), ({"type_vocab_size": "two"}, "two")],
    )
    def test_with_an_absurd_setting_is_no_traceback(
        self, tiny_encoder: Path, tmp_path: Path, planner: Planner, change: dict[str, Any], said: str
    ) -> None:
        config = json.loads((tiny_encoder / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        try:
            [row] = planner(methods=["full_ft"], models={"tiny": {"path": "config.json"}}).rows()
        except ModelError as error:
            message = str(error)
        else:
            message = str(row.unsupported)
        assert said in message
        assert "Traceback" not in message


def test_a_meta_model_is_made_for_each_row(planner: Planner, tmp_path: Path) -> None:
    """A method that changes its model in place must not be handed one that another row changed."""
    own = write_plugin(tmp_path, "own", adapt="assert not hasattr(model, 'seen'); model.seen = True")
    plan = planner({"plugin_files": [own]}, with_memory=True, methods=["own"])
    [row] = plan.rows()
    assert row.unsupported is None
    assert not any(isinstance(value, nn.Module) for value in vars(plan).values())
