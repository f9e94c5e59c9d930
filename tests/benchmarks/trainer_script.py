"""What a user without tunebench writes for one cell: fine-tune MiniLM with transformers.Trainer and print macro F1.

python trainer_script.py DATA_FOLDER MODEL_FOLDER full_ft|lora SEED
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from peft import LoraConfig, TaskType, get_peft_model
from sklearn.metrics import f1_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

MAX_LENGTH = 128


class Texts(torch.utils.data.Dataset[dict[str, object]]):
    """Tokenised texts and their labels."""

    def __init__(self, file: Path, tokenizer: object) -> None:
        rows = pd.read_json(file, lines=True)
        self.labels = rows["label"].tolist()
        self.ids = tokenizer(rows["text"].tolist(), truncation=True, max_length=MAX_LENGTH)["input_ids"]  # type: ignore[operator]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, object]:
        return {"input_ids": self.ids[index], "labels": self.labels[index]}


def main(data: Path, model_folder: str, method: str, seed: int) -> None:
    """Train for one epoch, predict validation and test texts, and save what was trained."""
    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    splits = {name: Texts(data / f"{name}.jsonl.gz", tokenizer) for name in ("train", "validation", "test")}
    classes = len(set(splits["train"].labels))
    model = AutoModelForSequenceClassification.from_pretrained(model_folder, num_labels=classes)
    if method == "lora":
        model = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, r=8, lora_alpha=16))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=1, per_device_train_batch_size=32, per_device_eval_batch_size=32, bf16=True,
            learning_rate=2e-4 if method == "full_ft" else 5e-3, warmup_steps=0.06, use_cpu=True, report_to=[],
            save_strategy="no", train_sampling_strategy="group_by_length", seed=seed,
        )  # fmt: skip
        trainer = Trainer(
            model, arguments, train_dataset=splits["train"], data_collator=DataCollatorWithPadding(tokenizer)
        )
        trainer.train()
        for name in ("validation", "test"):
            output = trainer.predict(splits[name])
            predicted = np.asarray(output.predictions).argmax(axis=1)
            print(name, f1_score(output.label_ids, predicted, average="macro"))
        trainer.save_model(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
