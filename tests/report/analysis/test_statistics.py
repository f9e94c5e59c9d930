"""Centre, spread and interval of a quantity over seeds."""

import pytest

from bench.record.record import Record
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.analysis.quantities.readers import macro_f1
from bench.report.analysis.significance import possible
from bench.report.analysis.statistics import by_row, mean_std, over_seeds
from tests.report.conftest import MakeRecord

TRAIN, F1 = QUANTITIES["train_samples_per_second"], QUANTITIES["macro_f1"]


@pytest.mark.parametrize(
    ("first", "low", "high", "pairs", "mean", "std"),
    [
        (10000001, 10000003, 10000002, 0, 10000002, 1),
        (1.2, 1.1, 1.3, 500, 1.2, 0.1),
        (1000000.2, 1000000.1, 1000000.3, 500, 1000000.2, 0.1),
        (10000000.2, 10000000.1, 10000000.3, 500, 10000000.2, 0.1),
    ],
)
def test_mean_std_certified(first: float, low: float, high: float, pairs: int, mean: float, std: float) -> None:
    """NIST, Statistical Reference Datasets, univariate summary statistics, NumAcc1 to NumAcc4: certified values."""
    found = mean_std([first, *[low, high] * pairs] if pairs else [first, low, high])
    assert found[0] == pytest.approx(mean, rel=1e-15)
    assert found[1] == pytest.approx(std, rel=1e-7)


def test_several_seeds_have_the_interval_of_their_mean(make_record: MakeRecord) -> None:
    """The mean of 90, 100 and 110: 100, and 4.30265 (t of 2 degrees of freedom, 0.975) times 10 over the root of 3."""
    records = [make_record(seed=seed, train_rate=rate) for seed, rate in enumerate((90.0, 100.0, 110.0))]
    found = over_seeds(records, TRAIN)
    assert (found.mean, found.std, found.known, found.reasons) == (100, 10, 3, ())
    assert (found.low, found.high) == pytest.approx((75.1586, 124.8414), abs=1e-4)


def test_one_measurement_has_no_interval(make_record: MakeRecord) -> None:
    content = make_record().model_dump()
    content["training"]["speed"]["windowed_samples_per_second"] = {
        "median": 105.0, "low": 101.0, "high": 108.0, "windows": 9, "window_steps": 4,
    }  # fmt: skip
    found = over_seeds([Record.model_validate(content)], TRAIN)
    assert (found.mean, found.std, found.low, found.high, found.known) == (100.0, None, None, None, 1)
    untrained = make_record(seed=3, fields={"training": None, "unknown": {"training": "cut"}})
    found = over_seeds([untrained, make_record()], TRAIN)
    assert (found.mean, found.low, found.known, found.reasons) == (100.0, None, 1, ("cut",))


def test_an_interval_holds_no_impossible_values(make_record: MakeRecord) -> None:
    assert (possible((-0.2, 1.3), largest=1), possible((-0.2, 1.3))) == ((0, 1), (0, 1.3))
    assert possible((0.2, 0.3), largest=1) == (0.2, 0.3)
    records = [make_record(seed=seed, macro_f1=f1, train_rate=rate)
               for seed, (f1, rate) in enumerate([(0.8, 1.0), (0.99, 100.0)])]  # fmt: skip
    assert (over_seeds(records, F1).low, over_seeds(records, F1).high) == (0, 1)
    assert over_seeds(records, TRAIN).low == 0
    assert (over_seeds(records, TRAIN).high or 0) > 100


def test_what_is_predicted_counts_once_a_seed(make_record: MakeRecord) -> None:
    records = []
    for seed, f1, repeats in ((0, 0.9, 1), (1, 0.5, 3)):
        for repeat in range(repeats):
            record = make_record(seed=seed, macro_f1=f1, train_rate=100.0 * (repeat + 1))
            records.append(record.model_copy(update={"cell": record.cell.model_copy(update={"repeat": repeat})}))
    predicted, rate = over_seeds(records, F1), over_seeds(records, TRAIN)
    assert predicted.mean == pytest.approx(0.7)
    assert predicted.std == pytest.approx(0.4 / 2**0.5)
    assert rate.known == 4
    assert rate.mean == pytest.approx(175)


def test_rows_are_told_apart_by_all_but_the_seed(make_record: MakeRecord) -> None:
    records = [make_record(seed=seed, options={"rank": rank}) for seed in (0, 1) for rank in (4, 8)]
    assert by_row(records) == [[records[0], records[2]], [records[1], records[3]]]


def test_why_a_value_is_unknown(make_record: MakeRecord) -> None:
    quantity = Quantity("x", "X", lambda record: None, ("a.b", "a"), 1, explain=lambda record: record.unknown.get("c"))
    assert quantity.why_not(make_record(fields={"unknown": {"a": "no a", "c": "no c"}})) == "no c"
    assert quantity.why_not(make_record(fields={"unknown": {"a": "no a"}})) == "no a"
    assert quantity.why_not(make_record()) == "the record gives no a.b and no reason"


def test_random_weights_have_no_f1(make_record: MakeRecord) -> None:
    assert (macro_f1(make_record(weights="random")), macro_f1(make_record())) == (None, 0.93)


def test_the_first_repeat_that_succeeded_speaks_for_its_seed(make_record: MakeRecord) -> None:
    records = []
    for repeat, f1 in enumerate((0.9, 0.5, 0.4)):
        record = make_record(macro_f1=f1)
        records.append(record.model_copy(update={"cell": record.cell.model_copy(update={"repeat": repeat})}))
    assert (over_seeds(records, F1).mean, over_seeds(records[1:], F1).mean) == (0.9, 0.5)
