"""Early stopping by the validation F1.

Without early stopping, validation runs after training, see ``bench.run.worker.validation``. Here the next step depends
on it, so it runs between two steps, in a separate phase: it affects no step's time or peak, but the device's
temperature may change.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager


class EarlyStopping:
    """Validates at each point, and decides when the training ends.

    Attributes:
        found: macro F1 of the points so far, by number of steps.
        ended: whether ``patience`` points in a row were no better than the best before them, or the trial was pruned.
        pruned: whether the best so far is below ``prune_below``.
    """

    def __init__(
        self, points: Sequence[int], patience: int, macro_f1: Callable[[], float],
        around: Callable[[], AbstractContextManager[None]], keep: Callable[[int], None] | None = None,
        prune_below: Mapping[int, float] | None = None,
    ) -> None:  # fmt: skip
        """Start with no point.

        Args:
            points: number of steps at each validation point.
            patience: number of points in a row without improvement that ends the training; one more than there are
                points never does.
            macro_f1: function that returns the current model's macro F1 on the validation split.
            around: context manager for the work at a point.
            keep: function called with the number of steps at each point that is the best so far.
            prune_below: macro F1 by number of steps below which the best so far ends the training.
        """
        self.found: dict[int, float] = {}
        self.ended = self.pruned = False
        self._points, self._patience = frozenset(points), patience
        self._macro_f1, self._around, self._keep = macro_f1, around, keep
        self._prune_below = prune_below or {}

    def __call__(self, step: int) -> bool:
        """Validate if there is a point after this number of steps; returns whether there is."""
        if step not in self._points:
            return False
        with self._around():
            self.found[step] = self._macro_f1()
            best = best_step(self.found)
            if best == step and self._keep is not None:
                self._keep(step)
            self.pruned = step in self._prune_below and self.found[best] < self._prune_below[step]
            self.ended = self.pruned or sum(later > best for later in self.found) >= self._patience
        return True


def best_step(found: Mapping[int, float]) -> int:
    """The point with the highest F1; the first of equal ones."""
    return max(found, key=found.__getitem__)
