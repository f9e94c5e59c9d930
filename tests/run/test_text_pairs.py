"""Pairs of texts, from a file to the scores of an encoder and to the prompt of a causal model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, RobertaConfig
from transformers import RobertaForSequenceClassification as Roberta

from bench.commands.explain.rebuild import explain_with
from bench.data import texts
from bench.data.batches import collate
from bench.data.texts import Dataset
from bench.data.tokens import tokenise
from bench.errors import DataError, RequestError, StudyError
from bench.study.cell import Cell
from bench.study.datasets import DatasetSource
from bench.study.settings import DataSettings
from bench.study.study import load_study
from bench.train.cell_prompt import prompt_of, shown_text
from bench.train.evaluate import logits_of
from bench.train.inputs import Inputs
from tests.data import forms
from tests.known import known
from tests.model.prompting.support import byte_tokenizer
from tests.report.conftest import _record
from tests.support import command, records, small_study, write_study

WORDS = ("good", "bad", "fine", "poor")
ROWS = [
    {"premise": f"a {one} film , {'very ' * at}{one}", "hypothesis": f"a {other} film", "same": int(one == other)}
    for at, one in enumerate(WORDS) for other in WORDS
]  # fmt: skip
PAIR: dict[str, Any] = {"text": ["premise", "hypothesis"], "label": "same"}


def laid(folder: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    return forms.everywhere(folder, "jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def located(folder: Path, **entry: Any) -> DatasetSource:
    return forms.located(folder, **(PAIR | entry))


def loaded(folder: Path, **entry: Any) -> Dataset:
    return texts.load(located(folder, **entry), DataSettings())


@pytest.fixture
def pair_tokenizer(tiny_encoder: Path) -> Any:
    """As BERT's: [CLS] a [SEP] b [SEP], the second text and its end of type 1."""
    from tokenizers import processors

    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def cell_of(source: DatasetSource, kind: str = "encoder") -> Cell:
    content = _record().cell.model_dump() | {"dataset": source, "prompt": {"label_words": ["no", "yes"]}}
    content["model"] |= {"kind": kind}
    content["data"] |= {"max_length": 128}
    return Cell.model_validate(content)


class TestRead:
    def test_both_texts_and_their_columns(self, tmp_path: Path) -> None:
        dataset = loaded(laid(tmp_path))
        split = dataset.splits["test"]
        assert dataset.columns == ("premise", "hypothesis")
        assert split.pairs is not None
        assert (split.texts[1], split.pairs[1], split.labels[1]) == ("a good film , good", "a bad film", 0)
        taken = split.take([5, 1])
        assert taken.pairs == [split.pairs[5], split.pairs[1]]

    def test_the_hash_follows_the_second_text(self, tmp_path: Path) -> None:
        changed = [*ROWS[:-1], {**ROWS[-1], "hypothesis": "another"}]
        assert loaded(laid(tmp_path / "a")).sha256 != loaded(laid(tmp_path / "b", changed)).sha256

    def test_the_order_of_columns_is_another_dataset(self, tmp_path: Path) -> None:
        folder = laid(tmp_path)
        assert located(folder).fingerprint != located(folder, text=["hypothesis", "premise"]).fingerprint

    def test_a_second_text_that_is_none_names_the_line(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"train\.jsonl: line 17: text must be a string, got None"):
            loaded(laid(tmp_path, [*ROWS, {**ROWS[0], "hypothesis": None}]))

    def test_a_column_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no column 'claim'; it has premise, hypothesis, same"):
            loaded(laid(tmp_path), text=["premise", "claim"])

    @pytest.mark.parametrize("text", [["a", "a"], ["a"], ["a", "b", "c"], 3])
    def test_two_columns_are_named(self, text: Any, tmp_path: Path, tiny_encoder: Path) -> None:
        entry = {"reviews": {"path": str(tmp_path), "text": text}}
        path = write_study(tmp_path / "s.toml", small_study(tiny_encoder, tmp_path, datasets=entry))
        with pytest.raises(StudyError, match=r"s\.toml: datasets\.reviews"):
            load_study(str(path))


class TestTokens:
    @pytest.mark.parametrize("max_length", [128, 12, 8])
    def test_are_the_tokenizer_s_own(self, max_length: int, tmp_path: Path, pair_tokenizer: Any) -> None:
        split = loaded(laid(tmp_path)).splits["test"]
        wanted = pair_tokenizer(
            split.texts, split.pairs, truncation="longest_first", max_length=max_length, return_token_type_ids=True
        )
        tokens = tokenise(split.texts, pair_tokenizer, max_length, pairs=split.pairs)
        again = tokenise(split.texts, pair_tokenizer, max_length, pairs=split.pairs)  # from the cache
        for found in (tokens, again):
            assert found.ids.tolist() == [token for ids in wanted["input_ids"] for token in ids]
            assert known(found.types).tolist() == [mark for marks in wanted["token_type_ids"] for mark in marks]
        whole = pair_tokenizer(split.texts, split.pairs)["input_ids"]
        assert tokens.truncated == again.truncated == sum(len(ids) > max_length for ids in whole)

    def test_of_the_second_text_are_no_others_tokens(self, pair_tokenizer: Any) -> None:
        pairs = tokenise(["good"], pair_tokenizer, 8, pairs=["bad"])
        assert pairs.ids.tolist() != tokenise(["good", "bad"], pair_tokenizer, 8).ids.tolist()
        assert tokenise(["good"], pair_tokenizer, 8).types is None


class TestScores:
    def model(self, pair_tokenizer: Any, config: Any = BertConfig, model: Any = BertForSequenceClassification) -> Any:
        torch.manual_seed(0)
        built = model(
            config(
                vocab_size=len(pair_tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                intermediate_size=64, max_position_embeddings=160, pad_token_id=0, initializer_range=0.5,
            )
        )  # fmt: skip
        return built.eval()

    @pytest.mark.parametrize("size", [1, 5, 16])
    def test_are_those_of_each_pair_with_its_types(self, size: int, tmp_path: Path, pair_tokenizer: Any) -> None:
        split = loaded(laid(tmp_path)).splits["test"]
        model = self.model(pair_tokenizer)
        tokens = tokenise(split.texts, pair_tokenizer, 64, pairs=known(split.pairs))
        indices = np.arange(size)
        with torch.no_grad():
            found = logits_of(model, collate(tokens, split.labels, indices, 0))
            for at in indices:
                encoded = pair_tokenizer(
                    split.texts[at], known(split.pairs)[at], return_tensors="pt", return_token_type_ids=True
                )
                assert encoded["token_type_ids"].any()
                torch.testing.assert_close(found[at], model(**encoded).logits[0], atol=1e-5, rtol=1e-4)
                encoded.pop("token_type_ids")
                assert not torch.allclose(found[at], model(**encoded).logits[0], atol=1e-3)

    def test_a_model_without_types_is_not_told(self, tmp_path: Path, pair_tokenizer: Any) -> None:
        split = loaded(laid(tmp_path)).splits["test"]
        model = self.model(pair_tokenizer, RobertaConfig, Roberta)
        assert model.config.type_vocab_size == 2, "of a fresh configuration; a checkpoint's has 1"
        model.config.type_vocab_size = 1
        model.roberta.embeddings.token_type_embeddings = torch.nn.Embedding(1, 32)
        tokens = tokenise(split.texts, pair_tokenizer, 64, pairs=split.pairs)
        assert logits_of(model, collate(tokens, split.labels, np.arange(4), 0)).isfinite().all()

    def test_parts_of_a_batch_keep_their_types(self, tmp_path: Path, pair_tokenizer: Any) -> None:
        split = loaded(laid(tmp_path)).splits["test"]
        batch = collate(tokenise(split.texts, pair_tokenizer, 64, pairs=split.pairs), split.labels, np.arange(5), 0)
        parts = [part.token_types for part in batch.split(2)]
        assert torch.equal(torch.cat([part for part in parts if part is not None]), known(batch.token_types))
        assert all(part.token_types is None for part in replace(batch, token_types=None).split(2))


class TestPrompt:
    def test_shows_both_with_their_names(self, tmp_path: Path) -> None:
        source, tokenizer = located(laid(tmp_path)), byte_tokenizer()
        dataset = texts.load(source, DataSettings())
        inputs = Inputs.of(cell_of(source, "causal"), dataset, tokenizer, ["test"])
        tokens = inputs.tokens["test"]
        shown = [tokenizer.decode(tokens.ids[a:b]) for a, b in zip(tokens.offsets, tokens.offsets[1:], strict=False)]
        assert shown[1] == "premise: a good film , good\nhypothesis: a bad film"
        assert shown[1] == shown_text(dataset.splits["test"], dataset.columns, 1)

    def test_examples_too(self, tmp_path: Path) -> None:
        source = located(laid(tmp_path))
        cell = cell_of(source, "causal")
        more = known(cell.prompt).model_copy(update={"examples_per_class": 1})
        longer = cell.data.model_copy(update={"max_length": 4000})
        cell = cell.model_copy(update={"prompt": more, "data": longer})
        said = prompt_of(cell, texts.load(source, DataSettings()), byte_tokenizer()).prefix_text
        assert said.count("premise: a ") == said.count("\nhypothesis: a ") == 2

    def test_an_encoder_whose_tokenizer_parts_nothing_is_shown_the_same(self, tmp_path: Path) -> None:
        source, tokenizer = located(laid(tmp_path)), byte_tokenizer()
        dataset = texts.load(source, DataSettings())
        inputs = Inputs.of(cell_of(source), dataset, tokenizer, ["test"])
        tokens = inputs.tokens["test"]
        assert tokens.types is None
        assert tokenizer.decode(tokens.ids[: tokens.offsets[1]]).startswith("premise: a good film , good\nhypothesis: ")


@pytest.mark.slow
def test_a_study_of_pairs_runs(tmp_path: Path, tiny_encoder: Path, pair_tokenizer: Any) -> None:
    encoder = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    pair_tokenizer.save_pretrained(encoder)
    content = small_study(
        encoder,
        tmp_path,
        methods=["full_ft", "p_tuning", "moe"],
        datasets={"reviews": {"path": str(laid(tmp_path / "d")), **PAIR}},
    )
    content["data"] = {"max_length": 32}
    done = command("run", write_study(tmp_path / "s.toml", content), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = records(tmp_path / "runs" / "small")
    assert {name: record["status"] for name, record in found.items()} == {
        "full_ft/0": "ok", "p_tuning/0": "ok", "moe/0": "ok",
    }  # fmt: skip
    for record in found.values():
        assert record["data"]["tokens_per_sample"] > 10
        assert record["cell"]["dataset"]["pair_column"] == "hypothesis"


def test_explain_refuses_pairs(tmp_path: Path) -> None:
    rebuilt: Any = SimpleNamespace(cell=cell_of(located(laid(tmp_path))))
    with pytest.raises(
        RequestError, match="explain takes one text, but dataset mine has pairs of premise and hypothesis"
    ):
        explain_with(rebuilt, _record(), "a text")
