"""Token ids, which never depend on the cache."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from transformers import AutoTokenizer

from bench.data.array_cache import cache_folder
from bench.data.tokens import Tokens, tokenise

TEXTS = ["the cast was superb", "bad", "", "not bad , not superb , " * 5, "\ud800 é 漢 words nobody knows", "bad"]


class CountingTokenizer:
    """A real tokenizer that counts its calls."""

    def __init__(self, folder: Path) -> None:
        self.inner = AutoTokenizer.from_pretrained(folder)
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __call__(self, texts: list[str], **settings: Any) -> Any:
        self.calls += 1
        return self.inner(texts, **settings)


@pytest.fixture
def tokenizer(tiny_encoder: Path) -> CountingTokenizer:
    return CountingTokenizer(tiny_encoder)


@pytest.fixture
def another(tiny_encoder: Path) -> CountingTokenizer:
    """The tokenizer as the next process loads it."""
    return CountingTokenizer(tiny_encoder)


def rows(tokens: Tokens) -> list[list[int]]:
    return [tokens.ids[start:end].tolist() for start, end in zip(tokens.offsets, tokens.offsets[1:], strict=False)]


def cached_files() -> Iterator[Path]:
    return (cache_folder() / "tokens").iterdir()


@pytest.mark.parametrize("max_length", [4, 8, 64])
def test_equals_the_tokenizer_asked_text_by_text(max_length: int, tokenizer: CountingTokenizer) -> None:
    texts = [text for text in TEXTS if text.isprintable()]
    wanted = [tokenizer.inner(text, truncation=True, max_length=max_length)["input_ids"] for text in texts]
    tokens = tokenise(texts, tokenizer, max_length)
    assert rows(tokens) == wanted
    assert tokens.lengths.tolist() == [len(ids) for ids in wanted]
    assert tokens.ids.dtype == np.int32
    assert tokens.offsets.dtype == np.int64


def test_truncated_counts_the_texts_that_were_cut(tokenizer: CountingTokenizer) -> None:
    texts = ["bad " * words for words in (1, 5, 6, 7, 100)]  # and two special tokens each
    for max_length, cut in ((8, 2), (7, 3), (102, 0), (101, 1)):
        tokens = tokenise(texts, tokenizer, max_length)
        assert tokens.truncated == cut
        assert tokens.lengths.max() <= max_length


def test_second_process_finds_every_split_in_the_cache(
    tokenizer: CountingTokenizer, another: CountingTokenizer
) -> None:
    splits = [["bad " * 50, "superb"], ["the cast"], ["was bad"]]
    first = [tokenise(texts, tokenizer, 8) for texts in splits]
    second = [tokenise(texts, another, 8) for texts in splits]
    calls = tokenizer.calls
    tokenise(splits[0], tokenizer, 8)
    assert (another.calls, tokenizer.calls) == (0, calls)
    for one, two in zip(first, second, strict=True):
        assert rows(one) == rows(two)
        assert one.truncated == two.truncated
        assert two.ids.dtype == np.int32
        assert two.offsets.dtype == np.int64


def test_other_texts_lengths_and_tokenizers_miss(
    tokenizer: CountingTokenizer, another: CountingTokenizer, tiny_encoder: Path
) -> None:
    kept = tokenise(["the cast", "was bad"], tokenizer, 8)
    assert rows(tokenise(["the cast was", "bad"], another, 8)) != rows(kept)
    assert rows(tokenise(["the cast", "was bad"], another, 3)) != rows(kept)
    changed = CountingTokenizer(tiny_encoder)
    changed.inner.add_tokens(["zzz"])
    tokenise(["the cast", "was bad"], changed, 8)
    assert (another.calls > 0, changed.calls > 0) == (True, True)


def test_corrupt_cache_is_ignored_and_replaced(tokenizer: CountingTokenizer, another: CountingTokenizer) -> None:
    wanted = rows(tokenise(["the cast was bad"], tokenizer, 8))
    (path,) = cached_files()
    save_file({"something": np.zeros(3)}, path)
    assert rows(tokenise(["the cast was bad"], another, 8)) == wanted
    assert another.calls == 1
    assert rows(tokenise(["the cast was bad"], another, 8)) == wanted
    assert another.calls == 1


def changed_copy(folder: Path, to: Path, **settings: Any) -> Any:
    """The tokenizer of a copy of the folder, with changes to its tokenizer_config.json."""
    shutil.copytree(folder, to)
    path = to / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return AutoTokenizer.from_pretrained(to)


class TestTwoCopiesOfOneFolder:
    def test_that_cut_texts_on_other_sides(self, tiny_encoder: Path, tmp_path: Path) -> None:
        right = changed_copy(tiny_encoder, tmp_path / "right", truncation_side="right")
        left = changed_copy(tiny_encoder, tmp_path / "left", truncation_side="left")
        text = "good bad not superb the cast was , ."
        wanted = [tokenizer(text, truncation=True, max_length=6)["input_ids"] for tokenizer in (right, left)]
        assert wanted[0] != wanted[1]
        found = [rows(tokenise([text], tokenizer, 6))[0] for tokenizer in (right, left)]
        assert found == wanted

    def test_whose_side_is_set_after_loading(self, tiny_encoder: Path, tmp_path: Path) -> None:
        tokenizer = changed_copy(tiny_encoder, tmp_path / "copy")
        text = "good bad not superb the cast was , ."
        first = rows(tokenise([text], tokenizer, 6))
        tokenizer.truncation_side = "left"
        assert rows(tokenise([text], tokenizer, 6)) != first

    @pytest.mark.parametrize(
        "settings", [{"split_special_tokens": True}, {"padding_side": "left"}, {"unk_token": "[MASK]"}]
    )
    def test_that_differ_in_an_argument_share_nothing(
        self, settings: dict[str, Any], tiny_encoder: Path, tmp_path: Path
    ) -> None:
        tokenise(["not [MASK] bad"], changed_copy(tiny_encoder, tmp_path / "one"), 8)
        other = changed_copy(tiny_encoder, tmp_path / "other", **settings)
        assert rows(tokenise(["not [MASK] bad"], other, 8)) == [other("not [MASK] bad")["input_ids"]]
        assert len(list(cached_files())) == 2

    def test_that_are_alike_share_one_entry(self, tiny_encoder: Path, tmp_path: Path) -> None:
        for name in ("one", "other"):
            tokenise(["not bad"], changed_copy(tiny_encoder, tmp_path / name), 8)
        assert len(list(cached_files())) == 1
