"""Pairing of the rows that a study compares: equal in everything except the method."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.method.registry import MethodSource
from bench.report.analysis.names import flat
from bench.report.results.measured import Measured, by_row
from bench.study.cell import Cell
from bench.study.settings import TrainSettings
from bench.text.display import one_line

MeasuredRow = tuple[Measured, ...]
"""Measured cells of one row, one per seed."""

#: Start of the names of training settings in the space of a search.
TRAIN = "train."
NOT_SHARED = {"study", "limits", "seed", "repeat", "method"}
NOBODY = MethodSource(name="", label="", plugin="", path="", sha256="")


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two rows to compare.

    Attributes:
        names: names of the first and the second method.
        first: row of the first method; may be empty.
        second: row of the second method; may be empty.
        reason: reason for an empty row; empty if both rows exist.
    """

    names: tuple[str, str]
    first: MeasuredRow
    second: MeasuredRow
    reason: str = ""

    @property
    def cell(self) -> Cell | None:
        """A cell of either row, for the dataset, model and settings of both; None if both are empty."""
        rows = self.first or self.second
        return rows[0][0].cell if rows else None

    def seeds(self) -> tuple[list[tuple[Measured, Measured]], list[str]]:
        """The measured cells paired by seed, and the reasons why other seeds are left out."""
        first, second = ({found[0].cell.seed: found for found in row} for row in (self.first, self.second))
        pairs, left_out = [], []
        for seed in sorted(first.keys() | second.keys()):
            stopped = [f"{name} {why}" for name, row in zip(self.names, (first, second), strict=True)
                       if (why := _stopped(row.get(seed)))]  # fmt: skip
            if stopped:
                left_out.append(f"seed {seed}: {', '.join(stopped)}")
            else:
                pairs.append((first[seed], second[seed]))
        return pairs, left_out


def find(study: Mapping[str, Any], measured: Sequence[Measured]) -> list[Pairing]:
    """The pairings of a study's comparisons, in the study's order.

    Two rows are paired if dataset, model and settings agree; train settings that the study gives to one of the two
    methods alone, or that a search chose for either, may differ.

    Args:
        study: settings of the study, as a run folder keeps them.
        measured: cells in the study's order, failed ones included.
    """
    found: list[Pairing] = []
    for first, second in study.get("comparisons", ()):
        entries = [study.get("methods", {}).get(name) or {} for name in (first, second)]
        own = {key for entry in entries for key in entry.get("train", {})} | _searched((first, second), measured)
        found += _of_methods((first, second), own, measured)
    return found


def _searched(names: tuple[str, str], measured: Sequence[Measured]) -> set[str]:
    """The train settings that a search chose for either method."""
    records = [record for record, _ in measured if record.cell.method.name in names]
    spaces = [record.tuning.space for record in records if record.tuning is not None]
    return {name.removeprefix(TRAIN) for space in spaces for name in space if name.startswith(TRAIN)}


def _of_methods(names: tuple[str, str], own: Collection[str], measured: Sequence[Measured]) -> list[Pairing]:
    sides: dict[str, tuple[list[MeasuredRow], list[MeasuredRow]]] = {}
    for row in by_row(found for found in measured if found.record.cell.method.name in names):
        cell = row[0][0].cell
        sides.setdefault(_settings(cell, own), ([], []))[names.index(cell.method.name)].append(tuple(row))
    firsts, seconds = ([row for side in sides.values() for row in side[at]] for at in (0, 1))
    pairings = []
    for ours, theirs in sides.values():
        pairings += [Pairing(names, first, second) for first in ours for second in theirs]
        if not theirs:
            pairings += [Pairing(names, first, (), _no_partner(first, names[1], seconds, own)) for first in ours]
        if not ours:
            pairings += [Pairing(names, (), second, _no_partner(second, names[0], firsts, own)) for second in theirs]
    return pairings or [Pairing(names, (), (), f"neither {names[0]} nor {names[1]} has a measured cell")]


def _settings(cell: Cell, own: Collection[str]) -> str:
    """A key that two paired rows share: the row id without the method and the methods' own train settings."""
    defaults = TrainSettings()
    train = cell.train.model_copy(update={key: getattr(defaults, key) for key in own})
    return cell.model_copy(update={"method": NOBODY, "train": train}).row_id


def _no_partner(row: MeasuredRow, other: str, elsewhere: Sequence[MeasuredRow], own: Collection[str]) -> str:
    """Why the other method has no row with these settings."""
    cell = row[0][0].cell
    there = [one for (record, _), *_ in elsewhere if _place(one := record.cell) == _place(cell)]
    if not there:
        return f"{other} has no measured cell here"
    here, else_here = (flat(one.model_dump(exclude=NOT_SHARED)) for one in (cell, there[0]))
    apart = [
        f"{key} = {else_here.get(key)} and not {value}"
        for key, value in here.items()
        if else_here.get(key) != value and key.removeprefix("train.") not in own
    ]
    return one_line(f"{other} was measured under other settings: {', '.join(apart)}", 160)


def _place(cell: Cell) -> tuple[str, str]:
    return cell.dataset.name, cell.model.name


def _stopped(found: Measured | None) -> str:
    """Why a cell has no numbers; empty if it has."""
    if found is None:
        return "was not measured"
    record = found[0]
    where = f" in {one_line(record.failure.phase, 40)}" if record.failure else ""
    return "" if record.status == "ok" else f"stopped ({record.status}{where})"
