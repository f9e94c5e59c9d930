"""The interval of a row's F1, and which rows differ significantly from the best of their model and dataset."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.report.analysis.f1_significance import F1Significance, RowSignificance
from bench.report.analysis.paired import difference
from bench.report.analysis.significance import ONE_SEED, decide
from bench.report.analysis.stacked import reader
from bench.report.results.measured import Evidence, Measured
from bench.report.results.predictions import Classes, Predictions
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.predicted import TRUTH, Cells, flipped

PERFECT = list(TRUTH)
WRONG = flipped(*range(12))
FULL = ("texts", "seeds")


@pytest.fixture
def cells(make_record: MakeRecord, tmp_path: Path) -> Cells:
    return Cells(make_record, tmp_path)


def row(cells: Cells, method: str, *predicted: Sequence[int]) -> list[Measured]:
    return [cells.measured(one, method=method, seed=seed) for seed, one in enumerate(predicted)]


def found(*rows: Sequence[Measured], read: bool = True) -> list[RowSignificance]:
    cells = [cell for of in rows for cell in of]
    significance = F1Significance([record for record, _ in cells], reader(cells) if read else None)
    return significance.of_rows([[record for record, _ in of] for of in rows])


def array(*predicted: Sequence[int]) -> Classes:
    return np.array(predicted)


def test_intervals_are_those_of_the_difference(cells: Cells) -> None:
    first, second = [flipped(0), flipped(1), PERFECT], [flipped(0, 5), flipped(0, 1), flipped(7)]
    best, other = found(row(cells, "A", *first), row(cells, "B", *second))
    expected = difference(np.array(TRUTH), array(*first), array(*second), 2)
    assert best.is_best
    assert best.against is None
    assert (known(other.against).best, known(other.against).over, known(other.against).reason) == (0, FULL, "")
    assert known(other.against).lead == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert known(other.against).verdict == "no significant difference"
    assert known(other.against).detectable == pytest.approx(known(decide([expected.estimate])[0].detectable))
    assert not other.is_best


def test_an_interval_holds_texts_and_seeds(cells: Cells) -> None:
    """Seeds that agree: the variance of texts; and seeds that do not: cut to what F1 can be."""
    steady, shaky = found(row(cells, "A", *[flipped(0)] * 3), row(cells, "B", PERFECT, WRONG))
    assert steady.over == shaky.over == FULL
    assert steady.interval is not None
    assert 0.5 < steady.interval[0] < 0.92 < steady.interval[1] == 1
    assert shaky.interval == (0, 1)


def test_lower_rows_are_found(cells: Cells) -> None:
    _, lower = found(row(cells, "A", PERFECT, PERFECT), row(cells, "B", WRONG, WRONG))
    assert (known(lower.against).verdict, known(lower.against).lead) == ("lower", (1, 1))


def test_one_seed_with_predictions(cells: Cells) -> None:
    best, other = found(row(cells, "A", PERFECT), row(cells, "B", WRONG))
    assert (best.interval, best.over, best.rank) == ((1, 1), ("texts",), "")
    assert (known(other.against).verdict, known(other.against).over) == ("unknown", ("texts",))
    assert known(other.against).reason == "one seed, so the variation between seeds is unknown"
    assert known(other.against).lead == (1, 1)


def test_one_seed_without_predictions(cells: Cells) -> None:
    best, other = found(row(cells, "A", PERFECT), row(cells, "B", flipped(0)), read=False)
    assert (best.interval, best.over, best.unread) == (None, (), "")
    assert (known(other.against).verdict, known(other.against).lead) == ("unknown", None)
    assert known(other.against).reason == f"{ONE_SEED}; no predictions beside the records"


def test_records_alone_know_the_seeds(cells: Cells) -> None:
    best, other = found(row(cells, "A", PERFECT, flipped(0)), row(cells, "B", flipped(0, 1), PERFECT), read=False)
    assert (best.over, known(other.against).over) == (("seeds",), ("seeds",))
    low, high = known(known(other.against).lead)
    assert low < 0 < high
    assert known(other.against).verdict == "no significant difference"


def test_the_first_of_equals_is_the_best(cells: Cells) -> None:
    same = [flipped(0), flipped(1)]
    first, second = found(row(cells, "A", *same), row(cells, "B", *same))
    assert first.is_best
    assert (known(second.against).verdict, known(second.against).lead) == ("no significant difference", (0, 0))
    assert known(second.against).detectable is None, "nothing varies"


def test_predictions_that_are_missing(cells: Cells) -> None:
    rows = row(cells, "A", PERFECT, flipped(0)), row(cells, "B", flipped(0), flipped(0, 1)), row(cells, "C", WRONG)
    for of in rows[1:]:
        of[0] = of[0]._replace(evidence=Evidence(f"{of[0].record.cell_id}/predictions.jsonl is missing"))
    best, fewer, single = found(*rows)
    assert best.over == FULL
    assert (fewer.over, fewer.unread) == (("seeds",), f"{rows[1][0][0].cell_id}/predictions.jsonl is missing")
    assert known(fewer.against).over == ("seeds",)
    assert (known(single.against).verdict, single.interval) == ("unknown", None)
    assert known(single.against).reason == f"{ONE_SEED}; {rows[2][0][0].cell_id}/predictions.jsonl is missing"


def test_predictions_of_other_texts(cells: Cells) -> None:
    """Each row has an interval of its own; the difference of one seed is not known."""
    first, second = row(cells, "A", PERFECT), row(cells, "B", flipped(0))
    before = second[0].evidence.predictions
    assert isinstance(before, Predictions)
    other = replace(before, ids=tuple(f"other/{text}" for text in before.ids))
    second[0] = second[0]._replace(evidence=Evidence(other))
    best, row_b = found(first, second)
    assert best.over == row_b.over == ("texts",)
    assert known(row_b.against).verdict == "unknown"
    assert "one seed" in known(row_b.against).reason


def test_seeds_are_paired(cells: Cells) -> None:
    """The best has a seed more; on those of both, nothing differs."""
    first = row(cells, "A", flipped(0), flipped(1), PERFECT)
    second = row(cells, "B", flipped(0), flipped(1))
    for read in (True, False):
        _, other = found(first, second, read=read)
        assert known(known(other.against)).lead == (0, 0)


def test_higher_on_the_seeds_of_both(cells: Cells) -> None:
    first, second = row(cells, "A", WRONG, WRONG, PERFECT, PERFECT, PERFECT), row(cells, "B", *[flipped(*range(7))] * 2)
    _, other = found(first, second)
    assert known(other.against).verdict == "higher"


def test_no_seed_in_common(cells: Cells) -> None:
    second = [cells.measured(flipped(0), method="B", seed=5)]
    _, other = found(row(cells, "A", PERFECT), second)
    assert (known(other.against).verdict, known(other.against).reason) == ("unknown", "no seed that both measured")


def test_other_data_is_not_compared(cells: Cells) -> None:
    data = known(cells.make_record().data)
    second = [cells.measured(flipped(0), {"data": data.model_dump() | {"sha256": "e"}}, method="B", seed=s)
              for s in (0, 1)]  # fmt: skip
    _, other = found(row(cells, "A", PERFECT, PERFECT), second)
    assert known(other.against).reason == "the texts or labels that they read differ"


def test_rows_of_other_datasets_and_models_stand_alone(cells: Cells) -> None:
    rows = [[cells.measured(PERFECT, dataset=dataset, model=model)] for dataset, model in ("AM", "AN", "BM")]
    assert all(one.against is None and not one.is_best for one in found(*rows))


def test_rows_without_f1_have_no_standing(cells: Cells) -> None:
    random, failed = [cells.measured(PERFECT, method="R", weights="random")], [cells.failed(method="F")]
    assert found(random, failed) == [RowSignificance(), RowSignificance()]


def test_the_texts_widen_what_seeds_agree_on(cells: Cells) -> None:
    """Two seeds that agree on a lead of one text in twelve: significant for fixed texts, but not over texts."""
    rows = row(cells, "A", PERFECT, PERFECT), row(cells, "B", flipped(0), flipped(0))
    _, by_seeds = found(*rows, read=False)
    _, by_both = found(*rows)
    assert known(by_seeds.against).verdict == "lower"
    assert known(by_both.against).verdict == "no significant difference"


def test_all_pairs_of_rows_count(cells: Cells) -> None:
    """A lead of two rows that is significant alone is none of six: the best is chosen from the same data."""
    first = [flipped(*at) for at in ((0, 1), (2, 3), (4, 5))]
    second = [flipped(*range(8)), flipped(*range(9)), flipped(*range(10))]
    rows = row(cells, "A", *first), row(cells, "B", *second), row(cells, "C", *first), row(cells, "D", *first)
    alone, among = found(*rows[:2])[1], found(*rows)[1]
    assert known(alone.against).lead == known(among.against).lead
    assert known(among.against).p_value == pytest.approx(6 * known(known(alone.against).p_value))


HALF = flipped(*range(6))


@pytest.mark.parametrize(
    ("predicted", "read", "wanted"),
    [
        ([[WRONG] * 2, [PERFECT] * 2, [HALF] * 2], True, ["", "best", "second"]),
        ([[WRONG] * 2, [PERFECT] * 2], True, ["", "best"]),  # nothing is below the other: it is the last
        ([[PERFECT] * 2], True, [""]),
        ([[PERFECT] * 2, [flipped(0)] * 2, [WRONG] * 2], True, ["", "", ""]),  # the best is not above the second
        ([[PERFECT] * 2, [flipped(*range(8))] * 2, [flipped(*range(9))] * 2], True, ["best", "", ""]),  # nor the second
        ([[PERFECT], [HALF], [WRONG]], True, ["", "", ""]),  # one seed
        ([[PERFECT], [flipped(0)], [WRONG]], False, ["", "", ""]),  # one seed without predictions
    ],
)
def test_best_and_second(cells: Cells, predicted: list[list[list[int]]], read: bool, wanted: list[str]) -> None:
    rows = [row(cells, name, *of) for name, of in zip("ABC", predicted, strict=False)]
    assert [row.rank for row in found(*rows, read=read)] == wanted


def test_rows_without_f1_take_no_rank_away(cells: Cells) -> None:
    of_rows = found([cells.failed(method="F")], row(cells, "A", *[PERFECT] * 2), row(cells, "B", *[WRONG] * 2))
    assert [row.rank for row in of_rows] == ["", "best", ""]


def test_rows_of_two_models_are_judged_on_the_same_texts(cells: Cells) -> None:
    """As within a budget, where any model may win."""
    rows = [[cells.measured(one, method="A", model=model, seed=seed) for seed in (0, 1)]
            for model, one in (("large", PERFECT), ("small", WRONG))]  # fmt: skip
    significance = F1Significance(
        [record for of in rows for record, _ in of], reader([cell for of in rows for cell in of])
    )
    _, other = significance.of_rows([[record for record, _ in of] for of in rows], lambda _: "all")
    assert (known(other.against).verdict, known(other.against).over) == ("lower", FULL)


def test_significance_within_other_groups(cells: Cells) -> None:
    """Two rows that are best of nothing together may be best of their own."""
    rows = [row(cells, name, *[one] * 2) for name, one in zip("ABCD", (PERFECT, PERFECT, WRONG, WRONG), strict=True)]
    group = {"A": 1, "B": 2, "C": 1, "D": 2}
    measured = [cell for of in rows for cell in of]
    significance = F1Significance([record for record, _ in measured], reader(measured))
    records = [[record for record, _ in of] for of in rows]
    assert [one.rank for one in significance.of_rows(records)] == ["", "", "", ""]
    assert [one.rank for one in significance.of_rows(records, lambda record: group[record.cell.method.name])] == [
        "best", "best", "", "",
    ]  # fmt: skip


def test_a_seed_whose_first_repeat_failed_is_told_by_the_next(cells: Cells) -> None:
    again = [cells.measured(PERFECT, method="A", repeat=1), cells.measured(PERFECT, method="A", seed=1)]
    rows = [cells.failed(method="A"), *again], row(cells, "B", *[flipped(0)] * 2), row(cells, "C", *[WRONG] * 2)
    best, other, worst = found(*rows)
    assert best.is_best
    assert best.interval == (1, 1)
    assert (known(other.against).best, known(other.against).verdict) == (0, "no significant difference")
    assert (known(worst.against).verdict, best.rank, other.rank) == ("lower", "", "")


def test_seeds_with_their_own_splits(cells: Cells) -> None:
    """Each seed read other texts of train; the test texts are the same, so that rows are compared on them."""
    rows = []
    for method, predicted in (("A", [PERFECT, flipped(0)]), ("B", [flipped(1, 2, 3), flipped(1, 2)])):
        rows.append([resampled(cell, seed) for seed, cell in enumerate(row(cells, method, *predicted))])
    best, other = found(*rows)
    assert best.over == known(other.against).over == ("texts", "seeds", "splits")
    with_other_texts = [resampled(cell, 7) for cell in rows[1]]
    assert known(found(rows[0], with_other_texts)[1].against).reason == "the texts or labels that they read differ"


def resampled(cell: Measured, texts: int) -> Measured:
    """The cell with a split of its seed's own."""
    record = cell.record
    settings = record.cell.data.model_copy(update={"resample_splits": True})
    data = known(record.data).model_copy(update={"sha256": f"train {texts}"})
    changed = record.model_copy(update={"data": data, "cell": record.cell.model_copy(update={"data": settings})})
    return cell._replace(record=changed)
