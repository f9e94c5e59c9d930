"""Time to 95 % of full training's F1: from validation points, as an upper bound, or never reached."""

from typing import Any

import pytest

from bench.report.charts.rows import ReportRow, rows
from bench.report.page.targets import NEVER, UNKNOWN, Course, course, embedded, reached, reference
from tests.report.conftest import MakeRecord
from tests.report.page.conftest import significances_of
from tests.report.predicted import RUN, results

FULL = Course(((10, 0.5), (20, 0.8)), 0.8, 0.79, 20, 3)


def of(
    points: tuple[tuple[float, float], ...] = (),
    end: float | None = None,
    tested: float | None = None,
    seconds: float | None = 50,
) -> Course:
    return Course(points, end, tested, seconds, 3)


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        (of(points=((5, 0.2), (7.256, 0.76), (9, 0.8)), end=0.8), "7.26 s"),
        (of(points=((5, 0.2), (9, 0.7599)), end=0.7599), NEVER), (of(points=((1234.4, 0.9),), end=0.9), "1,234 s"),
        (of(end=0.77), "at most 50 s"), (of(end=0.75), NEVER), (of(tested=0.76), "at most 50 s"),
        (of(tested=0.74), NEVER), (of(end=0.77, seconds=0), "0 s: trains nothing"),
        (of(end=0.77, seconds=None), UNKNOWN), (of(), UNKNOWN),
    ],
)  # fmt: skip
def test_when_a_row_is_there(own: Course, wanted: str) -> None:
    assert reached(own, FULL) == wanted


def test_test_f1_is_held_against_test_f1_alone() -> None:
    assert reached(of(points=((1, 0.9),), end=0.9, tested=0.7), of(tested=0.79)) == NEVER


def rows_of(make_record: MakeRecord, *given: dict[str, Any]) -> list[ReportRow]:
    run = results(RUN, *(make_record(**one) for one in given))
    return rows(run, significances_of(run))


def points(*pairs: tuple[int, float, float]) -> dict[str, Any]:
    training = {"steps": 4, "samples": 8, "final_loss": 0.1, "speed": None, "train_seconds": 9.0}
    return {
        "training": training | {"validation": [{"step": s, "train_seconds": t, "macro_f1": f} for s, t, f in pairs]}
    }


def test_a_course_is_the_mean_over_seeds_at_steps_that_all_have(make_record: MakeRecord) -> None:
    (row,) = rows_of(
        make_record,
        {"seed": 0, "fields": points((2, 1.0, 0.4), (4, 2.0, 0.6))},
        {"seed": 1, "fields": points((2, 3.0, 0.6), (3, 3.5, 0.9), (4, 4.0, 0.8))},
    )
    found = course(row)
    assert [value for point in found.points for value in point] == pytest.approx([2.0, 0.5, 3.0, 0.7])
    assert (found.seconds, found.seeds) == (9.0, 2)
    assert found.end == pytest.approx(0.7)


def test_full_training_trains_all_that_it_stores_and_stores_the_fewest(make_record: MakeRecord) -> None:
    def sized(name: str, trainable: int, total: int) -> dict[str, Any]:
        counts = {"trainable_params": trainable, "total_params": total, "logical_params": total}
        return {"method": name, "method_name": name, "fields": {"parameters": counts}}

    found = rows_of(make_record, sized("part", 1, 100), sized("more", 120, 120), sized("all", 100, 100))
    assert (reference(found), reference(found[:1])) == (2, None)
    (group,) = embedded(found)
    assert (group["reference"], group["rows"]) == (2, [0, 1, 2])
    assert [len(line) for line in group["reached"]] == [3, 3, 3]


def test_a_row_alone_has_nothing_to_be_held_against(make_record: MakeRecord) -> None:
    assert embedded(rows_of(make_record, {})) == []


def test_random_weights_have_no_course(make_record: MakeRecord) -> None:
    (row,) = rows_of(make_record, {"weights": "random", "fields": points((2, 1.0, 0.4))})
    assert (course(row).points, course(row).end) == ((), None)
