"""The limit of the check for drift, and its verdict on records that were judged by an older limit."""

import re

#: Largest valid change of step times from the earlier to the later half of a pass, if it is significant. On a shared
#: host, cells beyond 5 % were no further from the mean of their row (7.0 % rms) than the others (8.1 %).
DRIFT_FRACTION = 0.15
#: What records say that were judged by the older limit of 5 %.
OLDER = re.compile(
    r"^the later half of the steps took [+-]?(?P<percent>\d+\.\d) % .*suspect beyond ±5 % at p < 0\.01\)$"
)


def within_limit_now(name: str, found: str) -> str | None:
    """What a failed check found, with today's limit, if it passes by it; None otherwise.

    The finding holds the measured drift, so it can be judged again. Only the limit changes, not the measurement.

    Args:
        name: name of a failed check.
        found: its finding.
    """
    match = OLDER.match(found) if name.startswith("stationary ") else None
    if match is None or float(match["percent"]) > 100 * DRIFT_FRACTION:
        return None
    return f"{found[:-1]} when it was measured, beyond ±{100 * DRIFT_FRACTION:g} % now)"
