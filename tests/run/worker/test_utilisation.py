"""Utilisation of the device from several readings of the matmul, some of them too low."""

import pytest

from bench.measure.matmul import MatmulRate
from bench.record.record import PhaseName, Verdict
from bench.run.worker.speed import Cost, speed
from bench.run.worker.utilisation import MatmulReadings, plausible, utilisation
from bench.train.loop import StepLog
from tests.known import known

PHASES: tuple[PhaseName, ...] = ("calibrate", "train", "inference")
NONE = MatmulRate(None, "there is no room")


def readings(*rates: float | None) -> MatmulReadings:
    return MatmulReadings({name: MatmulRate(rate) if rate else NONE for name, rate in zip(PHASES, rates, strict=False)})


@pytest.mark.parametrize(
    ("rates", "share"),
    [((100,), 0.8), ((100, 90, 95), 0.8), ((90, None, 100), 0.8), ((80, 100), 0.8), ((100, 125, 101), 0.64)],
)
def test_the_highest_reading_counts(rates: tuple[float | None, ...], share: float) -> None:
    found, why = utilisation(80, readings(*rates))
    assert found == pytest.approx(share)
    assert why == ""


@pytest.mark.parametrize(
    ("model_flops", "rates", "why"),
    [
        (None, (100,), "FLOPs by length are not known for this pass"),
        (80, (), "no large matmul was measured"),
        (80, (None, None), "there is no room"),
        (
            80,
            (200, 100, 190),
            "the highest is 2.00 times the lowest, at most 1.25 times is allowed",
        ),
        (120.7, (100,), "the pass reached 120.7 % of the highest reading of the large matmul"),
        (120.7, (100, 95, 99), "the pass reached 120.7 % of the highest reading of the large matmul"),
    ],
)
def test_it_is_unknown_with_a_reason(model_flops: float | None, rates: tuple[float | None, ...], why: str) -> None:
    share, reason = utilisation(model_flops, readings(*rates))
    assert share is None
    assert why in reason


@pytest.mark.parametrize(
    ("model_flops", "rates", "verdict"),
    [
        (99, (100, 50), "valid"),  # below the highest one, whatever the others say
        (101, (100,), "suspect"),
        (101, (100, 100, 99), "unknown"),  # beyond it by no more than readings differ
        (102, (100, 100, 99), "suspect"),
        (150, (100, 60), "unknown"),
        (170, (100, 60), "suspect"),  # ten times too fast would be found under any readings that differ so
    ],
)
def test_plausible(model_flops: float, rates: tuple[float, ...], verdict: Verdict) -> None:
    log = StepLog(seconds=[1.0], samples=[1], tokens=[1], padded_tokens=[1])
    timed = known(speed(log, 0, 1, Cost())).model_copy(update={"model_flops_per_second": model_flops})
    (check,) = plausible("training", timed, readings(*rates))
    assert (check.name, check.verdict) == ("plausible training", verdict)
    assert f"{model_flops:.1f} % of the highest of {len(rates)} readings" in check.found


def test_what_is_unknown_is_not_checked() -> None:
    log = StepLog(seconds=[1.0], samples=[1], tokens=[1], padded_tokens=[1])
    timed = known(speed(log, 0, 1, Cost()))
    assert plausible("training", timed, readings(100)) == []
    assert plausible("training", timed.model_copy(update={"model_flops_per_second": 1.0}), readings(None)) == []


def test_reasons_of_unknown_readings() -> None:
    field = "matmul_readings_flops_per_second"
    assert readings(100, None).why_unknown == {f"{field}.train": "there is no room"}
    assert readings(None).why_unknown == {
        f"{field}.calibrate": "there is no room", "matmul_flops_per_second": "there is no room",
    }  # fmt: skip
