"""Accuracies and the counts of right answers behind them."""

from fractions import Fraction
from itertools import islice

import pytest

from bench.commands.audit.feasibility.printing import interval, prints
from bench.commands.audit.feasibility.right_answers import counts, fewer_answers, fitting, power
from tests.commands.audit.feasibility.printed import number


@pytest.mark.parametrize(
    ("text", "column", "num_answers", "ways"),
    [
        ("0.7570", "accuracy", 1421, ()),  # 1075/1421 = 0.75651, 1076/1421 = 0.75721
        ("75.70", "accuracy_percent", 1421, ()),
        ("0.757", "accuracy", 1421, ("rounding", "truncation")),
        ("0.7735", "accuracy", 1421, ()),
        ("0.3898", "accuracy", 2210, ()),
        ("0.4841", "accuracy", 2210, ("truncation",)),  # 1070/2210 = 0.484163
        ("0.4842", "accuracy", 2210, ("rounding",)),
        ("1.0000", "accuracy", 3, ("rounding", "truncation")),
        ("0.3333", "accuracy", 3, ("rounding", "truncation")),
        ("0.3334", "accuracy", 3, ()),
        ("0", "accuracy", 7, ("rounding", "truncation")),
    ],
)  # fmt: skip
def test_ways_that_fit(text: str, column: str, num_answers: int, ways: tuple[str, ...]) -> None:
    assert fitting(number(text, column), num_answers) == ways


def test_counts_are_all_those_in_the_interval() -> None:
    span = interval(number("0.5"), "rounding")
    assert span == (Fraction(45, 100), Fraction(55, 100))
    assert list(counts(span, 20)) == [9, 10, 11]
    assert list(counts((Fraction(9, 10), Fraction(2)), 10)) == [9, 10]


def test_no_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="num_answers must be at least 1, got 0"):
        counts((Fraction(0), Fraction(1)), 0)


def test_fewer_answers_begin_with_the_most() -> None:
    found = list(islice(fewer_answers(number("0.7570"), 1421), 3))
    assert found == [1420, 1416, 1412]
    assert round(1075 / 1420, 4) == 0.757


def test_power_is_the_share_of_values_that_are_no_count() -> None:
    assert power(number("0.7570"), 1421) == pytest.approx(0.8579)
    assert power(number("0.7570"), 25_000) == 0


def test_a_value_prints_as_what_it_rounds_or_is_cut_to() -> None:
    assert [prints(number("0.48"), value) for value in (0.474, 0.476, 0.489, 0.491)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("0.75", "0.745", "0.76"),
        ("0.75±0.02", "0.725", "0.78"),
        ("0.75+-0.02", "0.725", "0.78"),
        ("0.70-0.80", "0.695", "0.81"),
    ],
)
def test_an_interval_holds_ranges_and_spreads(text: str, low: str, high: str) -> None:
    assert interval(number(text)) == (Fraction(low), Fraction(high))


def test_a_spread_does_not_widen_what_is_printed() -> None:
    assert not prints(number("0.75±0.02"), Fraction("0.77"))
    assert prints(number("0.70-0.80"), Fraction("0.77"))
