"""Class names of a planned cell's dataset."""

from bench.data import texts
from bench.study.cell import Cell

_labels_read: dict[str, tuple[str, ...]] = {}


def labels_of(cell: Cell) -> tuple[str, ...]:
    """Class names by index; read from the texts only if the dataset does not declare them."""
    return cell.dataset.labels or _read_labels(cell)


def _read_labels(cell: Cell) -> tuple[str, ...]:
    key = f"{cell.dataset}{cell.data}"
    if key not in _labels_read:
        _labels_read[key] = texts.load(cell.dataset, cell.data, cell.seed).labels
    return _labels_read[key]
