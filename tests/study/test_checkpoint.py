"""Checkpoints that cannot be used are refused before any work, in the same words by plan and run."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from bench.errors import ModelError
from bench.measure.parameters import count
from bench.model.load import config_to_plan, fetch, load_config
from bench.model.quantization import is_quantized
from bench.model.weights import load_model, skeleton
from bench.plan.plan import Plan
from bench.study.models import ModelSource, resolve_model
from bench.study.request import Request
from bench.study.study import Grid, Study
from tests.model.test_weights import BITS, CPU, TASK, load, logits
from tests.model.test_weights import folder as folder
from tests.support import TEST_ROWS, TRAIN_ROWS, run_cell, small_study, write_texts

pytestmark = pytest.mark.usefixtures("one_thread")
ENCODER_DECODERS = ("bart", "t5", "mt5", "mbart", "pegasus")


def edited(folder: Path, to: Path, **changes: Any) -> Path:
    """A copy of a model's folder with another config.json."""
    shutil.copytree(folder, to)
    path = to / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return to


def resolved(folder: Path, to_plan: bool = False, **entry: Any) -> ModelSource:
    content = {"grid": [Grid(datasets=("x",), models=("m",))], "models": {"m": {"path": str(folder)} | entry}}
    return resolve_model("m", Study.model_validate({"name": "s"} | content), not to_plan)


def said_by_plan_and_run(folder: Path, texts: Path) -> tuple[str, str]:
    write_texts(texts, train=TRAIN_ROWS, test=TEST_ROWS)
    content = small_study(folder, texts)
    with pytest.raises(ModelError) as planned:
        Plan(Request(study=Study.model_validate(content))).rows()
    with pytest.raises(Exception) as ran:  # noqa: PT011 - a request error of whatever kind
        run_cell(content, texts)
    return str(planned.value), str(ran.value)


@pytest.mark.parametrize("model_type", [*ENCODER_DECODERS, "xlnet"])
def test_what_is_neither_encoder_nor_causal(model_type: str, tiny_encoder: Path, tmp_path: Path) -> None:
    model = edited(tiny_encoder, tmp_path / "model", model_type=model_type)
    planned, ran = said_by_plan_and_run(model, tmp_path / "texts")
    reason = "xlnet reads a text's class at the last position" if model_type == "xlnet" else "is an encoder-decoder"
    assert f"{model / 'config.json'}: {model_type}" in planned
    assert reason in planned
    assert planned in ran


def test_an_encoder_decoder_by_its_own_word(tiny_encoder: Path, tmp_path: Path) -> None:
    model = edited(tiny_encoder, tmp_path / "model", is_encoder_decoder=True)
    with pytest.raises(ModelError, match=r"bert is an encoder-decoder"):
        load_config(resolved(model), model, 2)


def test_an_adapter_in_place_of_a_model(tiny_encoder: Path, tmp_path: Path) -> None:
    for name, keeps in (("alone", False), ("with_config", True)):
        model = Path(shutil.copytree(tiny_encoder, tmp_path / name))
        (model / "adapter_config.json").write_text("{}")
        if not keeps:
            (model / "config.json").unlink()
        planned, ran = said_by_plan_and_run(model, tmp_path / f"texts_{name}")
        assert planned == ran
        assert f"{model} holds an adapter (adapter_config.json), not a complete model" in planned


def test_an_adapter_on_the_hub(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    there = ModelSource(name="m", label="m", kind="causal", weights="random", hub_id="o/m", fingerprint="f")
    with pytest.raises(ModelError, match="holds an adapter"):
        load_config(there, tmp_path, 2)


@pytest.mark.parametrize("quantiser", ["gptq", "awq", "hqq", "fp8"])
def test_other_quantisers_are_named(quantiser: str, folder: Path, tmp_path: Path) -> None:
    model = edited(folder, tmp_path / "m", quantization_config={"quant_method": quantiser, "bits": 4})
    for to_plan in (True, False):
        with pytest.raises(ModelError, match=rf"must be of bitsandbytes in 4 or 8 bits, got quantiser '{quantiser}'"):
            resolved(model, to_plan)
    there = ModelSource(name="m", label="m", kind="causal", weights="pretrained", hub_id="o/m", fingerprint="f")
    with pytest.raises(ModelError, match=f"got quantiser '{quantiser}'"):
        load_config(there, model, 2)
    assert load_config(resolved(model, weights="random"), model, 2).hidden_size == 64


class TestPacked:
    @pytest.fixture(params=[4, 8])
    def packed(self, request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> tuple[int, Path]:
        """A checkpoint that transformers has saved in 4 or 8 bits."""
        path = tmp_path / "packed"
        load(folder, request.param).save_pretrained(path)
        return request.param, path

    def test_weights_are_used_as_they_are(self, packed: tuple[int, Path], folder: Path) -> None:
        bits, path = packed
        given = resolved(path)
        assert given.bits == bits
        assert fetch(given) == path
        config = load_config(given, path, len(TASK.labels))
        model: Any = load_model(given, path, config, torch.bfloat16, CPU)
        assert any(is_quantized(parameter) for parameter in model.parameters())
        assert torch.equal(logits(model), logits(load(folder, bits)))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
    def test_a_plan_counts_them_packed(self, packed: tuple[int, Path], dtype: torch.dtype) -> None:
        _, path = packed
        given = resolved(path, to_plan=True)
        meta = skeleton(given, config_to_plan(given, 2), dtype)
        model = load_model(given, path, load_config(given, path, 2), dtype, CPU)
        assert count(meta.requires_grad_(False)) == count(model.requires_grad_(False))

    def test_other_bits_are_refused(self, packed: tuple[int, Path]) -> None:
        bits, path = packed
        other = 12 - bits
        for to_plan in (True, False):
            with pytest.raises(ModelError, match=rf"already in {bits} bits, .* got {other}; set bits = {bits}"):
                resolved(path, to_plan, bits=other)
        there = ModelSource(name="m", label="m", kind="causal", weights="pretrained", hub_id="o/m", fingerprint="f")
        with pytest.raises(ModelError, match=rf"so bits must be {bits}, got none; set bits = {bits} in \[models\.m\]"):
            load_config(there, path, 2)

    def test_an_encoder_s_are_refused(self, packed: tuple[int, Path]) -> None:
        bits, path = packed
        with pytest.raises(ModelError, match=f"an encoder's weights must not be quantised, got {bits} bits"):
            resolved(path, kind="encoder")


def test_layers_that_a_packed_checkpoint_left_whole(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    settings = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", llm_int8_skip_modules=["lm_head", "mlp"]
    )
    AutoModelForCausalLM.from_pretrained(folder, quantization_config=settings).save_pretrained(tmp_path / "packed")
    given = resolved(tmp_path / "packed")
    config = load_config(given, tmp_path / "packed", 2)
    model = load_model(given, tmp_path / "packed", config, torch.bfloat16, CPU).requires_grad_(False)
    assert count(skeleton(given, config, torch.bfloat16).requires_grad_(False)) == count(model)


@BITS
def test_a_packed_cell_runs_as_planned(
    bits: int, folder: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.measure.matmul.CPU_SIZE", 256)
    load(folder, bits).save_pretrained(tmp_path / "packed")
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path / "packed")
    template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    path = tmp_path / "packed" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template}))
    texts = write_texts(tmp_path / "texts", train=TRAIN_ROWS, test=TEST_ROWS)
    content = small_study(tmp_path / "packed", texts, methods=["lora"], data={"max_length": 120})
    content["datasets"]["reviews"]["labels"] = ["bad", "good"]
    (row,) = Plan(Request(study=Study.model_validate(content))).rows()
    record = run_cell(content, tmp_path)
    assert record.status == "ok", record.failure
    assert record.parameters is not None
    assert record.parameters.total_params == row.total_params
    assert record.parameters.logical_params == row.logical_params
