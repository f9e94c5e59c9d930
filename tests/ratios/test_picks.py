"""The batches of a window."""

from collections import Counter

import numpy as np
import pytest

from bench.ratios.picks import picks


def test_a_window_is_determined_by_its_number() -> None:
    sizes = [10, 30, 20, 40]
    assert picks(sizes, 3, 2) == picks(sizes, 3, 2)
    assert len({tuple(picks(list(range(100)), number, 4)) for number in range(20)}) > 15


def test_all_windows_have_nearly_the_same_size() -> None:
    sizes = list(np.random.default_rng(0).integers(100, 4000, 200))
    totals = [sum(sizes[at] for at in picks(sizes, number, 8)) for number in range(50)]
    assert np.std(totals) / np.mean(totals) < 0.1
    at_random = [sum(np.random.default_rng(number).choice(sizes, 8)) for number in range(50)]
    assert np.std(totals) < np.std(at_random) / 3


@pytest.mark.parametrize(("batches", "steps"), [(7, 3), (3, 7), (1, 5), (50, 1)])
def test_every_batch_is_used_equally_often(batches: int, steps: int) -> None:
    windows = 500
    used = Counter(at for number in range(windows) for at in picks([5] * batches, number, steps))
    assert len(used) == batches
    expected = windows * steps / batches
    assert all(abs(times - expected) <= 0.15 * expected for times in used.values())
