"""What is kept of an adapted model is loaded by transformers and peft themselves."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
)

from bench.method import artifact, registry
from bench.run.worker.artifact import complete, tidy
from bench.study.models import ModelSource
from tests.report.export.kept import LABELS, TEXTS, Kept, cell_of, keep

pytestmark = pytest.mark.usefixtures("one_thread")
TRAINING = [
    name for name, plugin in sorted(registry.find().items())
    if not plugin.is_baseline and (method := registry.load(name, plugin.path)).trains and method.supports("encoder")
]  # fmt: skip
ON_HUB = ModelSource(
    name="m", label="M", kind="encoder", weights="pretrained", hub_id="o/m", revision="abc", fingerprint="f"
)


def loaded(kept: Kept, encoder: Path) -> Any:
    """The model by the library that its files are for; None where there is none."""
    folder = kept.folder.artifact
    if (folder / artifact.PEFT).exists():
        torch.manual_seed(7)
        base = AutoModelForSequenceClassification.from_pretrained(encoder, config=AutoConfig.from_pretrained(folder))
        return PeftModel.from_pretrained(base, folder).eval()
    if not (folder / "config.json").exists():
        return None
    return AutoModelForSequenceClassification.from_pretrained(folder).eval()


@pytest.mark.parametrize("method", TRAINING)
def test_a_library_loads_what_each_method_keeps(method: str, tiny_encoder: Path, tmp_path: Path) -> None:
    kept = keep(cell_of(method, tiny_encoder, tmp_path / "texts"), tmp_path / "run")
    model, folder = loaded(kept, tiny_encoder), kept.folder.artifact
    if model is None:
        assert not artifact.is_described(kept.model)
        assert not (folder / artifact.WHOLE).exists()
        return
    own = Kept(kept.folder, model, AutoTokenizer.from_pretrained(folder))
    assert torch.equal(own.scores, kept.scores)
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model.config.label2id == {label: index for index, label in enumerate(LABELS)}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert len(own.tokenizer(TEXTS[0])["input_ids"]) == 5


@pytest.mark.parametrize("method", TRAINING)
def test_nothing_of_this_machine_is_in_it(method: str, tiny_encoder: Path, tmp_path: Path) -> None:
    kept = keep(cell_of(method, tiny_encoder, tmp_path / "texts"), tmp_path / "run")
    files = {path.name: path for path in kept.folder.artifact.iterdir()}
    assert "README.md" not in files  # peft's blank card
    said = [path.read_bytes() for path in files.values()]
    assert not [text for text in said if str(tiny_encoder).encode() in text or str(tmp_path).encode() in text]


class TestSave:
    def test_a_whole_model_is_written_as_transformers_reads_it(self, tmp_path: Path) -> None:
        model = tiny_bert()
        artifact.save(model, tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "config.json"}
        assert artifact.read(tmp_path).keys() == dict(model.named_parameters()).keys()

    @pytest.mark.parametrize("change", ["frozen", "added", "replaced", "buffer"])
    def test_any_other_model_is_not(self, change: str, tmp_path: Path) -> None:
        model = tiny_bert()
        if change == "frozen":
            model.bert.requires_grad_(False)
        elif change == "added":
            model.more = nn.Linear(2, 2)
        elif change == "replaced":
            model.classifier = nn.Linear(16, 3)
        else:
            model.register_buffer("more", torch.zeros(1))
        artifact.save(model, tmp_path)
        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert [path.name for path in tmp_path.iterdir()] == ["adapter.safetensors"]
        assert artifact.read(tmp_path).keys() == trained

    def test_a_part_is_read_though_the_whole_lies_beside_it(self, tmp_path: Path) -> None:
        save_file({"a": torch.zeros(1)}, tmp_path / "adapter.safetensors")
        save_file({"a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "model.safetensors")
        assert artifact.read(tmp_path).keys() == {"a"}

    def test_nothing_was_saved(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"adapter\.safetensors"):
            artifact.read(tmp_path)


class TestTidy:
    @pytest.mark.parametrize(
        ("base", "name", "revision"),
        [(ON_HUB, "o/m", "abc"), (ON_HUB.model_copy(update={"hub_id": None, "folder": "/home/me/m"}), None, None)],
    )
    def test_peft_is_told_the_hub_id_and_no_path(
        self, base: ModelSource, name: str | None, revision: str | None, tmp_path: Path
    ) -> None:
        (tmp_path / "README.md").write_text("base_model: /home/me/m")
        (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "/home/me/m", "r": 8}')
        tidy(tmp_path, base)
        assert [path.name for path in tmp_path.iterdir()] == ["adapter_config.json"]
        content = json.loads((tmp_path / "adapter_config.json").read_text())
        assert content == {"base_model_name_or_path": name, "r": 8, "revision": revision}

    def test_what_no_peft_wrote(self, tmp_path: Path) -> None:
        tidy(tmp_path, ON_HUB)
        assert list(tmp_path.iterdir()) == []


class Tokenizer:
    def save_pretrained(self, folder: Path) -> None:
        (folder / "tokenizer.json").write_text("{}")


def test_a_part_in_bf16_is_completed_to_a_whole_in_fp32(tmp_path: Path) -> None:
    model = tiny_bert()
    model.bert.requires_grad_(False).to(torch.bfloat16)
    model.register_buffer("untold", torch.zeros(1), persistent=False)
    artifact.save(model, tmp_path)
    before = (tmp_path / "adapter.safetensors").read_bytes()
    complete(tmp_path, model, Tokenizer(), ("n", "p"), ON_HUB)
    assert (tmp_path / "adapter.safetensors").read_bytes() == before
    assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {torch.float32}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again: Any = BertForSequenceClassification.from_pretrained(tmp_path)
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}
    assert torch.equal(again.bert.pooler.dense.weight, model.bert.pooler.dense.weight.float())
    assert model.config.id2label == {0: "LABEL_0", 1: "LABEL_1"}  # the model that goes on being measured is as it was


def tiny_bert() -> Any:
    sizes: dict[str, Any] = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    }  # fmt: skip
    return BertForSequenceClassification(BertConfig(vocab_size=9, max_position_embeddings=8, **sizes))
