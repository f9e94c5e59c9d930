"""Times of several pieces of work that take turns, so that a drift of the machine hits all alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def by_turns(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each work by round; each round begins with another one."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        turn = number % len(works)
        for name in [*list(works)[turn:], *list(works)[:turn]]:
            taken[name].append(seconds_of(works[name]))
    return taken


def median_ratio(more: Sequence[float], less: Sequence[float]) -> float:
    """Median over the rounds of the ratio within a round."""
    return statistics.median(one / other for one, other in zip(more, less, strict=True))
