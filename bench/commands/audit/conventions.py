"""Ways of counting parameters, FLOPs and bytes, and which of them makes every row of a column exact."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from bench.commands.audit.published.manifest import Stated
from bench.commands.audit.published.number import Number
from bench.plan.row import PlanRow

#: What each departure from this project's counting is called behind "exact if".
DEPARTURES = {
    "no_head": "the head is not counted",
    "no_copies": "saved copies are not counted",
    "no_embeddings": "embeddings are not counted",
    "logical": "4-bit weights are counted one by one, not as stored",
    "single_operations": "a multiply-add is counted as 1",
    "binary_unit": "the unit is a power of 1024",
    "decimal_unit": "the unit is a power of 1000",
}
OF_QUANTITY: Mapping[str, tuple[str, ...]] = {
    "trainable_params": ("no_head", "no_embeddings"),
    "total_params": ("no_head", "no_copies", "no_embeddings", "logical"),
    "flops": ("single_operations",),
    "peak_memory": ("binary_unit", "decimal_unit"),
}
#: Whether a printed number agrees with a value in base units.
Agrees: TypeAlias = Callable[[Number, float], bool]
#: 1,024 by the number of thousands in a decimal unit, 1,000 by that in a binary unit.
_BINARY = {1000**power: 1024**power for power in (1, 2, 3)}


@dataclass(frozen=True, slots=True)
class Convention:
    """A way of counting one quantity.

    Attributes:
        departures: keys of DEPARTURES in which it departs from this project's own way.
    """

    departures: frozenset[str] = frozenset()

    def said(self) -> str:
        """The departures as a clause; empty without any."""
        return " and ".join(text for name, text in DEPARTURES.items() if name in self.departures)

    def counted(self, quantity: str, plan: PlanRow, value: float, number: Number) -> float | None:
        """The value that the convention gives where this project counts ``value``; None if it does not apply.

        Args:
            quantity: one of OF_QUANTITY.
            plan: row of the plan.
            value: value by this project's way of counting, in base units.
            number: printed number, whose unit is that of memory.
        """
        if quantity in ("trainable_params", "total_params"):
            return self._parameters(quantity == "total_params", plan, value)
        if quantity == "flops":
            # A column of MACs says itself that it counts multiply-adds, and its unit already is two operations.
            in_macs = number.column.unit.endswith("MACs")
            return value / 2 if "single_operations" in self.departures and not in_macs else value
        return self._memory(value, int(number.column.factor))

    def _parameters(self, total: bool, plan: PlanRow, value: float) -> float | None:
        parts = plan.parts
        if not self.departures:
            return value
        if parts is None or plan.logical_params is None:
            return None
        if "logical" in self.departures:
            value = plan.logical_params
        left_out = {
            "no_head": parts.head if total else parts.trainable_head,
            "no_embeddings": parts.embeddings if total else parts.trainable_embeddings,
            # A copy in a head that is left out is left out with it.
            "no_copies": parts.copies - (parts.head_copies if "no_head" in self.departures else 0),
        }
        return value - sum(count for name, count in left_out.items() if name in self.departures)

    def _memory(self, value: float, factor: int) -> float | None:
        if "binary_unit" in self.departures:
            return value * factor / _BINARY[factor] if factor in _BINARY else None
        if "decimal_unit" in self.departures:
            decimal = next((decimal for decimal, binary in _BINARY.items() if binary == factor), None)
            return None if decimal is None else value * factor / decimal
        return value


def stated_by(stated: Stated) -> dict[str, bool]:
    """Whether a publication departs from this project's counting, by key of DEPARTURES; without what it leaves open."""
    counted = {
        "no_head": stated.counts_head, "no_copies": stated.counts_copies, "no_embeddings": stated.counts_embeddings,
        "logical": stated.counts_packed,
    }  # fmt: skip
    departs = {name: not value for name, value in counted.items() if value is not None}
    return departs if stated.multiply_add is None else departs | {"single_operations": stated.multiply_add == 1}


def candidates(quantity: str, stated: Mapping[str, bool]) -> Iterator[list[Convention]]:
    """The conventions of a quantity in groups, those that depart least from this project's way first.

    Args:
        quantity: a quantity; one without conventions gives this project's way only.
        stated: whether the publication departs in a way, by key of DEPARTURES; absent where it says nothing.
    """
    ways = OF_QUANTITY.get(quantity, ())
    given = frozenset(name for name in ways if stated.get(name))
    free = [name for name in ways if name not in stated]
    for number in range(len(free) + 1):
        yield [Convention(given | set(some)) for some in combinations(free, number)]


def fitting(
    quantity: str, rows: Sequence[tuple[PlanRow, float, Number]], stated: Mapping[str, bool], agrees: Agrees
) -> tuple[list[Convention], frozenset[int]]:  # fmt: skip
    """The conventions that make most rows of a column agree; of these, those with the fewest departures.

    Args:
        quantity: quantity of the column.
        rows: row of the plan, value by this project's way of counting and printed number, of each row.
        stated: see ``candidates``.
        agrees: whether a printed number agrees with a value.

    Returns:
        The conventions, which make the same rows agree, and the indices of these rows; neither if no row ever agrees.
    """

    def agreeing(convention: Convention) -> frozenset[int]:
        values = [convention.counted(quantity, plan, value, number) for plan, value, number in rows]
        pairs = zip(rows, values, strict=True)
        return frozenset(
            at for at, ((_, _, number), value) in enumerate(pairs) if value is not None and agrees(number, value)
        )

    found: list[Convention] = []
    most: frozenset[int] = frozenset()
    for group in candidates(quantity, stated):
        by_convention = {convention: agreeing(convention) for convention in group}
        largest = max(by_convention.values(), key=len)
        if len(largest) > len(most):
            found, most = [each for each, those in by_convention.items() if those == largest], largest
    return found, most
