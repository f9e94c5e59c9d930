"""FLOPs at any sequence length, from counts at three lengths."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class FlopsByLength:
    """FLOPs of one sequence as a quadratic polynomial in its length L.

    Attributes:
        coefficients: coefficients of 1, L and L squared.
    """

    coefficients: tuple[float, float, float]

    @classmethod
    def through(cls, counts: dict[int, int]) -> "FlopsByLength":
        """The polynomial through three counts, keyed by length in tokens.

        Raises:
            ValueError: the number of counts is not three.
        """
        if len(counts) != 3:
            raise ValueError(f"a quadratic polynomial needs three counts, got {len(counts)}")
        table = np.array([[1, length, length**2] for length in counts], dtype=np.float64)
        constant, linear, squared = np.linalg.solve(table, np.array(list(counts.values()), dtype=np.float64)).tolist()
        return cls((constant, linear, squared))

    def at(self, tokens: float) -> float:
        """FLOPs of one sequence with this number of tokens."""
        constant, linear, squared = self.coefficients
        return constant + linear * tokens + squared * tokens**2
