"""The explanation of one text: the model's prediction and what its method did with each token."""

from dataclasses import dataclass

from bench.method.insight import Trace
from bench.study.cell import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token as it is displayed.

    Attributes:
        before: whitespace between the previous token and this one.
        text: characters of the token; the name of a special token; empty if the previous token began its character.
        label: the same, but never empty, and marked if the word is unknown to the model.
    """

    before: str
    text: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One text, explained.

    Attributes:
        cell: cell of the model.
        answer: classes with their probabilities, in descending order.
        tokens: the L tokens of the model's input.
        trace: steps of the method for each token.
        notes: remarks, one sentence each.
    """

    cell: Cell
    answer: tuple[tuple[str, float], ...]
    tokens: tuple[Token, ...]
    trace: Trace
    notes: tuple[str, ...]
