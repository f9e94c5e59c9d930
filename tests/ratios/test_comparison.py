"""What is compared with what, and the sets that fit into memory."""

from typing import Any

import pytest

from bench.errors import StudyError
from bench.ratios.comparison import Prediction, comparisons, reference_of, sets_in_memory
from bench.study.cell import Cell
from tests.ratios.fakes import make_cell

GB = 10**9


def predicted(cells: list[Cell], **needed: float | None) -> dict[str, Prediction]:
    """One gigabyte for each cell unless said otherwise; the method whole trains all parameters, and zero nothing."""
    return {
        cell.id: Prediction(
            needed_bytes=None if (size := needed.get(cell.method.name, 1.0)) is None else int(size * GB),
            trains=cell.method.name != "zero", trains_all=cell.method.name == "whole",
        )
        for cell in cells
    }  # fmt: skip


def names(sets: list[list[Cell]]) -> list[str]:
    return ["".join(cell.method.name for cell in cells) for cells in sets]


def test_of_several_seeds_and_repeats_the_first_is_measured() -> None:
    cells = [make_cell(name, seed=seed, repeat=repeat) for repeat in (0, 1) for seed in (0, 1) for name in "ab"]
    (group,) = comparisons(cells)
    assert [(cell.method.name, cell.seed, cell.repeat) for cell in group] == [("a", 0, 0), ("b", 0, 0)]


@pytest.mark.parametrize(
    "other", [{"train": {"batch_size": 8}}, {"data": {"max_length": 64}}, {"train": {"inference_batch_size": 8}}]
)
def test_methods_with_other_batches_are_not_compared(other: dict[str, Any]) -> None:
    cells = [make_cell("a"), make_cell("b"), make_cell("c", **other)]
    assert names(comparisons(cells)) == ["ab", "c"]


def test_one_method_is_refused() -> None:
    with pytest.raises(StudyError, match=r"a ratio needs two methods .* got d / m: a; add a method"):
        comparisons([make_cell("a", seed=seed) for seed in (0, 1)])


@pytest.mark.parametrize(
    ("methods", "wanted", "reference"),
    [
        (("part", "whole"), None, "whole"), (("zero", "part"), None, "part"), (("zero", "nil"), None, "nil"),
        (("part", "whole"), "part", "part"), (("part", "other"), "whole", "part"),
    ],
)  # fmt: skip
def test_the_reference(methods: tuple[str, ...], wanted: str | None, reference: str) -> None:
    cells = [make_cell(name) for name in methods]
    assert reference_of(cells, predicted(cells), wanted).method.name == reference


@pytest.mark.parametrize(
    ("free", "needed", "sets"),
    [
        (100.0, {}, ["bcd"]), (3.4, {}, ["bc", "d"]), (2.3, {}, ["b", "c", "d"]), (0.5, {}, ["b", "c", "d"]),
        (100.0, {"c": None}, ["b", "c", "d"]), (100.0, {"a": None}, ["b", "c", "d"]), (4.0, {"b": 2.0}, ["b", "cd"]),
    ],
)  # fmt: skip
def test_sets_fit_into_memory_with_the_reference(free: float, needed: dict[str, float | None], sets: list[str]) -> None:
    reference, *others = cells = [make_cell(name) for name in "abcd"]
    assert names(sets_in_memory(reference, others, predicted(cells, **needed), int(free * GB))) == sets
