"""The noise of a metric, from each source."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.commands.compare import metrics
from bench.commands.compare.metrics import Metric
from bench.commands.compare.noise import difference, measure
from bench.commands.compare.pairs import Pair
from bench.record.record import Record
from bench.report.analysis.paired import difference as paired_difference
from bench.report.analysis.significance import Significance, student_interval
from bench.report.results.measured import Evidence, Measured
from tests.commands.compare.support import alone, changed, pairs
from tests.report.conftest import MakeRecord
from tests.report.predicted import TRUTH, Cells, flipped

METRICS = {one.quantity.column: one for one in metrics.of_row(())}
F1, GENERATED_F1 = METRICS["macro_f1"], METRICS["generated_macro_f1"]
SPEED, MEMORY = METRICS["inference_samples_per_second"], METRICS["peak_train_mb"]
PARAMS = METRICS["trainable_params"]
PERFECT = list(TRUTH)


def of(metric: Metric, row: tuple[Pair, ...]) -> Significance:
    values = [metric.values([one.records[at] for one in row]) for at in (0, 1)]
    known = [(a, b) for a, b in zip(*values, strict=True) if a is not None and b is not None]
    assert len(known) == len(row)
    return measure(metric, row, [difference(metric, a, b) for a, b in known])


def windowed(make_record: MakeRecord, median: float, low: float | None, high: float | None, **given: Any) -> Any:
    record = make_record(**given)
    assert record.inference is not None
    window = {"median": median, "low": low, "high": high, "windows": 9, "window_steps": 5}
    return changed(record, inference=record.inference.model_dump() | {"windowed_samples_per_second": window})


def test_the_difference_of_a_quality_is_absolute_and_that_of_a_cost_relative() -> None:
    assert (difference(F1, 0.5, 0.75), difference(SPEED, 200.0, 150.0)) == (0.25, -0.25)
    assert difference(SPEED, -200.0, -150.0) == 0.25  # a damaged record; larger is still larger
    assert (difference(MEMORY, 0.0, 1.0), difference(MEMORY, 0.0, 0.0)) == (None, 0)
    assert difference(SPEED, 1e-300, 1e300) is None


def test_of_what_is_exact_there_is_none(make_record: MakeRecord) -> None:
    assert of(PARAMS, pairs([make_record()], [make_record()])) == Significance(None, ("exact",))


def test_of_one_seed_it_is_unknown(make_record: MakeRecord) -> None:
    row = pairs([make_record()], [make_record()])
    assert of(MEMORY, row) == Significance(None, ("one seed",))
    assert of(F1, row) == Significance(None, ("one seed; a report keeps no predictions",))
    assert of(F1, row).verdict == "unknown"


def test_over_seeds_it_is_students(make_record: MakeRecord) -> None:
    a = [make_record(seed=seed, inference_rate=100.0) for seed in (0, 1, 2)]
    b = [make_record(seed=seed, inference_rate=rate) for seed, rate in ((0, 90.0), (1, 92.0), (2, 88.0))]
    found = of(SPEED, pairs(a, b))
    assert found.sources == ("3 paired runs",)
    assert found.interval == pytest.approx(student_interval([-0.1, -0.08, -0.12]))
    assert found.verdict in ("higher", "lower")


def test_of_one_seed_the_windows_tell(make_record: MakeRecord) -> None:
    a = windowed(make_record, 100.0, 96.0, 104.0)
    apart = of(SPEED, pairs([a], [windowed(make_record, 90.0, 88.0, 92.0)]))
    assert apart.sources == ("windows",)
    assert apart.interval == pytest.approx((88 / 104 - 1, 92 / 96 - 1))
    assert apart.verdict in ("higher", "lower")
    # The intervals meet: 97 lies in both.
    assert of(SPEED, pairs([a], [windowed(make_record, 94.0, 91.0, 97.0)])).verdict == "no significant difference"
    assert of(SPEED, pairs([a], [windowed(make_record, 106.0, 104.0, 108.0)])).verdict == "no significant difference"
    assert of(SPEED, pairs([a], [windowed(make_record, 90.0, None, None)])) == Significance(None, ("one seed",))
    assert of(SPEED, pairs([a], [windowed(make_record, 90.0, -5.0, 92.0)])) == Significance(None, ("one seed",))


def test_where_runs_are_paired_windows_within_them_add_nothing(make_record: MakeRecord) -> None:
    a = [windowed(make_record, 100.0, 90.0, 110.0, seed=seed) for seed in (0, 1)]
    found = of(SPEED, pairs(a, [windowed(make_record, 92.0 + seed / 10, 86.0, 98.0, seed=seed) for seed in (0, 1)]))
    assert found.sources == ("2 paired runs",)
    assert found.interval == pytest.approx(student_interval([-0.08, -0.079]))
    assert found.verdict in ("higher", "lower")


def test_repeats_of_a_seed_are_runs_of_a_speed_and_one_of_a_quality(make_record: MakeRecord) -> None:
    def repeated(rate: float, f1: float) -> list[Record]:
        found = []
        for repeat in (0, 1):
            record = make_record(train_rate=rate + repeat, macro_f1=f1)
            found.append(record.model_copy(update={"cell": record.cell.model_copy(update={"repeat": repeat})}))
        return found

    row = pairs(repeated(100.0, 0.7), repeated(90.0, 0.6))
    assert (of(SPEED, row).sources, of(F1, row).interval) == (("2 paired runs",), None)


class TestPredictions:
    @pytest.fixture
    def sides(self, make_record: MakeRecord, tmp_path: Path) -> tuple[Cells, Cells]:
        return Cells(make_record, tmp_path / "a"), Cells(make_record, tmp_path / "b")

    def test_the_texts_tell(self, sides: tuple[Cells, Cells]) -> None:
        a, b = sides
        wrong = flipped(0, 1, 2, 3)
        row = (Pair(a.measured(PERFECT), b.measured(wrong)),)
        # One cell has the same id on both sides, and each side's own predictions are read.
        assert row[0].a[0].cell_id == row[0].b[0].cell_id
        found = of(F1, row)
        truth, first, second = (np.array(one) for one in (TRUTH, [wrong], [PERFECT]))
        wanted = paired_difference(truth, first, second, 2)
        assert found == Significance((wanted.low, wanted.high), ("12 texts",))
        assert found.verdict in ("higher", "lower")
        assert wanted.mean < 0

    def test_seeds_are_taken_together(self, sides: tuple[Cells, Cells]) -> None:
        a, b = sides
        row = tuple(
            Pair(a.measured(PERFECT, seed=seed), b.measured(flipped(*range(2 + seed)), seed=seed)) for seed in (0, 1)
        )
        found = of(F1, row)
        assert found.sources == ("2 paired runs", "12 texts")
        assert found.interval is not None
        assert found.interval[0] < -1 / 6 < found.interval[1]

    def test_only_one_side_has_them(self, sides: tuple[Cells, Cells], make_record: MakeRecord) -> None:
        row = (Pair(sides[0].measured(PERFECT), alone(make_record())),)
        assert of(F1, row).sources == ("one seed; a report keeps no predictions",)

    def test_they_are_damaged(self, sides: tuple[Cells, Cells]) -> None:
        a, b = sides
        damaged = Measured(b.measured(flipped(0)).record, Evidence("x/predictions.jsonl cannot be read"))
        row = (Pair(a.measured(PERFECT), damaged),)
        assert of(F1, row).sources == ("one seed; x/predictions.jsonl cannot be read",)

    def test_they_say_nothing_of_what_a_model_writes(self, sides: tuple[Cells, Cells]) -> None:
        a, b = sides
        given: dict[str, Any] = {"kind": "causal", "generated_f1": 0.5}
        row = (Pair(a.measured(PERFECT, **given), b.measured(flipped(0), **given)),)
        assert of(GENERATED_F1, row) == Significance(None, ("one seed",))
