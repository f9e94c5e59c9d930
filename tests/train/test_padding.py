"""Decoders with a classification head: what a text scores does not hang on the padding beside it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from bench.data.batches import collate
from bench.data.tokens import tokenise
from bench.errors import UnsupportedError
from bench.method import Task, finds_last_token_by_id
from bench.model.load import class_logits, load_config, pad_with
from bench.model.weights import load_model, skeleton
from bench.plan.plan import Plan
from bench.study.models import ModelSource
from bench.study.request import Request
from bench.study.study import Study
from tests.known import known
from tests.support import TEST_ROWS, TRAIN_ROWS, run_cell, small_study, write_texts
from tests.train.support import shipped

pytestmark = pytest.mark.usefixtures("one_thread")
DECODERS = ("llama", "qwen2", "mistral", "gpt2", "opt", "bloom", "gpt_neox")
TEXTS = ["good", "a bad film , a very bad film", "fine", "not bad , not superb"]
CPU = torch.device("cpu")


def write_decoder(family: str, encoder: Path, folder: Path, pad_id: int | None) -> Path:
    """A decoder's checkpoint whose config names this padding id; its tokenizer pads with 0."""
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 64, "max_position_embeddings": 64, "initializer_range": 0.3,
    }  # fmt: skip
    if family == "opt":
        sizes |= {"word_embed_proj_dim": 32, "ffn_dim": 64}
    if family in ("llama", "qwen2", "mistral"):
        sizes["num_key_value_heads"] = 2
    config = AutoConfig.for_model(family, **sizes, pad_token_id=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForSequenceClassification.from_config(config).base_model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = folder / "config.json"
    content = json.loads(path.read_text()) | {"pad_token_id": pad_id, "bos_token_id": None, "eos_token_id": None}
    path.write_text(json.dumps(content))
    return folder


def loaded(folder: Path, pad_id: int) -> nn.Module:
    source = ModelSource(
        name="m", label="m", kind="encoder", weights="pretrained", folder=str(folder), fingerprint="f"
    )  # fmt: skip
    torch.manual_seed(1)
    model = load_model(source, folder, load_config(source, folder, 2), torch.float32, CPU)
    pad_with(model, pad_id)
    return model.eval()


@pytest.mark.parametrize("pad_id", [None, 1, 0])
@pytest.mark.parametrize("family", DECODERS)
def test_scores_alone_and_in_a_padded_batch(
    family: str, pad_id: int | None, tiny_encoder: Path, tmp_path: Path
) -> None:
    folder = write_decoder(family, tiny_encoder, tmp_path / family, pad_id)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, tokens = loaded(folder, tokenizer.pad_token_id), tokenise(TEXTS, tokenizer, 16)

    def scores(rows: list[int]) -> torch.Tensor:
        batch = collate(tokens, [0] * len(TEXTS), torch.tensor(rows).numpy(), tokenizer.pad_token_id)
        with torch.no_grad():
            return class_logits(model, batch.input_ids, batch.attention_mask)

    every = list(range(len(TEXTS)))
    alone = torch.cat([scores([row]) for row in every])
    assert alone.std() > 0.01
    torch.testing.assert_close(scores(every), alone, atol=1e-5, rtol=1e-4)


def test_what_roberta_s_positions_begin_with_stays(tmp_path: Path) -> None:
    config = AutoConfig.for_model(
        "roberta", vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        max_position_embeddings=16, pad_token_id=1,
    )  # fmt: skip
    model = AutoModelForSequenceClassification.from_config(config).eval()
    ids = torch.tensor([[5, 6, 7]])
    before = class_logits(model, ids, None)
    pad_with(model, 0)
    assert torch.equal(class_logits(model, ids, None), before)


def study_of(folder: Path, texts: Path, methods: list[str], batch: int = 4) -> dict[str, Any]:
    content = small_study(folder, texts, methods=methods)
    content["models"]["tiny"]["kind"] = "encoder"
    content["train"] |= {"inference_batch_size": batch}
    return content


def test_a_run_has_one_f1_at_any_batch(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.measure.matmul.CPU_SIZE", 256)
    folder = write_decoder("llama", tiny_encoder, tmp_path / "llama", None)
    texts = write_texts(tmp_path / "texts", train=TRAIN_ROWS, test=TEST_ROWS)
    found = []
    for batch in (1, 5):
        record = run_cell(study_of(folder, texts, ["full_ft"], batch), tmp_path)
        assert record.status == "ok", record.failure
        found.append((known(record.quality).macro_f1, known(record.training).final_loss))
    assert found[0] == found[1]


class TestVirtualTokens:
    @pytest.mark.parametrize("family", DECODERS)
    def test_are_refused_by_name(self, family: str, tiny_encoder: Path, tmp_path: Path) -> None:
        folder = write_decoder(family, tiny_encoder, tmp_path / family, 0)
        model = loaded(folder, 0)
        assert finds_last_token_by_id(model)
        with pytest.raises(UnsupportedError, match=f"classification head of {family}: it finds the last token"):
            shipped("p_tuning", num_virtual_tokens=2).adapt(
                model, Task(labels=("a", "b"), max_length=8, kind="encoder")
            )

    def test_go_with_an_encoder(self, tiny_encoder: Path) -> None:
        assert not finds_last_token_by_id(loaded(tiny_encoder, 0))

    def test_the_plan_and_the_run_use_the_same_words(
        self, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bench.measure.matmul.CPU_SIZE", 256)
        folder = write_decoder("gpt2", tiny_encoder, tmp_path / "gpt2", None)
        texts = write_texts(tmp_path / "texts", train=TRAIN_ROWS, test=TEST_ROWS)
        study = study_of(folder, texts, ["p_tuning"])
        (row,) = Plan(Request(study=Study.model_validate(study))).rows()
        record = run_cell(study, tmp_path)
        assert (record.status, known(record.failure).message) == ("unsupported", row.unsupported)


def test_a_plan_needs_no_padding_id(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = write_decoder("llama", tiny_encoder, tmp_path / "llama", None)
    texts = write_texts(tmp_path / "texts", train=TRAIN_ROWS, test=TEST_ROWS)
    (row,) = Plan(Request(study=Study.model_validate(study_of(folder, texts, ["full_ft"])))).rows()
    assert row.unsupported is None
    assert row.train_memory is not None
    source = ModelSource(name="m", label="m", kind="encoder", weights="random", folder=str(folder), fingerprint="f")
    assert skeleton(source, load_config(source, folder, 2), torch.float32).config.pad_token_id == 0  # type: ignore[union-attr]
