"""Spread of the rate of a pass within its cell."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.measure.block_bootstrap import relative_standard_error
from bench.record.timings import WithinCell

#: Minimum number of windows, if there are as many steps.
WINDOWS = 20
#: Percentiles of the windows' rates, and the number of windows that they need.
SPREAD, SPREAD_WINDOWS = (0.1, 0.9), 10


def within_cell(
    seconds: Sequence[float], samples: Sequence[int], tokens: Sequence[int], padded_tokens: Sequence[int]
) -> WithinCell | None:
    """Spread of the rate over windows of consecutive steps, and its standard error; None without steps or time.

    A window is long enough to give 20 to 39 windows; below 40 steps it is one step. Steps at the end that do not fill a
    window are left out. The spread describes this cell only: repeats of a cell differ by more.

    Args:
        seconds: duration of each step, in order.
        samples: sequences of each step.
        tokens: non-padding tokens of each step.
        padded_tokens: padded tokens of each step.
    """
    steps = len(seconds)
    size = max(1, steps // WINDOWS)
    took = _by_window(seconds, size)
    if not len(took) or not (took > 0).all():
        return None
    ends: dict[str, float | None] = {}
    for unit, amounts in (("samples", samples), ("tokens", tokens)):
        rates = _by_window(amounts, size) / took
        low, high = np.quantile(rates, SPREAD).tolist() if len(took) >= SPREAD_WINDOWS else (None, None)
        ends |= {f"p10_{unit}_per_second": low, f"p90_{unit}_per_second": high}
    error = relative_standard_error(seconds, samples, padded_tokens)
    return WithinCell.model_validate(
        {"windows": len(took), "window_steps": size, "relative_standard_error": error} | ends
    )


def _by_window(values: Sequence[float], size: int) -> NDArray[np.float64]:
    """Sums over whole windows of ``size`` steps."""
    windows = len(values) // size
    whole = np.asarray(values[: windows * size], dtype=np.float64)
    return np.asarray(whole.reshape(windows, size).sum(axis=1))
