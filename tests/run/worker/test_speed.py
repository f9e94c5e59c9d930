"""Speed from the log of a pass: totals, spread within the cell, energy and FLOPs, by hand."""

import pytest

from bench.measure.flops.lengths import FlopsByLength
from bench.record.record import Speed
from bench.run.worker.speed import Cost, speed
from bench.train.loop import StepLog
from tests.known import known

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
        samples_per_second=3.0, tokens_per_second=20.0, batch_size=8, within_cell=found().within_cell,
    )  # fmt: skip


def test_windows_are_of_the_timed_steps() -> None:
    within = known(found().within_cell)
    assert (within.windows, within.window_steps, within.p10_samples_per_second) == (2, 1, None)
    assert within.relative_standard_error is None


def test_the_rate_is_the_total_though_lengths_differ() -> None:
    """Long batches take longer: the median over steps would be above the total over the time."""
    log = StepLog(seconds=[1.0, 1.0, 4.0], samples=[8, 8, 8], tokens=[80, 80, 320], padded_tokens=[80, 80, 320])
    assert known(speed(log, 0, 8)).samples_per_second == 4


STOOD_STILL = StepLog(seconds=[0.0], samples=[8], tokens=[50], padded_tokens=[64])


@pytest.mark.parametrize(("log", "skip"), [(LOG, 3), (LOG, 4), (StepLog(), 0), (StepLog(), 3), (STOOD_STILL, 0)])
def test_is_unknown_where_all_was_warm_up_or_no_time_passed(log: StepLog, skip: int) -> None:
    assert speed(log, skip, 8) is None


class TestCost:
    @pytest.mark.parametrize(
        ("cost", "joules", "model_flops"),
        [
            (None, None, None), (Cost(), None, None), (Cost(energy_joules=36.0), 3.0, None),
            (Cost(energy_joules=0.0), 0.0, None), (Cost(flops=FLOPS), None, MODEL_FLOPS / 4),
        ],
    )  # fmt: skip
    def test_energy_and_flops(self, cost: Cost | None, joules: float | None, model_flops: float | None) -> None:
        result = found(cost)
        assert result.energy_joules_per_sample == joules
        assert (result.model_flops_per_second, result.mfu_fraction) == (model_flops, None)

    def test_padding_that_is_counted_would_show_as_use(self) -> None:
        """A harness that takes padded tokens for tokens reports more of both."""
        padded = StepLog(LOG.seconds, LOG.samples, LOG.padded_tokens, LOG.padded_tokens)
        wrong = known(speed(padded, 1, 8, Cost(flops=FLOPS)))
        assert known(wrong.tokens_per_second) > known(found().tokens_per_second)
        assert known(wrong.model_flops_per_second) > MODEL_FLOPS / 4
