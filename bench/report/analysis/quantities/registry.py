"""The registry of quantities, which tables, data frame, charts, page, comparisons and exports read."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from bench.record.record import Record
from bench.report.analysis.quantities.quantity import Place, Quantity


class Registry:
    """Quantities by column; their order is that of the data frame."""

    def __init__(self, quantities: Iterable[Quantity] = ()) -> None:
        """Start with some.

        Raises:
            ValueError: two of them have one name.
        """
        self._known: dict[str, Quantity] = {}
        for quantity in quantities:
            self.add(quantity)

    def __iter__(self) -> Iterator[Quantity]:
        """All of them."""
        return iter(tuple(self._known.values()))

    def __getitem__(self, column: str) -> Quantity:
        """The quantity of a column."""
        return self._known[column]

    def add(self, quantity: Quantity) -> None:
        """Add one behind the others.

        Raises:
            ValueError: its column, or its column in the data frame, is another one's.
        """
        frames = {one.frame for one in self._known.values() if one.frame}
        if quantity.column in self._known or quantity.frame in frames:
            raise ValueError(f"quantity {quantity.column}: the registry has one of this name; give it another")
        self._known[quantity.column] = quantity

    @contextmanager
    def added(self, quantity: Quantity) -> Iterator[None]:
        """Add one for a while."""
        self.add(quantity)
        try:
            yield
        finally:
            del self._known[quantity.column]

    def of(self, place: Place, records: Sequence[Record] | None = None) -> tuple[Quantity, ...]:
        """The quantities that appear in a place, in the order there.

        Args:
            place: where.
            records: that are shown; quantities that none of them has something of are left out. None: none is.
        """
        found = sorted((one for one in self if place in one.places), key=lambda one: one.places[place])
        return tuple(one for one in found if records is None or one.wanted is None or any(map(one.wanted, records)))
