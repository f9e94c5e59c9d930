"""Computations beside the figures of the shipped tables: ``claims.toml`` in a folder of ``reports/published``.

A claim computes one printed figure from sizes that are public, names the convention that it needs and gives a verdict.
The verdict is judged by hand; ``fits`` checks that the computation supports it.
"""

import ast
import operator
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from bench.commands.audit.published import Number, Published

FILE = "claims.toml"
#: Verdicts, and what they mean on the page.
VERDICTS = {
    "exact": "rounds to the printed figure",
    "truncated": "is the printed figure if further digits are cut off",
    "nominal size": "is near the printed figure, which is the model's size as people call it",
    "not the stated configuration": "is not the printed figure; another configuration than the stated may explain it",
    "cannot be right": "is not the printed figure, and the same table says so",
}
#: A nominal size is no further off.
NOMINAL = Fraction(5, 100)
_OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claim:
    """One computation.

    Attributes:
        table: key of the table in its manifest.
        row: label of the row.
        column: quantity.
        computation: arithmetic with whole numbers.
        meaning: what it computes.
        convention: what is counted or not; empty if nothing needs saying.
        verdict: one of VERDICTS.
    """

    table: str
    row: str
    column: str
    computation: str
    meaning: str
    convention: str
    verdict: str

    @property
    def value(self) -> Fraction:
        """The computed value in base units."""
        return _evaluated(ast.parse(self.computation, mode="eval").body)

    def number(self, published: Published) -> Number:
        """The printed figure that it is about."""
        (table,) = (table for table in published.tables if table.name == self.table)
        (row,) = (row for row in table.rows if row.label == self.row)
        return row.numbers[self.column]

    def fits(self, number: Number) -> bool:
        """Whether the computation supports the verdict."""
        printed, step = Fraction(number.value), Fraction(number.resolution)
        rounds = abs(self.value - printed) <= step / 2
        cut = 0 <= self.value - printed < step
        near = abs(self.value - printed) <= NOMINAL * self.value
        return {
            "exact": rounds, "truncated": cut and not rounds, "nominal size": near and not (rounds or cut),
        }.get(self.verdict, not (rounds or cut))  # fmt: skip


def read_claims(folder: Path) -> list[Claim]:
    """The claims beside a manifest; none if it has no file of them."""
    path = folder / FILE
    return (
        [Claim(**claim) for claim in tomllib.loads(path.read_text(encoding="utf-8"))["claims"]] if path.exists() else []
    )


def _evaluated(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int(value)):
            return Fraction(value)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))):
            return _evaluated(left) ** power
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATIONS[type(op)](_evaluated(left), _evaluated(right))
    raise ValueError(f"not arithmetic with whole numbers: {ast.unparse(node)}")
