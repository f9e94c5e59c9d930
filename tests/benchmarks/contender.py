"""One side of the comparison with transformers.Trainer: a process that trains or predicts when it is told to.

    python contender.py NAME DATA_ROOT < commands > answers

NAME is ``stock`` or ``fast`` (tunebench with these kernels), ``bare`` (the stock work without the harness), or one of
TRAINERS. Each input line is ``train STEPS``, ``predict`` or ``epochs N SEED``; each answer is one JSON object: seconds
and samples, or macro F1. The work is the same for all: MiniLM, full fine-tuning, tweet_eval_emotion, the same batches
of 32, padded alike, bf16, AdamW at 1e-4, gradient norm clipped at 1.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.data import texts
from bench.data.batches import collate, prediction_order
from bench.data.tokens import tokenise
from bench.method import Task, registry
from bench.model.cpu_layers import replace_dropout
from bench.model.load import fetch, load_config, load_tokenizer
from bench.model.weights import load_model
from bench.run.worker.entry import prepare_process
from bench.study.datasets import resolve_dataset
from bench.study.models import resolve_model
from bench.study.settings import DataSettings, TrainSettings
from bench.study.study import Grid, Study
from bench.train.evaluate import for_inference, predict, quality
from bench.train.loop import autocast, epoch_batches, num_steps, schedule, train

BATCH_SIZE = 32
LEARNING_RATE = 1e-4
MAX_LENGTH = 128
CPU = torch.device("cpu")


class Work:
    """The data and a fresh model, the same for every contender."""

    def __init__(self, data_root: Path) -> None:
        study = Study(name="x", grid=(Grid(datasets=("tweet_eval_emotion",), models=("minilm",)),))
        self.dataset = texts.load(resolve_dataset("tweet_eval_emotion", study, data_root), DataSettings())
        self.source = resolve_model("minilm", study)
        self.folder = fetch(self.source)
        self.tokenizer = load_tokenizer(self.source, self.folder)
        self.tokens = {s: tokenise(self.dataset.splits[s].texts, self.tokenizer, MAX_LENGTH) for s in ("train", "test")}
        self.labels = {s: self.dataset.splits[s].labels for s in ("train", "test")}

    def model(self, seed: int = 0) -> Any:
        torch.manual_seed(seed)
        config = load_config(self.source, self.folder, len(self.dataset.labels))
        return load_model(self.source, self.folder, config, torch.float32, CPU)

    def macro_f1(self, scores: Any, labels: list[int]) -> float:
        """Of the test split, its labels in the order of the scores."""
        return quality(scores.argmax(axis=1), labels, self.dataset.labels, "test").macro_f1


class Ours:
    """tunebench's own loop, as bench.run.worker.entry sets it up; ``bare`` leaves out all but the work itself."""

    def __init__(self, work: Work, name: str) -> None:
        self.fast, self.bare = name == "fast", name == "bare"
        prepare_process("fast" if self.fast else "stock")
        self.work = work
        method_class = registry.load("full_ft", registry.find()["full_ft"].path)
        self.method = method_class(method_class.options_class(learning_rate=LEARNING_RATE))
        self.start(0)

    def start(self, seed: int) -> None:
        task = Task(labels=self.work.dataset.labels, max_length=MAX_LENGTH, kind="encoder")
        self.model = self.method.adapt(self.work.model(seed), task)
        if self.fast:
            replace_dropout(self.model)

    def train(self, steps: int, epochs: int = 1, seed: int = 0) -> dict[str, float]:
        settings = TrainSettings(epochs=epochs, batch_size=BATCH_SIZE)
        tokens, labels = self.work.tokens["train"], self.work.labels["train"]
        steps = min(steps, num_steps(len(labels), settings))
        batches = epoch_batches(tokens, labels, settings, self.work.tokenizer.pad_token_id, seed)
        begun = time.perf_counter()
        if self.bare:
            samples = self._bare(batches, steps)
        else:
            log = train(self.model, self.method, batches, steps, settings, CPU, torch.bfloat16, lambda done, of: None)
            samples = sum(log.samples)
        return {"seconds": time.perf_counter() - begun, "samples": samples}

    def _bare(self, batches: Any, steps: int) -> int:
        """The least that does the same work: no schedule object, no log, no clock."""
        optimizer = torch.optim.AdamW(self.method.parameter_groups(self.model), lr=LEARNING_RATE, fused=True)
        parameters = list(self.model.parameters())
        self.model.train()
        samples = 0
        for _ in range(steps):
            batch = next(batches)
            with autocast(CPU, torch.bfloat16):
                logits = self.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
            torch.nn.functional.cross_entropy(logits.float(), batch.labels).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            samples += len(batch.indices)
        return samples

    def predict(self) -> dict[str, float]:
        import copy

        model = for_inference(copy.deepcopy(self.model), torch.bfloat16, CPU, packed=self.fast)
        tokens, labels = self.work.tokens["test"], self.work.labels["test"]
        begun = time.perf_counter()
        order = prediction_order(tokens.lengths, BATCH_SIZE)
        batches = [collate(tokens, labels, indices, self.work.tokenizer.pad_token_id) for indices in order]
        scores, _ = predict(model, batches, len(self.work.dataset.labels), CPU, torch.float32, lambda done, of: None)
        seconds = time.perf_counter() - begun
        macro_f1 = self.work.macro_f1(scores, labels)
        return {"seconds": seconds, "samples": len(labels), "macro_f1": macro_f1}

    def epochs(self, count: int, seed: int) -> dict[str, float]:
        self.start(seed)
        self.train(sys.maxsize, count, seed)
        return self.predict()


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    """The token ids as the Trainer wants them."""

    def __init__(self, work: Work, split: str) -> None:
        tokens = work.tokens[split]
        pairs = zip(tokens.offsets, tokens.offsets[1:], work.labels[split], strict=False)
        self.rows = [{"input_ids": tokens.ids[a:b].tolist(), "labels": label} for a, b, label in pairs]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]


#: Settings of the Trainer that are tried, apart from bf16.
TRAINERS: dict[str, dict[str, Any]] = {
    "trainer": {}, "trainer_workers": {"dataloader_num_workers": 2, "dataloader_persistent_workers": True},
    "trainer_compiled": {"torch_compile": True},
}  # fmt: skip


class Theirs:
    """transformers.Trainer on tunebench's batches."""

    def __init__(self, work: Work, name: str) -> None:
        self.work, self.settings = work, TRAINERS[name]
        self.model = work.model()
        self.rows = {split: Rows(work, split) for split in ("train", "test")}

    def _trainer(self, order: Sequence[Any] = (), **more: Any) -> Any:
        """A Trainer that goes through these batches of texts, in training or prediction."""
        from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

        rows = self.rows["train"]

        class SameBatches(Trainer):
            def get_train_dataloader(self) -> Any:
                return torch.utils.data.DataLoader(
                    rows, batch_sampler=order, collate_fn=self.data_collator,
                    num_workers=self.args.dataloader_num_workers,
                )  # fmt: skip

            def get_test_dataloader(self, test_dataset: Any) -> Any:
                return torch.utils.data.DataLoader(test_dataset, batch_sampler=order, collate_fn=self.data_collator)

        arguments = TrainingArguments(
            tempfile.mkdtemp(), per_device_train_batch_size=BATCH_SIZE, per_device_eval_batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE, report_to=[], use_cpu=True, save_strategy="no", disable_tqdm=True,
            logging_strategy="no", bf16=True, bf16_full_eval=True, **self.settings, **more,
        )  # fmt: skip
        collator = DataCollatorWithPadding(self.work.tokenizer)
        return SameBatches(self.model, arguments, train_dataset=rows, data_collator=collator)

    def _order(self, epochs: int, seed: int) -> list[list[int]]:
        settings = TrainSettings(epochs=epochs, batch_size=BATCH_SIZE)
        return [rows.tolist() for rows in schedule(self.work.tokens["train"].lengths, settings, seed)]

    def train(self, steps: int) -> dict[str, float]:
        order = self._order(1, 0)[:steps]
        trainer = self._trainer(order, max_steps=len(order))
        begun = time.perf_counter()
        trainer.train()
        return {"seconds": time.perf_counter() - begun, "samples": sum(map(len, order))}

    def predict(self) -> dict[str, float]:
        order = [rows.tolist() for rows in prediction_order(self.work.tokens["test"].lengths, BATCH_SIZE)]
        trainer = self._trainer(order)
        begun = time.perf_counter()
        output = trainer.predict(self.rows["test"])
        seconds = time.perf_counter() - begun
        # Predictions and labels are in the order of the batches.
        scores, labels = np.asarray(output.predictions, dtype=np.float32), output.label_ids.tolist()
        macro_f1 = self.work.macro_f1(scores, labels)
        self.model.float()  # bf16_full_eval leaves the model in bf16
        return {"seconds": seconds, "samples": len(scores), "macro_f1": macro_f1}

    def epochs(self, count: int, seed: int) -> dict[str, float]:
        self.model = self.work.model(seed)
        order = self._order(count, seed)
        self._trainer(order, max_steps=len(order), seed=seed, warmup_steps=0.06).train()
        return self.predict()


def main() -> None:
    """Answer commands until the input ends."""
    name, data_root = sys.argv[1], Path(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    work = Work(data_root)
    contender = Theirs(work, name) if name in TRAINERS else Ours(work, name)
    print(json.dumps({"ready": name}), file=answers)
    for line in sys.stdin:
        verb, *numbers = line.split()
        print(json.dumps(getattr(contender, verb)(*map(int, numbers))), file=answers)


if __name__ == "__main__":
    main()
