"""The predictions of a cell, read from predictions.jsonl."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import RunFolderError
from bench.record.files import MOST_BYTES_OF_LINES, UnusableFileError, read_text
from bench.text.json_text import loads

#: The class of each text.
Classes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions of one cell.

    Attributes:
        ids: ids of the texts, each once.
        labels: true class of each text, shape [N].
        predicted: predicted class of each text, shape [N].
    """

    ids: tuple[str, ...]
    labels: Classes
    predicted: Classes

    def in_order_of(self, ids: tuple[str, ...]) -> "Predictions | None":
        """The predictions reordered to these ids; None if the texts differ."""
        if self.ids == ids:
            return self
        if len(self.ids) != len(ids) or set(self.ids) != set(ids):
            return None
        place = {text: at for at, text in enumerate(self.ids)}
        order = [place[text] for text in ids]
        return Predictions(ids, self.labels[order], self.predicted[order])


def read(path: Path, num_labels: int) -> Predictions:
    """Read a predictions.jsonl of classes 0 to num_labels - 1.

    Raises:
        RunFolderError: the file is missing or damaged; the message names the cell and no folder above it.
    """
    name = f"{path.parent.name}/{path.name}"
    ids: list[str] = []
    classes: list[tuple[int, int]] = []
    try:
        for number, line in enumerate(read_text(path, MOST_BYTES_OF_LINES).splitlines(), start=1):
            text, label, predicted = _line(loads(line))
            if not (0 <= label < num_labels and 0 <= predicted < num_labels):
                raise RunFolderError(f"{name}: line {number} names a class that is not one of the {num_labels}")
            ids.append(text)
            classes.append((label, predicted))
    except FileNotFoundError:
        raise RunFolderError(f"{name} is missing") from None
    except UnusableFileError as error:
        raise RunFolderError(f"{name} cannot be read: {error}") from None
    except (ValueError, TypeError, KeyError, RecursionError, OSError) as error:
        raise RunFolderError(f"{name} cannot be read: {type(error).__name__} in line {len(ids) + 1}") from None
    if not ids or len(set(ids)) < len(ids):
        raise RunFolderError(f"{name} holds {'a text twice' if ids else 'no texts'}")
    labels, predictions = np.array(classes, dtype=np.int64).T
    return Predictions(tuple(ids), labels, predictions)


def _line(content: dict[str, Any]) -> tuple[str, int, int]:
    text, label, predicted = content["id"], content["label"], content["prediction"]
    if type(text) is not str or type(label) is not int or type(predicted) is not int:
        raise TypeError("an id is text, a class a whole number")
    return text, label, predicted
