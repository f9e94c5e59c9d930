"""The methods that are compared with each other, their reference, and the sets that fit into memory."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.errors import StudyError
from bench.study.cell import Cell

#: Part of the available memory that a set of processes may need by the prediction.
USABLE_FRACTION = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The plan's answer about a cell.

    Attributes:
        needed_bytes: memory of its process, with a reserve; None if it is not predicted.
        trains: whether the method trains.
        trains_all: whether it trains all parameters.
    """

    needed_bytes: int | None
    trains: bool
    trains_all: bool


def comparisons(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells of equal work: one of each method, of the first seed, by dataset, model and batches.

    Raises:
        StudyError: no dataset and model has two methods.
    """
    rows = {cell.row_id: cell for cell in reversed(cells)}
    found: dict[str, list[Cell]] = {}
    for cell in reversed(rows.values()):
        found.setdefault(_work(cell), []).append(cell)
    groups = [group for group in found.values() if len(group) > 1]
    if not groups:
        alone = "; ".join(f"{cell.dataset.name} / {cell.model.name}: {cell.method.name}" for [cell] in found.values())
        raise StudyError(
            f"study {cells[0].study}: a ratio needs two methods with the same dataset, model, data settings and batch "
            f"sizes, got {alone}; add a method, or give --only another value"
        )
    return list(found.values())


def _work(cell: Cell) -> str:
    """What determines the batches of a cell."""
    train = cell.train
    facts = [
        cell.dataset.model_dump(mode="json"), cell.model.model_dump(mode="json"), cell.data.model_dump(mode="json"),
        None if cell.prompt is None else cell.prompt.model_dump(mode="json"), cell.seed, train.batch_size,
        train.inference_batch_size, train.max_steps, train.loss_tokens,
    ]  # fmt: skip
    return json.dumps(facts, sort_keys=True)


def reference_of(group: Sequence[Cell], predicted: Mapping[str, Prediction], wanted: str | None) -> Cell:
    """The method that the others are compared with.

    Without a wish it is the first one that trains all parameters, else the first one that trains, else the first.

    Args:
        group: cells of one comparison.
        predicted: plan's answer by cell id.
        wanted: name of a method; None without a wish.
    """
    for cell in group:
        if cell.method.name == wanted:
            return cell
    by_rank = sorted(group, key=lambda cell: (not predicted[cell.id].trains_all, not predicted[cell.id].trains))
    return by_rank[0]


def sets_in_memory(
    reference: Cell, others: Sequence[Cell], predicted: Mapping[str, Prediction], free_bytes: int
) -> list[list[Cell]]:
    """Divide the others into sets that fit beside the reference, as few as possible in the study's order.

    A method without a prediction is alone with the reference, as is one that is not predicted to fit, which is tried.

    Args:
        reference: method in every set.
        others: methods to divide.
        predicted: plan's answer by cell id.
        free_bytes: memory that processes may take now.
    """
    sets: list[list[Cell]] = []
    left = 0.0
    base = predicted[reference.id].needed_bytes
    for cell in others:
        need = predicted[cell.id].needed_bytes
        if sets and need is not None and need <= left:
            sets[-1].append(cell)
            left -= need
        else:
            sets.append([cell])
            left = 0.0 if need is None or base is None else free_bytes * USABLE_FRACTION - base - need
    return sets
