"""Agreement of three counts: None within 0.1 %, else one sentence with the counts."""

import pytest

from bench.measure.flops.agreement import agree, disagreement
from tests.known import known

MILLION = 1_000_000


@pytest.mark.parametrize("other", [MILLION, MILLION - 1000, MILLION + 1000])
def test_silent_within_a_thousandth(other: int) -> None:
    assert agree(MILLION, other)
    assert disagreement(MILLION, other, MILLION) is None
    assert disagreement(MILLION, other) is None


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((MILLION, 900_000, MILLION), "counted on the trace are 10 % below the other two counts"),
        ((1_200_000, MILLION, MILLION), "counted at dispatch are 20 % above the other two counts"),
        ((MILLION, MILLION, 1_002_000), "counted in closed form are 0.2 % above the other two counts"),
        ((MILLION, 800_000, 500_000), "depend on how they are counted, by 50 %"),
        ((MILLION, 900_000, None), "depend on how they are counted, by 10 %"),
        ((0, 0, MILLION), "counted in closed form are above the other two counts"),
    ],
)
def test_says_which_differs_and_by_how_much(counts: tuple[int, int, int | None], said: str) -> None:
    sentence = known(disagreement(*counts))
    assert said in sentence
    assert all(f"{count:,}" in sentence for count in counts if count is not None)


@pytest.mark.parametrize("part", [1000, 100, 500_000])
def test_an_adapter_that_does_no_work_is_told_from_a_counter_that_is_off(part: int) -> None:
    """An adapter's work may be far below 0.1 % of the model's."""
    said = known(disagreement(MILLION, MILLION, MILLION + part, without_method=MILLION))
    assert f"the method's own work, {part:,} FLOPs" in said
    assert "never attached, or is already merged" in said


def test_an_adapter_at_work_is_not_suspected() -> None:
    assert disagreement(1_000_100, 1_000_100, 1_000_100, without_method=MILLION) is None
    assert disagreement(MILLION, MILLION, MILLION, without_method=MILLION) is None


def test_a_part_that_is_missing_from_one_count_alone_is_that_count_s_fault() -> None:
    said = known(disagreement(1_500_000, MILLION, 1_500_000, without_method=MILLION))
    assert said.startswith("forward FLOPs counted on the trace are 33 % below the other two counts")
