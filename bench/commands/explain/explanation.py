"""What there is to show of one text: the model's answer and what its method did with each token."""

from dataclasses import dataclass

from bench.method.insight import Trace
from bench.study.cell import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token as a reader sees it.

    Attributes:
        before: blanks between the token before and this one.
        text: the characters it stands for; of a special token its name; nothing where it is a further part of a
            character that the token before began.
        label: the same, never empty; a token that stands for a word which the model does not know says so.
    """

    before: str
    text: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One text, explained.

    Attributes:
        cell: whose model it is.
        answer: classes with their probabilities, the highest first.
        tokens: L of them, as the model reads them.
        trace: its steps are those of the tokens.
        notes: what a reader must know, a sentence each.
    """

    cell: Cell
    answer: tuple[tuple[str, float], ...]
    tokens: tuple[Token, ...]
    trace: Trace
    notes: tuple[str, ...]
