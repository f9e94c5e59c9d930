"""Statistics of timed steps and batches in a record."""

from pydantic import Field

from bench.schema import Frozen

#: Minimum number of timed batches for each percentile of latency. From 29 batches, the largest of them lies above the
#: 90th percentile with a probability of 1 - 0.9^29 > 95 %; for the 99th percentile it takes 299.
LATENCY_BATCHES = {50: 1, 90: 30, 99: 299}


class Estimate(Frozen):
    """The median rate over windows of consecutive steps; only older records have it."""

    median: float
    low: float | None = Field(description="lower end of an interval of the windows' median, not of the pass's rate")
    high: float | None
    windows: int
    window_steps: int


class WithinCell(Frozen):
    """The spread of a pass's rate within its cell, over windows of consecutive steps; other runs differ by more."""

    windows: int
    window_steps: int
    p10_samples_per_second: float | None = Field(description="10th percentile of the windows; null below 10 windows")
    p90_samples_per_second: float | None
    p10_tokens_per_second: float | None
    p90_tokens_per_second: float | None
    relative_standard_error: float | None = Field(
        description="standard error of the pass's rate over the rate, by a moving-block bootstrap over its steps, "
        "batch sizes allowed for; null below 12 steps"
    )


class Latency(Frozen):
    """Time from the input of a batch to its scores, one batch after another.

    Intervals are at 95 %, by order statistics of these batches.
    """

    batch_size: int
    timed_batches: int
    p50_seconds: float
    p90_seconds: float | None = Field(description="null below 30 batches; older records have it from fewer")
    p99_seconds: float | None = Field(description="null below 299 batches; older records have it from 100")
    p50_interval_seconds: tuple[float, float] | None = Field(
        None, description="null below 6 batches, and in older records"
    )
    p90_interval_seconds: tuple[float, float] | None = None
    p99_interval_seconds: tuple[float, float] | None = None
