"""Early stopping by made-up scores: when it ends, what it keeps, and that it works aside."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from bench.run.worker.early_stopping import EarlyStopping, best_step


class Course:
    """A training of as many points as there are scores, a point a step from 10 on."""

    def __init__(self, scores: Sequence[float], patience: int) -> None:
        self.kept: list[int] = []
        self.asides = 0
        left = iter(scores)
        points = range(10, 10 + len(scores))
        self.stopping = EarlyStopping(points, patience, lambda: next(left), self.aside, self.kept.append)
        self.done = 9
        for step in range(9, 10 + len(scores)):
            assert self.stopping(step) == (step >= 10)
            self.done = step
            if self.stopping.ended:
                break

    @contextmanager
    def aside(self) -> Iterator[None]:
        self.asides += 1
        yield


@pytest.mark.parametrize(
    ("scores", "patience", "points", "best", "kept"),
    [
        ([0.1, 0.2, 0.3], 1, 3, 12, [10, 11, 12]), ([0.3, 0.2, 0.4], 1, 2, 10, [10]),
        ([0.3, 0.2, 0.4, 0.1, 0.1, 0.9], 2, 5, 12, [10, 12]), ([0.3, 0.3, 0.3, 0.9], 2, 3, 10, [10]),
        ([0.0, 0.0], 1, 2, 10, [10]), ([0.5, 0.4, 0.4], 5, 3, 10, [10]),
    ],
    ids=["rises", "falls at once", "rises late", "equal is no better", "never above zero", "patient to the end"],
)  # fmt: skip
def test_it_ends_after_so_many_points_in_a_row_that_are_no_better(
    scores: list[float], patience: int, points: int, best: int, kept: list[int]
) -> None:
    course = Course(scores, patience)
    assert (list(course.stopping.found.values()), course.done) == (scores[:points], 9 + points)
    assert (course.asides, best_step(course.stopping.found), course.kept) == (points, best, kept)
