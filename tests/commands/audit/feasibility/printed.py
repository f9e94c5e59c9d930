"""Printed scores for tests."""

from bench.commands.audit.feasibility.printing import PRINTINGS, Interval, Printing, interval
from bench.commands.audit.published.number import Number, read_number
from bench.commands.audit.published.quantities import COLUMNS

SCORES = ("accuracy", "precision", "recall", "f1")


def number(text: str, column: str = "accuracy") -> Number:
    return read_number(text, COLUMNS[column], "here")


def intervals(texts: str, printing: Printing = "rounding") -> dict[str, Interval]:
    """The intervals of accuracy, precision, recall and F1 in a text such as ``0.9,0.8,,0.9``."""
    assert printing in PRINTINGS
    parts = zip(SCORES, texts.split(","), strict=True)
    return {score: interval(number(text, score), printing) for score, text in parts if text}
