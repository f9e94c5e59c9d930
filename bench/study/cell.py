"""A cell: dataset x model x method x seed, with a stable id."""

import hashlib
import json
import re
from typing import Any, Literal

from pydantic import Field, model_validator

from bench.method.registry import MethodSource
from bench.schema import Frozen
from bench.study.datasets import DatasetSource
from bench.study.models import ModelSource
from bench.study.settings import DataSettings, Limits, PromptSettings, TrainSettings
from bench.study.values import Device

#: Settings added after the first release, with the value of the earlier behaviour, which does not enter the id.
ADDED: tuple[tuple[str, str, Any], ...] = (
    ("dataset", "pair_column", None), ("dataset", "label_values", None), ("data", "test_fraction", 0.2),
    ("data", "resample_splits", False),
    ("model", "bits", None), ("model", "architecture", None), ("model", "tokenizer", None),
    ("model", "chat_template", None), ("model", "special_tokens", []), ("model", "scale", None),
    ("model", "attention", None), ("model", "head", "fresh"), ("train", "gradient_checkpointing", False),
    ("train", "optimizer", "adamw"), ("train", "validation_points", 0), ("train", "weights_storage", "auto"),
    ("train", "gradient_accumulation_steps", 1), ("train", "loss_tokens", "answer"), ("train", "class_weights", "none"),
    ("train", "label_smoothing", 0.0), ("train", "keep", "last"), ("train", "early_stopping_patience", None),
    ("train", "kernels", "fast"),
)  # fmt: skip


class Cell(Frozen):
    """Everything that a worker needs to measure one combination."""

    schema_version: Literal[1] = 1
    study: str
    dataset: DatasetSource
    model: ModelSource
    method: MethodSource
    seed: int = Field(ge=0)
    repeat: int = Field(0, ge=0, description="number of the measurement of the same cell, from 0")
    device: Device = "auto"
    data: DataSettings
    train: TrainSettings
    prompt: PromptSettings | None = Field(None, description="prompt of a causal model; null for an encoder")
    limits: Limits
    searching: bool = Field(
        False, description="a trial of a search: trained and evaluated on validation texts, nothing else is measured"
    )
    prune_below: tuple[float | None, ...] = Field(
        (), description="macro F1 at each validation point below which a trial ends; null: none"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_earlier_kernels(cls, values: Any) -> Any:
        """Cells from before the setting had the fast kernels, which are not its default."""
        if isinstance(values, dict) and isinstance(values.get("train"), dict):
            return values | {"train": {"kernels": "fast"} | values["train"]}
        return values

    @property
    def id(self) -> str:
        """A readable, stable id: names, seed and a hash of everything that can change a result, without paths.

        Only given options are hashed, because the plugin's hash covers its defaults.
        """
        facts = self.model_dump(mode="json", exclude={"study": True, "limits": True, "prune_below": True})
        for place, keys in (
            ("dataset", ("files", "label")),
            ("model", ("folder", "label")),
            ("method", ("path", "label", "options")),
        ):
            for key in keys:
                facts[place].pop(key)
        if facts["prompt"] is None:
            facts.pop("prompt")
        for key in ("repeat", "searching"):
            if not facts[key]:
                facts.pop(key)
        for place, key, before in ADDED:
            if facts[place][key] == before:
                facts[place].pop(key)
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        run = f"s{self.seed}" + (f"r{self.repeat}" if self.repeat else "")
        names = (self.dataset.name, self.model.name, self.method.name, run)
        return "__".join(slug(name) for name in names) + f"-{digest}"

    @property
    def row_id(self) -> str:
        """The id without seed and repeat; cells with the same row_id are one row of a table."""
        return self.model_copy(update={"seed": 0, "repeat": 0}).id


def slug(name: str) -> str:
    """A part of a folder name: no separators, no leading dot or dash, at most 40 characters."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name)[-40:].strip("._-") or "x"
