"""Speed from the log of a pass: totals, intervals, energy and use of the device, by hand."""

import pytest

from bench.measure.flops.lengths import FlopsByLength
from bench.record.record import Speed
from bench.run.worker.speed import Cost, speed
from bench.train.loop import StepLog
from tests.support import known

LOG = StepLog(seconds=[9.0, 1.0, 3.0], samples=[8, 8, 4], tokens=[50, 60, 20], padded_tokens=[64, 64, 32])
#: Of a sequence of L tokens: 1000 + 100 L + 10 L squared.
FLOPS = FlopsByLength((1000.0, 100.0, 10.0))
#: Of the two timed steps: 8 sequences of 7.5 tokens, and 4 of 5.
MODEL_FLOPS = 8 * (1000 + 750 + 562.5) + 4 * (1000 + 500 + 250)


def found(cost: Cost | None = None, skip: int = 1) -> Speed:
    return known(speed(LOG, skip, 8, cost))


def test_leaves_warm_up_out() -> None:
    assert found() == Speed(
        timed_steps=2, timed_seconds=4.0, timed_samples=12, timed_tokens=80, timed_padded_tokens=96,
        samples_per_second=3.0, tokens_per_second=20.0, batch_size=8,
        windowed_samples_per_second=found().windowed_samples_per_second,
        windowed_tokens_per_second=found().windowed_tokens_per_second,
    )  # fmt: skip


def test_padding_is_no_token() -> None:
    assert found().tokens_per_second == (60 + 20) / (1 + 3)


def test_medians_are_of_the_timed_steps() -> None:
    of_samples, of_tokens = found().windowed_samples_per_second, found().windowed_tokens_per_second
    assert of_samples is not None
    assert of_tokens is not None
    assert of_samples.median == pytest.approx((8 / 1 + 4 / 3) / 2)
    assert of_tokens.median == pytest.approx((60 / 1 + 20 / 3) / 2)
    assert (of_samples.windows, of_samples.window_steps, of_samples.low) == (2, 1, None)


@pytest.mark.parametrize(("log", "skip"), [(LOG, 3), (LOG, 4), (StepLog(), 0), (StepLog(), 3)])
def test_is_unknown_where_all_was_warm_up(log: StepLog, skip: int) -> None:
    assert speed(log, skip, 8) is None


def test_a_clock_that_stood_still_is_unknown() -> None:
    assert speed(StepLog(seconds=[0.0], samples=[8], tokens=[50], padded_tokens=[64]), 0, 8) is None


class TestCost:
    def test_energy_is_shared_by_the_timed_samples(self) -> None:
        assert found(Cost(energy_joules=36.0)).energy_joules_per_sample == 3.0

    def test_no_energy_is_a_number_and_not_unknown(self) -> None:
        assert found(Cost(energy_joules=0.0)).energy_joules_per_sample == 0.0

    def test_use_of_the_device(self) -> None:
        result = found(Cost(flops=FLOPS, matmul_flops_per_second=50_000.0))
        assert result.model_flops_per_second == MODEL_FLOPS / 4
        assert result.mfu_fraction == MODEL_FLOPS / 4 / 50_000

    @pytest.mark.parametrize("cost", [None, Cost(), Cost(matmul_flops_per_second=50_000.0)])
    def test_is_unknown_without_flops(self, cost: Cost | None) -> None:
        assert (found(cost).model_flops_per_second, found(cost).mfu_fraction) == (None, None)

    def test_is_unknown_without_the_device_s_rate(self) -> None:
        result = found(Cost(flops=FLOPS))
        assert (result.model_flops_per_second, result.mfu_fraction) == (MODEL_FLOPS / 4, None)

    def test_padding_that_is_counted_would_show_as_use(self) -> None:
        """A harness that takes padded tokens for tokens reports more of both."""
        padded = StepLog(LOG.seconds, LOG.samples, LOG.padded_tokens, LOG.padded_tokens)
        wrong = known(speed(padded, 1, 8, Cost(flops=FLOPS)))
        assert wrong.tokens_per_second > found().tokens_per_second
        assert known(wrong.model_flops_per_second) > MODEL_FLOPS / 4
