"""FLOPs at any length from counts at three."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.measure.flops.agreement import agree


@dataclass(frozen=True, slots=True)
class FlopsByLength:
    """FLOPs of one sequence as a polynomial of its tokens: a constant, a part a token, and one a pair of tokens.

    Attributes:
        coefficients: of 1, L and L squared.
    """

    coefficients: tuple[float, float, float]

    @classmethod
    def through(cls, count: Callable[[int], int], longest: int) -> "FlopsByLength | None":
        """The polynomial through three counts; None where a fourth does not lie on it.

        Args:
            count: FLOPs at a length.
            longest: length in tokens, 4 or more.
        """
        lengths = sorted({longest, max(3, longest * 3 // 4), max(2, longest // 2)})
        if len(lengths) < 3:
            return None
        counts = [count(length) for length in lengths]
        table = np.array([[1, length, length**2] for length in lengths], dtype=np.float64)
        found = cls(tuple(np.linalg.solve(table, np.array(counts, dtype=np.float64)).tolist()))
        check = max(1, longest // 4)
        return found if agree(round(found.at(check)), count(check)) else None

    def at(self, tokens: float) -> float:
        """FLOPs of one sequence of so many tokens."""
        constant, linear, squared = self.coefficients
        return constant + linear * tokens + squared * tokens**2
