"""A cell's model inputs: token ids by split, batches, and class scores for its kind of model."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.data.batches import IGNORED, Batch, Collate, collate, prediction_order
from bench.data.held_out_labels import HeldOutLabels
from bench.data.texts import Dataset, Split
from bench.data.tokens import Tokens, tokenise
from bench.errors import DataError
from bench.measure.clock import StepClock, held_garbage_collection
from bench.method import Encoded, Examples, TrainingRun
from bench.model.load import takes_token_types
from bench.model.prompting.batches import collate_answers, collate_prompts
from bench.model.prompting.generate import Writer
from bench.model.prompting.pairs import Columns, fitted, parts_texts
from bench.model.prompting.parse import parse
from bench.model.prompting.prompts import Prompt
from bench.model.prompting.score import LabelScorer
from bench.record.data import Prompt as PromptRecord
from bench.study.cell import Cell
from bench.train.cell_prompt import prompt_of, shown_text
from bench.train.evaluate import NO_CLASS, logits_of, predict
from bench.train.loop import StepHook, StepLog, epoch_batches, num_steps, schedule
from bench.train.losses import balanced_weights

#: Texts for a method's insights; more would take long and add little.
MAX_EXAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The model inputs of a cell.

    Attributes:
        cell: cell of the inputs.
        dataset: texts.
        tokens: tokens of the needed splits; for a causal model those of the texts, without prompts.
        tokenizer: tokenizer of the model.
        prompt: prompt around each text; None for an encoder.
        held_out: labels that were removed from ``dataset``; None: it holds all.
    """

    cell: Cell
    dataset: Dataset
    tokens: dict[str, Tokens]
    tokenizer: Any
    prompt: Prompt | None
    held_out: HeldOutLabels | None = None

    @classmethod
    def of(cls, cell: Cell, dataset: Dataset, tokenizer: Any, splits: Iterable[str]) -> "Inputs":
        """Tokenise splits of a cell's dataset.

        Raises:
            RequestError: the prompt is unsuitable; the message says why.
        """
        prompt = prompt_of(cell, dataset, tokenizer) if cell.model.kind == "causal" else None
        length = cell.data.max_length if prompt is None else prompt.room(cell.data.max_length)
        tokens = {
            split: tokens_of(dataset.splits[split], dataset.columns, tokenizer, length, alone=prompt is None)
            for split in sorted(splits)
        }
        return cls(cell=cell, dataset=dataset, tokens=tokens, tokenizer=tokenizer, prompt=prompt)

    def without_labels(self, folder: Path) -> HeldOutLabels:
        """Store the labels of all splits but train outside the process; see ``labels_of``.

        Args:
            folder: folder on the disk for the labels.
        """
        held = {name: split.labels for name, split in self.dataset.splits.items() if name != "train"}
        return HeldOutLabels(held, folder)

    def labels_of(self, split: str) -> list[int]:
        """Class index of each text of a split; callers must not keep it while plugin code runs."""
        if self.held_out is not None and split in self.held_out:
            return self.held_out.of(split)
        return self.dataset.splits[split].labels

    @property
    def tokens_per_sample(self) -> float:
        """Mean tokens per text of the evaluated split, with the prompt, without the answer."""
        mean = float(self.tokens[self.cell.data.evaluate_split].lengths.mean())
        return mean if self.prompt is None else mean + len(self.prompt.prefix_ids) + len(self.prompt.suffix_ids)

    @property
    def training_batch(self) -> Collate:
        """The function that collates a training batch."""
        if self.prompt is None:
            return collate
        return partial(collate_answers, self.prompt, loss_tokens=self.cell.train.loss_tokens)

    @property
    def class_weights(self) -> Tensor | None:
        """Class weights of the loss, shape (C,); None if all texts have the same weight.

        Raises:
            StudyError: a class has no train text.
        """
        return class_weights(self.cell, self.dataset)

    @property
    def pad_id(self) -> int:
        """Token id of padding."""
        return int(self.tokenizer.pad_token_id)

    def batches(self, split: str) -> list[Batch]:
        """The prediction batches of a split, ordered by length."""
        order = prediction_order(self.tokens[split].lengths, self.cell.train.inference_batch_size)
        return [self.batch_of(split, indices) for indices in order]

    def batch_of(self, split: str, indices: NDArray[np.int64]) -> Batch:
        """The prediction batch of these texts of a split, without their labels."""
        make: Collate = collate if self.prompt is None else partial(collate_prompts, self.prompt)
        return make(self.tokens[split], self._no_labels(split), indices, self.pad_id)

    def _no_labels(self, split: str) -> list[int]:
        return [IGNORED] * len(self.dataset.splits[split])

    def scorer(self, model: nn.Module) -> Callable[[Batch], Tensor]:
        """The function from a batch on the model's device to class scores, shape (B, C); the model must not change."""
        if self.prompt is None:
            return partial(logits_of, model.eval())
        return LabelScorer(model.eval(), self.prompt, self.prompt.settings.length_normalization).scores

    def predict(
        self, model: nn.Module, split: str, device: torch.device, on_step: StepHook, warmup_batches: int = 0
    ) -> tuple[NDArray[np.float32], StepLog]:
        """Class scores of a split, shape (samples, C), and the time of each batch; see ``evaluate.predict``.

        The weights already have the dtype of inference, so autocast is not needed.
        """
        batches, classes = self.batches(split), len(self.dataset.labels)
        score = self.scorer(model)
        return predict(model, batches, classes, device, torch.float32, on_step, warmup_batches, score)

    def largest_training_batch(self, steps: int) -> Batch:
        """The batch with the most tokens, padding included, among the first ``steps`` batches."""
        tokens, labels = self.tokens["train"], self.dataset.splits["train"].labels
        indices = max(self._planned(steps), key=lambda rows: len(rows) * int(tokens.lengths[rows].max()))
        return self.training_batch(tokens, labels, indices, self.pad_id)

    def _planned(self, steps: int) -> Iterable[NDArray[np.int64]]:
        return islice(schedule(self.tokens["train"].lengths, self.cell.train, self.cell.seed), steps)

    def training_run(self, model: nn.Module, device: torch.device) -> TrainingRun:
        """What a method is told before its training.

        Args:
            model: adapted model, which may take token types.
            device: device of the batches.
        """
        tokens, labels = self.tokens["train"], self.dataset.splits["train"].labels
        settings, types = self.cell.train, takes_token_types(model)
        total = num_steps(len(labels), settings)

        def batches() -> Iterator[Encoded]:
            made = epoch_batches(tokens, labels, settings, self.pad_id, self.cell.seed, self.training_batch)
            for batch in islice(made, total):
                yield _encoded(batch.to(device), batch.indices.tolist(), types)

        return TrainingRun(total_steps=total, batches=batches)

    def tokens_trained_on(self, steps: int) -> int:
        """Tokens of the first ``steps`` batches, with prompts and answers, without padding."""
        labels = self.dataset.splits["train"].labels
        rows = np.concatenate(list(self._planned(steps)))
        total = int(self.tokens["train"].lengths[rows].sum())
        if self.prompt is None:
            return total
        around = len(self.prompt.prefix_ids) + len(self.prompt.suffix_ids)
        return total + sum(around + len(self.prompt.answer_ids(labels[row])) for row in rows)

    def tokens_predicted(self, split: str) -> int:
        """Tokens of the texts of a split and of the end of the prompt, without its cached start."""
        lengths = self.tokens[split].lengths
        after = 0 if self.prompt is None else len(self.prompt.suffix_ids)
        return int(lengths.sum()) + after * len(lengths)

    def single_batches(self, split: str, most: int) -> list[Batch]:
        """Batches of one text each, at most ``most``, in random order from ``data.split_seed``."""
        size = len(self.dataset.splits[split])
        rows = np.random.default_rng(self.cell.data.split_seed).permutation(size)[:most]
        return [self.batch_of(split, rows[i : i + 1]) for i in range(len(rows))]

    def require_tokens(self) -> None:
        """Check that every text has a token.

        Raises:
            DataError: a text has none.
        """
        for name, tokens in self.tokens.items():
            if self.prompt is None and not tokens.lengths.all():
                place = self.dataset.splits[name].ids[int(tokens.lengths.argmin())]
                raise DataError(
                    f"dataset {self.cell.dataset.name}: {place}: the tokenizer of {self.cell.model.name} gives "
                    "no token for this text; remove empty texts from the data"
                )

    def examples(self, device: torch.device, model: nn.Module | None = None) -> Examples:
        """Texts of the evaluated split for a method's insights: all, or a sample from ``data.split_seed``.

        Args:
            device: device of the tokens.
            model: model that gets them, which may take token types; None: ids and mask only.
        """
        types = model is not None and takes_token_types(model)
        name = self.cell.data.evaluate_split
        split, tokens = self.dataset.splits[name], self.tokens[name]
        rng = np.random.default_rng(self.cell.data.split_seed)
        rows = np.sort(rng.permutation(len(split))[:MAX_EXAMPLES])
        labels, batches = self.labels_of(name), []
        for order in prediction_order(tokens.lengths[rows], self.cell.train.inference_batch_size):
            batch = collate(tokens, self._no_labels(name), rows[order], self.pad_id).to(device)
            batches.append(_encoded(batch, order.tolist(), types))
        return Examples(
            split=name, texts=[shown_text(split, self.dataset.columns, row) for row in rows], rows=rows.tolist(),
            labels=[labels[row] for row in rows], batches=batches,
            token=lambda token_id: str(self.tokenizer.convert_ids_to_tokens(token_id)),
            special_ids=frozenset(self.tokenizer.all_special_ids),
        )  # fmt: skip

    def write(
        self, model: nn.Module, split: str, device: torch.device, on_step: StepHook
    ) -> tuple[list[str], NDArray[np.int64], StepLog]:
        """A causal model's generated answer to each text of a split, the class of each answer, and the log."""
        assert self.prompt is not None, "an encoder cannot generate"
        writer = Writer(model.eval(), self.prompt, self.tokenizer)
        batches, log = [batch.pinned_for(device) for batch in self.batches(split)], StepLog()
        answers = [""] * len(self.dataset.splits[split])
        writer.answers(batches[0].to(device))  # computes the prefix and warms up kernels, not timed
        with held_garbage_collection():
            clock = StepClock(device)
            for done, batch in enumerate(batches, start=1):
                for index, answer in zip(batch.indices.tolist(), writer.answers(batch.to(device)), strict=True):
                    answers[index] = answer
                log.count(batch)
                clock.mark()
                on_step(done, len(batches))
            log.seconds = clock.seconds()
        named = (parse(answer, self.prompt.label_words) for answer in answers)
        return answers, np.array([NO_CLASS if label is None else label for label in named]), log

    def prompt_record(self) -> PromptRecord | None:
        """The prompt as a record stores it."""
        if self.prompt is None:
            return None
        split = self.cell.data.evaluate_split
        tokens = self.tokens[split]
        first = self.tokenizer.decode(tokens.ids[: tokens.offsets[1]])  # as truncated
        settings = self.prompt.settings
        return PromptRecord(
            sha256=self.prompt.sha256, example=self.prompt.text(first), constant_tokens=len(self.prompt.prefix_ids),
            label_words=self.prompt.label_words, length_normalization=settings.length_normalization,
            examples_per_class=settings.examples_per_class,
        )  # fmt: skip


def _encoded(batch: Batch, rows: list[int], with_types: bool) -> Encoded:
    """A batch as a method gets it."""
    return Encoded(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, rows=rows,
        token_types=batch.token_types if with_types else None,
    )  # fmt: skip


def class_weights(cell: Cell, dataset: Dataset) -> Tensor | None:
    """See ``Inputs.class_weights``."""
    if cell.train.class_weights == "none":
        return None
    return balanced_weights(dataset.splits["train"].labels, dataset.labels, f"dataset {cell.dataset.name}")


def tokens_of(split: Split, columns: Columns | None, tokenizer: Any, max_length: int, *, alone: bool) -> Tokens:
    """The tokens of a split's texts; pairs are joined by the tokenizer, or with the names of their columns.

    Args:
        split: texts.
        columns: column names of pairs; None for single texts.
        tokenizer: fast tokenizer.
        max_length: maximum length in tokens.
        alone: see ``tokenise``.
    """
    if split.pairs is None or columns is None:
        return tokenise(split.texts, tokenizer, max_length, alone=alone)
    if alone and parts_texts(tokenizer):
        return tokenise(split.texts, tokenizer, max_length, pairs=split.pairs)
    texts, cut = fitted(columns, split.texts, split.pairs, tokenizer, max_length, alone=alone)
    return replace(tokenise(texts, tokenizer, max_length, alone=alone), truncated=cut)
