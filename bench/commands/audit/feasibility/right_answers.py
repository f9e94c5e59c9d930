"""Numbers of right answers that give a printed accuracy."""

import math
from collections.abc import Iterator

from bench.commands.audit.feasibility.printing import PRINTINGS, Interval, Printing, interval
from bench.commands.audit.published.number import Number


def counts(span: Interval, num_answers: int) -> range:
    """The numbers k of right answers for which k / num_answers lies in an interval.

    Args:
        span: smallest and largest accuracy, as fractions.
        num_answers: number of answers, at least 1.

    Raises:
        ValueError: there are no answers.
    """
    if num_answers < 1:
        raise ValueError(f"num_answers must be at least 1, got {num_answers}")
    low, high = span
    return range(max(0, math.ceil(low * num_answers)), min(num_answers, math.floor(high * num_answers)) + 1)


def fitting(accuracy: Number, num_answers: int) -> tuple[Printing, ...]:
    """The ways of printing by which an accuracy is k / num_answers for some integer k; empty if by none."""
    return tuple(how for how in PRINTINGS if counts(interval(accuracy, how), num_answers))


def fewer_answers(accuracy: Number, num_answers: int) -> Iterator[int]:
    """Smaller numbers of answers that an accuracy fits, the largest first."""
    return (fewer for fewer in range(num_answers - 1, 0, -1) if fitting(accuracy, fewer))


def power(accuracy: Number, num_answers: int) -> float:
    """The largest probability that a wrong accuracy, any value being as likely, is noticed: 1 - n / 10^d, at least 0.

    Of the 10^d values that d digits can print, about n are some k / n. A wrong digit is not quite a random value, so it
    may be noticed a little more often for some n.
    """
    return max(0.0, 1 - num_answers * float(accuracy.resolution))
