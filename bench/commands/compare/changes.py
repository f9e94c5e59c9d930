"""Changes between two sides: code, packages, machine, data and settings, each listed once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.commands.compare.pairs import Pair
from bench.commands.compare.side import Side
from bench.record.record import Record

AREAS = ("code", "packages", "machine", "data", "prompt", "settings", "study")
#: Fields of a cell that are no settings: those that pair it, code, names, paths, and what its fingerprint covers.
NO_SETTING: Any = {
    "schema_version": True, "study": True, "seed": True, "repeat": True,
    "dataset": {"name", "label", "files"}, "model": {"name", "label", "folder", "sha256"},
    "method": {"name", "label", "path", "sha256", "given"},
}  # fmt: skip


class Absent:
    """Marks a value that one side does not have, as distinct from None."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the sides.

    Attributes:
        area: one of AREAS.
        what: name, with dots for nested fields.
        a: JSON value on side A, or ABSENT.
        b: JSON value on side B, or ABSENT.
        cells: number of paired cells concerned; None for a change of the study.
    """

    area: str
    what: str
    a: Any
    b: Any
    cells: int | None


def find(a: Side, b: Side, pairs: Sequence[Pair]) -> list[Change]:
    """All changes, in the order of AREAS."""
    counts: dict[tuple[str, str, str], int] = {}
    values: dict[tuple[str, str, str], tuple[Any, Any]] = {}
    for one in pairs:
        for area, what, before, after in _of_records(*one.records):
            key = (area, what, repr((before, after)))
            counts[key] = counts.get(key, 0) + 1
            values[key] = before, after
    found = [Change(area, what, *values[area, what, text], counts[area, what, text]) for area, what, text in counts]
    known = {(change.what.rpartition(".")[2], repr((change.a, change.b))) for change in found}
    for what, before, after in _differing(_numbered(a.study), _numbered(b.study)):
        # Changes that are listed for cells are not listed again for the study.
        if (what.rpartition(".")[2], repr((before, after))) not in known:
            found.append(Change("study", what, before, after, None))
    return sorted(found, key=lambda change: AREAS.index(change.area))


def unseen(pairs: Sequence[Pair]) -> bool:
    """Whether code may have changed unrecorded: both sides had uncommitted changes on the same commit."""
    machines = [[record.machine for record in one.records] for one in pairs]
    return any(a and b and a.dirty and b.dirty and a.commit == b.commit for a, b in machines)


def _of_records(a: Record, b: Record) -> Iterator[tuple[str, str, Any, Any]]:
    facts_a, facts_b = _facts(a), _facts(b)
    for source, (area, facts) in facts_a.items():
        if source not in facts_b:  # a failed cell may know less
            continue
        for what, before, after in _differing(facts, facts_b[source][1]):
            yield area, what, before, after


def _facts(record: Record) -> dict[str, tuple[str, dict[str, Any]]]:
    """The conditions of a record: area and facts by part of the record."""
    cell, machine = record.cell, record.machine
    settings = cell.model_dump(mode="json", exclude=NO_SETTING) | {"study_batch_size": record.study_batch_size}
    facts = {
        "method": ("code", {"method.sha256": cell.method.sha256, "schema_version": record.schema_version}),
        "cell": ("settings", settings),
    }
    if machine is not None:
        known = machine.model_dump(mode="json")
        facts["packages"] = ("packages", known.pop("packages"))
        facts["checkout"] = ("code", {name: known.pop(name) for name in ("commit", "dirty")})
        facts["machine"] = ("machine", known)
    if record.precision is not None:
        facts["precision"] = ("machine", {"precision": record.precision})
    if record.data is not None:
        facts["data"] = ("data", record.data.model_dump(mode="json"))
    if record.prompt is not None:
        facts["prompt"] = ("prompt", {"sha256": record.prompt.sha256})
    return facts


def _numbered(study: Mapping[str, Any]) -> dict[str, Any]:
    """The study with its grids numbered from 1."""
    return {**study, "grid": {str(at): grid for at, grid in enumerate(study["grid"], start=1)}}


def _differing(a: Mapping[str, Any], b: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Name and both values of each difference; a nested table that one side lacks is one difference."""
    for name in dict.fromkeys((*a, *b)):
        before, after, what = a.get(name, ABSENT), b.get(name, ABSENT), f"{above}{name}"
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differing(before, after, f"{what}.")
        elif before != after or type(before) is not type(after):
            yield what, before, after
