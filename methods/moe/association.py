"""Association of experts with tokens, texts or classes: counts of choices, lift, mutual information and its test.

Shapes: N tokens, each with K choices of experts; M texts; G groups of tokens; C classes, E experts, R routers.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PERMUTATIONS = 1000
SEED = 0
#: Bits; a smaller difference of two values of mutual information is rounding.
SAME_BITS = 1e-12


class Association(NamedTuple):
    """Mutual information of class and expert, for each of R routers.

    Attributes:
        bits: observed values, [R].
        permuted_bits: mean over the permutations, the value expected by chance, [R].
        p_values: share of permutations, the observed order included, with at least the observed value, [R].
    """

    bits: NDArray[np.float64]
    permuted_bits: NDArray[np.float64]
    p_values: NDArray[np.float64]


def count_choices(
    groups: NDArray[np.int64], chosen: NDArray[np.signedinteger], num_groups: int, num_experts: int
) -> NDArray[np.int64]:
    """Choices of each expert by the tokens of each group, [G, E], from each token's group [N] and experts [N, K]."""
    cells = groups[:, None] * num_experts + chosen
    return np.bincount(cells.ravel(), minlength=num_groups * num_experts).reshape(num_groups, num_experts)


def share_and_lift(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """P(expert | group) and P(expert | group) / P(expert), each [G, E], from counts [G, E]; NaN if undefined."""
    shares = _divide(counts, counts.sum(1, keepdims=True))
    return shares, _divide(shares, _divide(counts.sum(0), counts.sum(keepdims=True)[0]))


def mutual_information(joint: NDArray[Any]) -> NDArray[np.float64]:
    """Plug-in mutual information in bits, [...], from joint counts [..., C, E]; 0 for an empty table.

    I(X; Y) = H(X) + H(Y) - H(X, Y) with relative frequencies as probabilities (Cover and Thomas 2006, Elements of
    Information Theory, theorem 2.4.1); each entropy is log n - (sum of c log c) / n.
    """
    total = np.maximum(joint.sum((-2, -1)), 1)
    known = _c_log_c(joint).sum((-2, -1)) - _c_log_c(joint.sum(-1)).sum(-1) - _c_log_c(joint.sum(-2)).sum(-1)
    bits: NDArray[np.float64] = np.log2(total) + known / total
    return np.where(bits < SAME_BITS, 0.0, bits)


def associate(labels: NDArray[np.int64], counts: NDArray[np.int64], permutations: int = PERMUTATIONS) -> Association:
    """Mutual information of class and expert with a permutation test, for each router.

    Tokens of one text are not independent, so the classes of whole texts are permuted, equally for all routers.
    p = (1 + permutations with at least the observed value) / (1 + permutations): Phipson and Smyth 2010,
    doi 10.2202/1544-6115.1585.

    Args:
        labels: class index of each text, [M].
        counts: choices of each text by router and expert, [M, R, E].
        permutations: number of permutations, drawn from a fixed seed.
    """
    of_class = (np.unique(labels)[:, None] == labels).astype(np.float64)
    by_text = counts.reshape(len(labels), -1).astype(np.float64)  # whole numbers: sums are exact in any order

    def bits(texts_by_class: NDArray[np.float64]) -> NDArray[np.float64]:
        joint = (texts_by_class @ by_text).reshape(-1, *counts.shape[1:])
        return mutual_information(joint.swapaxes(0, 1))

    observed = bits(of_class)
    rng = np.random.default_rng(SEED)
    permuted = np.stack([bits(of_class[:, rng.permutation(len(labels))]) for _ in range(permutations)])
    reached = (permuted >= observed - SAME_BITS).sum(0)
    return Association(observed, permuted.mean(0), (1 + reached) / (1 + permutations))


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """P values [T] adjusted for the family-wise error rate: Holm 1979, Scand. J. Statist. 6, 65-70."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(np.minimum(p_values[order] * np.arange(len(p_values), 0, -1), 1.0))
    return adjusted


def _c_log_c(counts: NDArray[Any]) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log2(np.maximum(counts, 1))
    return counts * logs


def _divide(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    """The quotient; NaN where the divisor is 0."""
    quotient = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=quotient, where=below != 0)
    return quotient
