"""One metric of one row, read on both sides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.commands.compare.metrics import Metric
from bench.commands.compare.pairs import Pair
from bench.record.check_scopes import doubted
from bench.record.record import Record
from bench.report.analysis.comparability import conditions
from bench.report.tables.validity import validity_of

Obstacle = Literal["other machine", "other data"]


@dataclass(frozen=True, slots=True)
class Sample:
    """The values of one metric of a row.

    Attributes:
        row: pairs of cells that succeeded on both sides.
        metric: metric.
        cells: pairs that are compared: those whose measurement is trusted, or all if none is.
        a: value of each of these cells on side A, in the quantity's unit.
        b: value on side B.
        trusted: whether no check of these cells failed that speaks of the metric.
        suspect: short descriptions of the failed checks of either side.
        obstacle: reason why the sides cannot be compared; None if they can.
    """

    row: tuple[Pair, ...]
    metric: Metric
    cells: tuple[Pair, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]
    trusted: bool
    suspect: tuple[str, ...]
    obstacle: Obstacle | None

    @property
    def runs(self) -> list[tuple[int, int]]:
        """Seed and repeat of each cell."""
        return [(one.a[0].cell.seed, one.a[0].cell.repeat) for one in self.cells]


def read(metric: Metric, row: tuple[Pair, ...], strict: bool) -> Sample:
    """Read a metric of a row; there are no cells if no pair has it on both sides.

    Args:
        metric: metric to read.
        row: pairs of cells that succeeded on both sides.
        strict: whether suspect measurements count like any other.
    """
    sides = [metric.values([one.records[at] for one in row]) for at in (0, 1)]
    known = [one for one, a, b in zip(row, *sides, strict=True) if a is not None and b is not None]
    trusted = [one for one in known if strict or not any(_failed(record, metric) for record in one.records)]
    cells = tuple(trusted or known)
    # Read again for these cells only, because all values must be read in one way: by windows if all have windows.
    values = metric.values([one.records[at] for at in (0, 1) for one in cells])
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values):
        cells, numbers = (), []
    return Sample(
        row, metric, cells, tuple(numbers[: len(cells)]), tuple(numbers[len(cells) :]), bool(trusted),
        _suspect(known, metric), _obstacle(metric, cells),
    )  # fmt: skip


def _failed(record: Record, metric: Metric) -> bool:
    return _about(record, metric).stamp == "suspect"


def _about(record: Record, metric: Metric) -> Record:
    """The record with only those checks that speak of the metric."""
    fields = {field.partition(".")[0] for field in metric.quantity.fields}
    checks = tuple(check for check in record.checks if fields & set(doubted(check)))
    return record.model_copy(update={"checks": checks})


def _suspect(cells: Sequence[Pair], metric: Metric) -> tuple[str, ...]:
    if not cells:
        return ()
    validities = [validity_of([_about(one.records[at], metric) for one in cells]) for at in (0, 1)]
    return tuple(
        f"in {side}: {reason}" for side, validity in zip("AB", validities, strict=True) if validity.verdict == "suspect"
        for reason in validity.reasons
    )  # fmt: skip


def _obstacle(metric: Metric, cells: Sequence[Pair]) -> Obstacle | None:
    """Whether data or machine differ, if the metric depends on them."""
    if metric.kind in ("size", "exact"):
        return None
    pairs = [one.records for one in cells]
    if any(_texts(a) != _texts(b) for a, b in pairs):
        return "other data"
    if metric.kind == "quality":
        return None
    differs = any(not (a.machine and b.machine) or conditions(a) != conditions(b) for a, b in pairs)
    return "other machine" if differs else None


def _texts(record: Record) -> tuple[object, ...]:
    """What identifies the evaluated texts of a record."""
    read_texts = (record.data.sha256, record.data.labels) if record.data else (record.cell.dataset.fingerprint,)
    return (record.cell.data.evaluate_split, *read_texts)
