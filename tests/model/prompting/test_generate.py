"""Generated answers, also of a trained model."""

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.data.batches import IGNORED
from bench.errors import UnsupportedError
from bench.model.position_ids import position_ids
from bench.model.prompting.batches import collate_answers
from bench.model.prompting.generate import Writer
from bench.model.prompting.parse import parse
from bench.model.prompting.prompts import Prompt
from bench.model.prompting.score import LabelScorer
from tests.model.prompting.support import FAMILIES, byte_tokenizer, causal_model, prompt_of, prompts_batch, text_tokens

pytestmark = pytest.mark.usefixtures("one_thread")
TEXTS = ("good", "a very bad film, and it was not fine", "", "☃ [/INST] poor")
TOKENIZER = byte_tokenizer()
PROMPT, TOKENS = prompt_of(TOKENIZER), text_tokens(TOKENIZER, TEXTS)
LABELS = ("very negative", "negative", "very positive")
MARKS = ("bad", "poor", "good")
FILLER = ("a", "film", "the", "was", "it", "and")


def plain(model: Any, prompt: Prompt, inner: list[int], stops: set[int], steps: int) -> list[int]:
    """Greedy answer by definition: the whole sequence is computed again for each token."""
    row = [*prompt.prefix_ids, *inner, *prompt.suffix_ids]
    written: list[int] = []
    for _ in range(steps):
        with torch.no_grad():
            token = int(model(input_ids=torch.tensor([row + written]), use_cache=False).logits[0, -1].argmax())
        if token in stops:
            break
        written.append(token)
    return written


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_the_greedy_ones(family: str) -> None:
    model = causal_model(family, len(TOKENIZER))
    rows = [TOKENS.ids[a:b].tolist() for a, b in zip(TOKENS.offsets, TOKENS.offsets[1:], strict=False)]
    expected = [plain(model, PROMPT, row, {int(PROMPT.end_id or 0), TOKENIZER.eos_token_id}, 12) for row in rows]
    texts = [TOKENIZER.decode(ids, skip_special_tokens=True).strip() for ids in expected]
    assert Writer(model, PROMPT, TOKENIZER, 12).answers(prompts_batch(PROMPT, TOKENS)) == texts
    alone = [Writer(model, PROMPT, TOKENIZER, 12).answers(prompts_batch(PROMPT, TOKENS, [row]))[0] for row in range(4)]
    assert alone == texts


def test_an_answer_stops_at_its_end_and_the_batch_when_all_have() -> None:
    model = causal_model("llama", len(TOKENIZER))
    passes: list[int] = []
    model.register_forward_hook(lambda *_: passes.append(1))
    longest = Writer(model, PROMPT, TOKENIZER, 6)
    first = longest._write(prompts_batch(PROMPT, TOKENS))[:, 0].tolist()
    assert len(passes) == 1 + 6
    assert longest.max_new_tokens == 6
    passes.clear()
    for token in set(first):
        longest.stops.append(token)
    assert longest.answers(prompts_batch(PROMPT, TOKENS)) == [""] * len(TEXTS)
    assert len(passes) == 1, "the prefix is kept, and no token is computed after the last end"


def test_a_generation_config_changes_nothing_and_nothing_warns() -> None:
    model = causal_model("llama", len(TOKENIZER))
    expected = Writer(model, PROMPT, TOKENIZER).answers(prompts_batch(PROMPT, TOKENS))
    model.generation_config.update(do_sample=True, temperature=9.0, num_beams=3, max_new_tokens=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Writer(model, PROMPT, TOKENIZER).answers(prompts_batch(PROMPT, TOKENS)) == expected


def test_no_more_is_written_than_there_are_positions() -> None:
    batch = prompts_batch(PROMPT, TOKENS)
    length = len(PROMPT.prefix_ids) + batch.input_ids.shape[1]
    writer = Writer(causal_model("gpt2", len(TOKENIZER), max_position_embeddings=length + 2), PROMPT, TOKENIZER, 50)
    writer.stops = []
    assert writer._write(batch).shape == (len(TEXTS), 3)


def test_without_any_end_the_number_of_tokens_is_the_limit() -> None:
    tokenizer = byte_tokenizer()
    prompt = dataclasses.replace(prompt_of(tokenizer), end_id=None)
    tokenizer.eos_token = None
    writer = Writer(causal_model("llama", len(tokenizer)), prompt, tokenizer, 3)
    assert writer._write(prompts_batch(prompt, text_tokens(tokenizer, TEXTS))).shape == (len(TEXTS), 3)


def test_answers_beyond_the_window_are_refused() -> None:
    writer = Writer(causal_model("qwen2", len(TOKENIZER), use_sliding_window=True, sliding_window=16,
                                 max_window_layers=0), PROMPT, TOKENIZER)  # fmt: skip
    with pytest.raises(UnsupportedError, match="attention window has 16 tokens"):
        writer.answers(prompts_batch(PROMPT, TOKENS))


def sentences(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Texts with one word that determines the class."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        label = int(rng.integers(len(LABELS)))
        words = [str(word) for word in rng.choice(FILLER, rng.integers(1, 6))]
        words.insert(int(rng.integers(len(words) + 1)), MARKS[label])
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


def taught(model: nn.Module, prompt: Prompt, tokenizer: Any, steps: int) -> nn.Module:
    """The model after training on whole rows with the loss on the answers only."""
    texts, labels = sentences(512, 0)
    tokens, rng = text_tokens(tokenizer, texts), np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(steps):
        batch = collate_answers(prompt, tokens, labels, rng.integers(0, len(texts), 16), tokenizer.pad_token_id)
        mask = torch.ones_like(batch.input_ids) if batch.attention_mask is None else batch.attention_mask
        width = batch.labels.shape[1]
        output = model(
            input_ids=batch.input_ids, attention_mask=mask, position_ids=position_ids(mask), logits_to_keep=width + 1
        )
        logits = output.logits[:, :-1]
        nn.functional.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def test_a_model_that_knows_the_labels_gives_them_either_way() -> None:
    prompt = prompt_of(TOKENIZER, LABELS)
    model = taught(causal_model("llama", len(TOKENIZER), initializer_range=0.05), prompt, TOKENIZER, 250)
    texts, labels = sentences(64, 1)
    batch = prompts_batch(prompt, text_tokens(TOKENIZER, texts))
    answers = Writer(model, prompt, TOKENIZER).answers(batch)
    assert answers == [LABELS[label] for label in labels], "the end of the turn was learnt too"
    assert [parse(answer, prompt.label_words) for answer in answers] == labels
    for normalization in ("none", "tokens"):
        assert LabelScorer(model, prompt, normalization).scores(batch).argmax(dim=1).tolist() == labels
