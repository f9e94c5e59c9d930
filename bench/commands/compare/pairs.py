"""Pair the cells of two sides by names and seed; ids do not serve because they change with the code."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.commands.compare.side import Side
from bench.record.record import Record
from bench.report.analysis.names import NAMES
from bench.report.results.measured import Measured

SideName = Literal["A", "B"]


@dataclass(frozen=True, slots=True)
class Pair:
    """The same cell on both sides."""

    a: Measured
    b: Measured

    @property
    def records(self) -> tuple[Record, Record]:
        """The records of A and of B."""
        return self.a[0], self.b[0]

    @property
    def measured(self) -> bool:
        """Whether both succeeded."""
        return all(record.status == "ok" for record in self.records)


@dataclass(frozen=True, slots=True)
class Single:
    """A cell without a counterpart on the other side.

    Attributes:
        side: side that has the cell.
        record: record of the cell.
        reason: short reason why it has no counterpart.
        ambiguous: whether there are several candidates.
    """

    side: SideName
    record: Record
    reason: str
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Matching:
    """All cells of both sides, each once."""

    pairs: tuple[Pair, ...]
    singles: tuple[Single, ...]

    def rows(self) -> list[tuple[Pair, ...]]:
        """The pairs grouped by row of a table: equal settings on each side, one pair per seed and repeat."""
        rows: dict[tuple[str, str], list[Pair]] = {}
        for one in self.pairs:
            rows.setdefault((one.a[0].cell.row_id, one.b[0].cell.row_id), []).append(one)
        return [tuple(row) for row in rows.values()]


def match(a: Side, b: Side) -> Matching:
    """Pair the cells of two sides.

    Cells with equal settings, code and data are paired first. The rest is paired by the names of dataset, model and
    method, seed and repeat; names that occur twice with one seed on a side are not paired.
    """
    same = _matched(a.cells, b.cells, lambda record: (record.cell.row_id, record.cell.seed, record.cell.repeat))
    rest_a, rest_b = _left(a, same), _left(b, same)
    ambiguous = _repeated(rest_a) | _repeated(rest_b)
    clear_a, clear_b = ([one for one in rest if _names(one[0]) not in ambiguous] for rest in (rest_a, rest_b))
    pairs = [*same, *_matched(clear_a, clear_b, _place)]
    left_a, left_b = _left(a, pairs), _left(b, pairs)
    singles = [*_singles("A", left_a, "B", left_b, b.not_run), *_singles("B", left_b, "A", left_a, a.not_run)]
    order = {id(found): at for at, found in enumerate(a.cells)}
    return Matching(tuple(sorted(pairs, key=lambda one: order[id(one.a)])), tuple(singles))


def _names(record: Record) -> tuple[str, ...]:
    return tuple(getattr(record.cell, part).name for part in NAMES)


def _place(record: Record) -> tuple[tuple[str, ...], int, int]:
    return _names(record), record.cell.seed, record.cell.repeat


def _left(side: Side, pairs: Sequence[Pair]) -> list[Measured]:
    taken = {id(found) for one in pairs for found in (one.a, one.b)}
    return [found for found in side.cells if id(found) not in taken]


def _matched(a: Sequence[Measured], b: Sequence[Measured], key: Callable[[Record], Hashable]) -> list[Pair]:
    """The pairs whose key occurs exactly once on each side."""
    keys_a, keys_b = ([key(record) for record, _ in side] for side in (a, b))
    counts_a, counts_b = Counter(keys_a), Counter(keys_b)
    partner = dict(zip(keys_b, b, strict=True))
    return [
        Pair(found, partner[own]) for own, found in zip(keys_a, a, strict=True) if counts_a[own] == counts_b[own] == 1
    ]


def _repeated(cells: Sequence[Measured]) -> set[tuple[str, ...]]:
    """Names that occur twice with the same seed and repeat."""
    counts = Counter(_place(record) for record, _ in cells)
    return {names for (names, *_), count in counts.items() if count > 1}


def _singles(
    side: SideName, left: Sequence[Measured], other: SideName, others: Sequence[Measured], not_run: Sequence[str]
) -> list[Single]:
    candidates = {_place(record) for record, _ in others}
    waiting = {_stem(cell_id) for cell_id in not_run}
    singles = []
    for record, _ in left:
        if _place(record) in candidates:
            singles.append(Single(side, record, "not pairable: several cells have these names", ambiguous=True))
        elif _stem(record.cell.id) in waiting:
            singles.append(Single(side, record, f"not run yet in {other}"))
        else:
            singles.append(Single(side, record, f"only in {side}"))
    return singles


def _stem(cell_id: str) -> str:
    """The part of an id that consists of names and seed."""
    return cell_id.rsplit("-", 1)[0]
