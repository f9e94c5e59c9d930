"""The noise of a metric, from each source."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.commands.compare import metrics
from bench.commands.compare.judging import judge
from bench.commands.compare.metrics import Metric
from bench.commands.compare.moves import Rules
from bench.commands.compare.noise import difference
from bench.commands.compare.pairs import Pair
from bench.record.record import Record
from bench.report.analysis.paired import difference as paired_difference
from bench.report.analysis.significance import Significance, student_interval
from bench.report.results.measured import Evidence, Measured
from tests.commands.compare.support import alone, pairs
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.predicted import TRUTH, Cells, flipped

METRICS = {one.quantity.column: one for one in metrics.of_row(())}
F1, GENERATED_F1 = METRICS["macro_f1"], METRICS["generated_macro_f1"]
SPEED, MEMORY = METRICS["inference_samples_per_second"], METRICS["peak_train_mb"]
TRAIN_SPEED, PARAMS = METRICS["train_samples_per_second"], METRICS["trainable_params"]
PERFECT = list(TRUTH)


def of(metric: Metric, row: tuple[Pair, ...]) -> Significance:
    moves, _ = judge([row], Rules())
    (move,) = (one for one in moves if one.metric.quantity.column == metric.quantity.column)
    return known(move.noise)


def test_the_difference_of_a_quality_is_absolute_and_that_of_a_cost_relative() -> None:
    assert (difference(F1, 0.5, 0.75), difference(SPEED, 200.0, 150.0)) == (0.25, -0.25)
    assert difference(SPEED, -200.0, -150.0) == 0.25  # a damaged record; larger is still larger
    assert (difference(MEMORY, 0.0, 1.0), difference(MEMORY, 0.0, 0.0)) == (None, 0)
    assert difference(SPEED, 1e-300, 1e300) is None


def test_of_what_is_exact_there_is_none(make_record: MakeRecord) -> None:
    more = make_record(fields={"parameters": dict.fromkeys(("trainable_params", "total_params", "logical_params"), 1)})
    assert of(PARAMS, pairs([make_record()], [more])) == Significance(None, ("exact",))


def test_of_one_seed_it_is_unknown(make_record: MakeRecord) -> None:
    row = pairs([make_record()], [make_record(macro_f1=0.9, inference_rate=1.0, fields={"peak_train_bytes": 1})])
    assert of(MEMORY, row) == Significance(None, ("one seed",))
    assert of(SPEED, row) == Significance(None, ("one seed",))
    assert of(F1, row) == Significance(None, ("one seed",))


def test_over_seeds_it_is_students(make_record: MakeRecord) -> None:
    a = [make_record(seed=seed, macro_f1=0.9) for seed in (0, 1, 2)]
    b = [make_record(seed=seed, macro_f1=f1) for seed, f1 in ((0, 0.80), (1, 0.82), (2, 0.78))]
    found = of(F1, pairs(a, b))
    assert found.sources == ("3 paired runs",)
    assert found.interval == pytest.approx(student_interval([-0.1, -0.08, -0.12]))


def test_repeats_of_a_seed_are_runs_of_a_speed_and_one_of_a_quality(make_record: MakeRecord) -> None:
    def repeated(rate: float, f1: float) -> list[Record]:
        found = []
        for repeat in (0, 1):
            record = make_record(train_rate=rate + repeat, macro_f1=f1)
            found.append(record.model_copy(update={"cell": record.cell.model_copy(update={"repeat": repeat})}))
        return found

    row = pairs(repeated(100.0, 0.7), repeated(90.0, 0.6))
    assert (of(TRAIN_SPEED, row).sources, of(F1, row).interval) == (("2 paired runs",), None)


class TestPredictions:
    @pytest.fixture
    def sides(self, make_record: MakeRecord, tmp_path: Path) -> tuple[Cells, Cells]:
        return Cells(make_record, tmp_path / "a"), Cells(make_record, tmp_path / "b")

    def test_texts_alone_tell_nothing(self, sides: tuple[Cells, Cells]) -> None:
        a, b = sides
        assert of(F1, (Pair(a.measured(PERFECT), b.measured(flipped(0, 1, 2, 3))),)) == Significance(
            None, ("one seed",)
        )

    def test_seeds_are_taken_together(self, sides: tuple[Cells, Cells]) -> None:
        a, b = sides
        row = tuple(
            Pair(a.measured(PERFECT, seed=seed), b.measured(flipped(*range(2 + seed)), seed=seed)) for seed in (0, 1)
        )
        # One cell has the same id on both sides, and each side's own predictions are read.
        assert row[0].a[0].cell_id == row[0].b[0].cell_id
        found = of(F1, row)
        assert found.sources == ("2 paired runs", "12 texts")
        truth, first, second = (
            np.array(one) for one in (TRUTH, [flipped(*range(2 + seed)) for seed in (0, 1)], [PERFECT] * 2)
        )
        wanted = paired_difference(truth, first, second, 2)
        low, high = known(found.interval)
        assert wanted.low == pytest.approx(low)
        assert wanted.high == pytest.approx(high)
        assert low < -1 / 6 < high

    def test_only_one_side_has_them(self, sides: tuple[Cells, Cells], make_record: MakeRecord) -> None:
        row = tuple(Pair(sides[0].measured(PERFECT, seed=seed), alone(make_record(seed=seed))) for seed in (0, 1))
        assert of(F1, row).sources == ("2 paired runs",)

    def test_they_are_damaged(self, sides: tuple[Cells, Cells]) -> None:
        a, b = sides
        damaged = Measured(b.measured(flipped(0)).record, Evidence("x/predictions.jsonl cannot be read"))
        row = (Pair(a.measured(PERFECT), damaged), Pair(*(side.measured(PERFECT, seed=1) for side in sides)))
        assert of(F1, row).sources == ("2 paired runs",)

    def test_they_say_nothing_of_what_a_model_writes(self, sides: tuple[Cells, Cells]) -> None:
        a, b = sides
        given: dict[str, Any] = {"kind": "causal"}
        row = (Pair(a.measured(PERFECT, generated_f1=0.5, **given), b.measured(flipped(0), generated_f1=0.4, **given)),)
        assert of(GENERATED_F1, row) == Significance(None, ("one seed",))
