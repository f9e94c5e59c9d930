"""The validation F1 amid a training that it may end.

A training that nothing ends early predicts once it is over, see ``bench.run.worker.validation``. Here the next step
depends on the prediction, so that it is made between two steps, in a phase of its own: no step's time or peak holds
it, but the device may be warmer or colder after it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager


class EarlyStopping:
    """Predicts at each point, and tells when the training is to end.

    Attributes:
        found: macro F1 by steps done, of the points so far.
        ended: so many points in a row were no better than the best before them.
    """

    def __init__(
        self,
        points: Sequence[int],
        patience: int,
        macro_f1: Callable[[], float],
        around: Callable[[], AbstractContextManager[None]],
        keep: Callable[[int], None] | None = None,
    ) -> None:
        """Start with no point.

        Args:
            points: steps done at each.
            patience: points in a row that may be no better before the training ends.
            macro_f1: of the model as it is, on the validation split.
            around: entered for what is done at a point.
            keep: told the steps done at each point that is the best so far.
        """
        self.found: dict[int, float] = {}
        self.ended = False
        self._points, self._patience = frozenset(points), patience
        self._macro_f1, self._around, self._keep = macro_f1, around, keep

    def __call__(self, step: int) -> bool:
        """Predict, if there is a point after so many steps; returns whether there is."""
        if step not in self._points:
            return False
        with self._around():
            self.found[step] = self._macro_f1()
            best = best_step(self.found)
            if best == step and self._keep is not None:
                self._keep(step)
            self.ended = sum(later > best for later in self.found) >= self._patience
        return True


def best_step(found: Mapping[int, float]) -> int:
    """The point with the highest F1, of equal ones the first."""
    return max(found, key=found.__getitem__)
