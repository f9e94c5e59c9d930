"""The registry of quantities that feeds tables, data frame, charts, page, comparisons and exports."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from bench.record.record import Record
from bench.report.analysis.quantities.quantity import Place, Quantity


class Registry:
    """Quantities by column, in the order of the data frame."""

    def __init__(self, quantities: Iterable[Quantity] = ()) -> None:
        """Register quantities; see ``add`` for errors."""
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
        """Append a quantity.

        Raises:
            ValueError: another quantity has its column, or its column in the data frame.
        """
        frames = {one.frame for one in self._known.values() if one.frame}
        if quantity.column in self._known or quantity.frame in frames:
            raise ValueError(f"quantity {quantity.column}: the registry has one of this name; give it another")
        self._known[quantity.column] = quantity

    @contextmanager
    def added(self, quantity: Quantity) -> Iterator[None]:
        """Register a quantity while the context is open."""
        self.add(quantity)
        try:
            yield
        finally:
            del self._known[quantity.column]

    def of(self, place: Place, records: Sequence[Record] | None = None) -> tuple[Quantity, ...]:
        """The quantities that appear in a place, in their order there.

        Args:
            place: table, chart or other place.
            records: records on show; a quantity that applies to none of them is left out. None: keep all.
        """
        found = sorted((one for one in self if place in one.places), key=lambda one: one.places[place])
        return tuple(one for one in found if records is None or one.wanted is None or any(map(one.wanted, records)))
