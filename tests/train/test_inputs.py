"""What a model is shown: counted apart from the batches, the largest batch found, texts alone, and scores."""

from itertools import islice
from typing import Any

import pytest
import torch

from bench.data.texts import Dataset, Split
from bench.model.prompting.prompts import Prompt
from bench.study.cell import Cell
from bench.train.inputs import Inputs
from bench.train.loop import epoch_batches, num_steps
from tests.model.prompting.support import byte_tokenizer, prompt_of, text_tokens
from tests.report.conftest import _record

LABELS = ("negative", "positive", "neither of the two")
TEXTS = [f"a {'very ' * (number % 7)}{word} film" for number, word in enumerate(["good", "bad", "fine"] * 9)]


def inputs(asked: bool, **train: Any) -> Inputs:
    """Twenty-seven texts of seven lengths, for an encoder or for a causal model that is asked."""
    tokenizer = byte_tokenizer()
    settings = {"batch_size": 4, "inference_batch_size": 8, "epochs": 2} | train
    cell = Cell.model_validate(_record().cell.model_dump() | {"seed": 3, "train": settings})
    split = Split([f"t/{i}" for i in range(len(TEXTS))], TEXTS, [i % 3 for i in range(len(TEXTS))])
    tokens = text_tokens(tokenizer, TEXTS)
    prompt: Prompt | None = prompt_of(tokenizer, LABELS) if asked else None
    return Inputs(
        cell=cell,
        dataset=Dataset(labels=LABELS, splits={"train": split, "test": split}, validation_carved=False, sha256=""),
        tokens={"train": tokens, "test": tokens},
        tokenizer=tokenizer,
        prompt=prompt,
    )


@pytest.mark.parametrize("asked", [False, True], ids=["encoder", "asked"])
class TestTokens:
    @pytest.mark.parametrize("max_steps", [None, 1, 5])
    def test_of_a_training_are_those_of_its_batches(self, asked: bool, max_steps: int | None) -> None:
        shown = inputs(asked, max_steps=max_steps)
        settings, labels = shown.cell.train, shown.dataset.splits["train"].labels
        steps = num_steps(len(labels), settings)
        batches = epoch_batches(shown.tokens["train"], labels, settings, 0, 3, shown.training_batch)
        seen = [next(batches) for _ in range(steps)]
        assert shown.tokens_trained_on(steps) == sum(batch.tokens for batch in seen)
        assert shown.tokens_trained_on(steps) < sum(batch.padded_tokens for batch in seen)

    def test_of_a_split_are_those_of_its_batches(self, asked: bool) -> None:
        shown = inputs(asked)
        assert shown.tokens_predicted("test") == sum(batch.tokens for batch in shown.batches("test"))

    def test_largest_batch_is_the_largest_that_was_trained_on(self, asked: bool) -> None:
        """By its texts, which is what differs between batches."""
        shown = inputs(asked)
        tokens, labels = shown.tokens["train"], shown.dataset.splits["train"].labels
        for steps in (1, 3, 14):
            batches = epoch_batches(tokens, labels, shown.cell.train, 0, 3)
            seen = {tuple(batch.indices): batch.padded_tokens for batch in islice(batches, steps)}
            assert seen[tuple(shown.largest_training_batch(steps).indices)] == max(seen.values())

    def test_texts_alone_are_whole_and_always_the_same(self, asked: bool) -> None:
        shown = inputs(asked)
        singles = shown.single_batches("test", 10)
        assert [len(batch.indices) for batch in singles] == [1] * 10
        rows = [int(batch.indices[0]) for batch in singles]
        assert len(set(rows)) == 10
        assert rows != sorted(rows)
        assert rows == [int(batch.indices[0]) for batch in shown.single_batches("test", 10)]
        assert all(batch.attention_mask is None for batch in singles)
        every = shown.single_batches("test", 1000)
        assert sum(batch.tokens for batch in every) == shown.tokens_predicted("test")


def test_scorer_of_an_encoder_scores_in_evaluation_mode() -> None:
    class Model(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> Any:
            assert not self.training
            return type("Output", (), {"logits": input_ids[:, :3].float()})

    shown = inputs(asked=False)
    batch = shown.batches("test")[0]
    assert torch.equal(shown.scorer(Model().train())(batch), batch.input_ids[:, :3].float())
