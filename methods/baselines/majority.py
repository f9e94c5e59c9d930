"""Majority: every text gets the most frequent class of train."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.method import LabelledTexts, TextMethod, Texts


class Majority(TextMethod):
    """Answers with the most frequent class of train, whatever the text."""

    label = "Majority class"

    def fit(self, train: LabelledTexts, validation: LabelledTexts, labels: Sequence[str]) -> None:
        """Count the classes of train."""
        counts = np.bincount(np.asarray(train.labels), minlength=len(labels))
        self._shares = (counts / counts.sum()).astype(np.float32)

    def predict(self, texts: Texts) -> NDArray[np.float32]:
        """The share of each class in train, for every text."""
        return np.tile(self._shares, (len(texts), 1))

    def save(self, folder: Path) -> None:
        """Write the shares as JSON."""
        (folder / "classes.json").write_text(json.dumps({"shares": self._shares.tolist()}) + "\n", encoding="utf-8")

    def num_parameters(self) -> int:
        """One share a class."""
        return int(self._shares.size)
