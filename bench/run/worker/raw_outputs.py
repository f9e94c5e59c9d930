"""Raw outputs beside the record: every step of every timed pass, and every prediction."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data import texts
from bench.record.files import write_text
from bench.record.run_folder import CellFolder
from bench.train.evaluate import NO_CLASS
from bench.train.loop import StepLog

#: Generated answers, and the class that each of them names.
Answers = tuple[list[str], NDArray[np.int64]]


def write_steps(paths: CellFolder, logs: Mapping[str, StepLog]) -> None:
    """Write steps.csv, with one line for each step."""
    lines = ["pass,step,seconds,samples,tokens,padded_tokens,loss,learning_rate"]
    for name, log in logs.items():
        for i, seconds in enumerate(log.seconds):
            loss = f"{log.losses[i]!r},{log.learning_rates[i]!r}" if log.losses else ","
            lines.append(f"{name},{i},{seconds!r},{log.samples[i]},{log.tokens[i]},{log.padded_tokens[i]},{loss}")
    write_text(paths.steps, "\n".join(lines) + "\n")


def write_split(paths: CellFolder, dataset: texts.Dataset) -> None:
    """Write split.csv, with the id and split of each text of a file without splits, in the order of the file."""
    places = [(int(id.partition("/")[2]), id, name) for name, split in dataset.splits.items() for id in split.ids]
    write_text(paths.split, "id,split\n" + "".join(f"{id},{name}\n" for _, id, name in sorted(places)))


def write_predictions(
    paths: CellFolder, split: texts.Split, labels: Sequence[int], scores: NDArray[np.float32], answers: Answers | None
) -> None:
    """Write predictions.jsonl, with id, label, prediction, scores and any generated answer of each text."""
    predicted = scores.argmax(axis=1).tolist()
    rows = zip(split.ids, labels, predicted, scores.tolist(), strict=True)
    lines: list[dict[str, Any]] = [{"id": i, "label": y, "prediction": p, "scores": s} for i, y, p, s in rows]
    if answers is not None:
        for line, answer, named in zip(lines, answers[0], answers[1].tolist(), strict=True):
            line |= {"answer": answer, "answer_prediction": None if named == NO_CLASS else named}
    write_text(paths.predictions, "\n".join(map(json.dumps, lines)) + "\n")
