"""The metrics of a row that are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.commands.compare.pairs import Pair
from bench.record.record import Record
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.latency import latency_of
from bench.report.analysis.quantities.quantity import Kind, Quantity

#: Maximum absolute value, so that sums stay finite.
LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class Metric:
    """A quantity that is compared.

    Attributes:
        quantity: the quantity; its column is the metric's name in files, with the unit.
    """

    quantity: Quantity

    @property
    def kind(self) -> Kind:
        """Kind of quantity, which decides how it is judged."""
        assert self.quantity.kind is not None, "a quantity that is compared has a kind"
        return self.quantity.kind

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher value is better."""
        return self.quantity.better == "higher"

    @property
    def label(self) -> str:
        """Name and unit on one line."""
        return self.quantity.label

    def values(self, records: Sequence[Record]) -> list[float | None]:
        """One value per record, in the quantity's unit; None if it is unknown or too large."""
        try:
            found = self.quantity.values(records)
        except OverflowError:  # an integer of hundreds of digits in a damaged record
            return [None] * len(records)
        return [None if value is None or abs(value) > LARGEST else float(value) for value in found]


def of_row(row: Sequence[Pair]) -> list[Metric]:
    """The metrics of one row, in the order of tables.

    Args:
        row: pairs of cells that succeeded on both sides.
    """
    latencies = {latency.batch_size for one in row for record in one.records for latency in record.latency}
    found = [*QUANTITIES.of("compare"), *map(latency_of, sorted(latencies))]
    return list(map(Metric, sorted(found, key=lambda quantity: quantity.places["compare"])))


TOGETHER = Metric(
    Quantity(
        "timed_metrics_together", "Timed metrics together\n(time or energy)", lambda _: None, (), 2,
        better="lower", kind="timed",
    )
)  # fmt: skip
"""The mean log ratio of a row's timed metrics, which no record holds."""
