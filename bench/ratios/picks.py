"""The batches of a window: the same for every method, and of all lengths."""

from collections.abc import Sequence

import numpy as np

#: Fractional part of the golden ratio. Its multiples fill [0, 1) evenly, whatever their number.
GOLDEN_FRACTION = (5**0.5 - 1) / 2


def picks(sizes: Sequence[int], window: int, steps: int) -> list[int]:
    """Indices of the batches of a window.

    Each window is a systematic sample: the batches are sorted by size and divided into as many equal parts as there are
    steps, and one is taken from each part, at a place that moves with the number of the window. Places in every other
    part are mirrored, so that a long batch comes with a short one. So all windows have nearly the same mix of lengths,
    and all batches are used equally often. Without it the lengths would be most of the variation between windows.

    Args:
        sizes: padded tokens of each batch.
        window: number of the window.
        steps: number of batches to pick; above the number of batches, some are picked several times.

    Returns:
        Indices into ``sizes``, in an order that depends on the window alone.
    """
    order = sorted(range(len(sizes)), key=lambda at: (sizes[at], at))
    place = window * GOLDEN_FRACTION % 1
    within = [1 - place if step % 2 else place for step in range(steps)]
    chosen = [order[min(int((step + within[step]) / steps * len(order)), len(order) - 1)] for step in range(steps)]
    return [chosen[at] for at in np.random.default_rng(window).permutation(steps)]
