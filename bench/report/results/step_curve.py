"""Throughput and loss of a timed pass, over buckets of consecutive steps."""

import csv
import io
import math
from itertools import groupby
from pathlib import Path
from typing import Literal, Self, get_args

import numpy as np
from pydantic import Field, model_validator

from bench.errors import RunFolderError
from bench.record.files import MOST_BYTES_OF_LINES, UnusableFileError, read_text
from bench.schema import Frozen

#: Points of a curve, about as many as a figure can show; the run folder keeps every step.
MOST_POINTS = 120
#: Significant digits, more than a figure can show.
DIGITS = 5
Pass = Literal["train", "inference", "generation"]


class StepCurve(Frozen):
    """One pass; each point covers the steps since the previous point."""

    name: Pass
    last_step: tuple[int, ...] = Field(description="last step of each point, from 1")
    elapsed_seconds: tuple[float, ...] = Field(description="time since the first step began, at the end of the point")
    # Samples per second would vary more with the length of the texts than with throttling.
    tokens_per_second: tuple[float, ...] = Field(description="throughput without padding")
    loss: tuple[float, ...] | None = Field(None, description="mean loss in nats; null if the pass has none")

    @model_validator(mode="after")
    def _require_one_length(self) -> Self:
        columns = (self.last_step, self.elapsed_seconds, self.tokens_per_second, self.loss)
        if len({len(column) for column in columns if column is not None}) > 1:
            raise ValueError("its columns are of different lengths")
        return self


def read(path: Path) -> tuple[StepCurve, ...]:
    """The passes of a steps.csv; empty if there is no file.

    Raises:
        RunFolderError: the file is damaged; the message names the cell and no folder above it.
    """
    if not path.is_file():
        return ()
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path, MOST_BYTES_OF_LINES), newline="")))
        with np.errstate(all="raise"):
            return tuple(_curve(name, list(steps)) for name, steps in groupby(rows, lambda row: row["pass"]))
    except FileNotFoundError:
        return ()
    except UnusableFileError as error:
        raise RunFolderError(f"{path.parent.name}/{path.name} cannot be read: {error}") from None
    except (ValueError, KeyError, TypeError, ArithmeticError, csv.Error, OSError) as error:
        name = f"{path.parent.name}/{path.name}"
        raise RunFolderError(f"{name} cannot be read: {type(error).__name__}") from None


def _curve(name: str, steps: list[dict[str, str]]) -> StepCurve:
    if name not in get_args(Pass):
        raise ValueError(f"no such pass: {name}")
    seconds, tokens = (np.array([float(step[column]) for step in steps]) for column in ("seconds", "tokens"))
    losses = np.array([float(step["loss"]) for step in steps]) if steps[0]["loss"] else None
    ends = np.unique(np.linspace(0, len(steps), min(MOST_POINTS, len(steps)) + 1).round().astype(int))
    starts = ends[:-1]
    took = np.add.reduceat(seconds, starts)
    return StepCurve(
        name=name, last_step=tuple(ends[1:].tolist()), elapsed_seconds=_short(np.cumsum(took)),
        tokens_per_second=_short(np.add.reduceat(tokens, starts) / took),
        loss=None if losses is None else _short(np.add.reduceat(losses, starts) / np.diff(ends)),
    )  # fmt: skip


def _short(values: np.ndarray) -> tuple[float, ...]:
    if not all(map(math.isfinite, values)):
        raise ValueError("not all numbers are finite")
    return tuple(float(f"{value:.{DIGITS}g}") for value in values)
