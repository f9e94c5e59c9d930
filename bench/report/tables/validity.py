"""The validity of a row, from the validity checks of its seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.record.record import Record
from bench.report.analysis.statistics import measured
from bench.report.tables.footnotes import Notes
from bench.report.tables.table import failures
from bench.text.display import one_line
from bench.text.tables.table import DASH, Column, Values

STAMP = "stamp"
TEXTS = (STAMP, "stamp_reasons")
BEFORE = "unstamped: the record is older than the validity checks"


@dataclass(frozen=True, slots=True)
class Validity:
    """The stamp of a row.

    Attributes:
        verdict: suspect if any record is; valid if all are.
        suspects: number of suspect records.
        reasons: findings of the failed checks, with seeds if not all failed; if unstamped, the reason.
    """

    verdict: Literal["valid", "suspect", "unstamped"]
    suspects: int
    reasons: tuple[str, ...]

    @property
    def note(self) -> str:
        """The reasons as a footnote; may be empty."""
        lead = "suspect: " if self.verdict == "suspect" else ""
        return lead + "; ".join(self.reasons) if self.reasons else ""


def mark(at: int, row: Sequence[Record], notes: Notes) -> dict[str, Any]:
    """The stamp of one row for the frame; adds its reasons as a footnote. A failed row has no stamp."""
    good = measured(row)
    if not good:
        notes.add(at, STAMP, failures(row))
        return {STAMP: "", "suspect_measurements": None, "stamp_reasons": ""}
    stamp = validity_of(good)
    if stamp.note:
        notes.add(at, STAMP, stamp.note)
    return {STAMP: stamp.verdict, "suspect_measurements": stamp.suspects, "stamp_reasons": "; ".join(stamp.reasons)}


def _write(row: Values) -> str:
    if row[STAMP] == "suspect" and row["suspect_measurements"] < row["measurements"]:
        return f"suspect ({row['suspect_measurements']} of {row['measurements']})"
    return str(row[STAMP]) if row[STAMP] in ("valid", "suspect") else DASH


COLUMN = Column(STAMP, "Validity", _write)


def validity_of(records: Sequence[Record]) -> Validity:
    """The stamp of a row's successful records, one or more."""
    stamps = [record.stamp for record in records]
    suspects, seeds = stamps.count("suspect"), len(records)
    if suspects:
        return Validity("suspect", suspects, _suspicions(records))
    if stamps.count("valid") == seeds:
        return Validity("valid", 0, ())
    without = [record for record in records if record.stamp == "unstamped"]
    why = tuple(dict.fromkeys(map(_no_stamp, without)))
    if len(without) < seeds:
        why = tuple(f"{reason} ({_seeds(without, records)})" for reason in why)
    return Validity("unstamped", 0, why)


def _suspicions(records: Sequence[Record]) -> tuple[str, ...]:
    found: dict[str, list[Record]] = {}
    for record in records:
        for check in record.checks:
            if check.verdict == "suspect":
                found.setdefault(one_line(f"{check.name}: {check.found}", 200), []).append(record)
    return tuple(text if len(by) == len(records) else f"{text} ({_seeds(by, records)})" for text, by in found.items())


def _no_stamp(record: Record) -> str:
    if not record.checks:
        return BEFORE
    return one_line("unstamped: " + "; ".join(f"{check.name}: {check.found}" for check in record.checks), 200)


def _seeds(some: Sequence[Record], records: Sequence[Record]) -> str:
    """The seeds of some records of a row, with the repeats if there are any."""
    repeated = any(record.cell.repeat for record in records)
    repeats: dict[int, list[str]] = {}
    for record in some:
        repeats.setdefault(record.cell.seed, []).append(str(record.cell.repeat))
    names = [f"{seed} (repeat {', '.join(those)})" if repeated else str(seed) for seed, those in repeats.items()]
    return f"{'seeds' if len(names) > 1 else 'seed'} {', '.join(names)}"
