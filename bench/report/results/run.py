"""The input of a report: the cells of one run, or of several runs that are combined."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.record.record import Machine, Record
from bench.report.results.measured import Measured, by_row
from bench.study.cell import Cell
from bench.text.display import one_line

#: Names of studies in the folder name of several runs.
MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a study.

    Attributes:
        study: all settings, defaults included.
        command: command of the run, without absolute paths.
        written_at: time in UTC, ISO 8601.
        cell_ids: ids of all cells, in the study's order.
        cells: cells with a record, in that order.
        unread: ids of cells whose records cannot be read.
    """

    study: Mapping[str, Any]
    command: str
    written_at: str
    cell_ids: tuple[str, ...]
    cells: tuple[Measured, ...]
    unread: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the study."""
        return str(self.study["name"])

    @property
    def title(self) -> str:
        """Title of the study, else its name."""
        return self.study.get("title", "").strip() or self.name

    @property
    def records(self) -> list[Record]:
        """The records of its cells."""
        return [record for record, _ in self.cells]

    @property
    def not_run(self) -> int:
        """Number of cells without a record."""
        return max(0, len(self.cell_ids) - len(self.cells) - len(self.unread))

    @property
    def machine(self) -> str:
        """Label of the machine that measured most cells, and the number of other machines."""
        known = Counter(_label(record.machine) for record in self.records if record.machine)
        others = f" and {len(known) - 1} more" if len(known) > 1 else ""
        return f"{known.most_common(1)[0][0]}{others}" if known else "unknown machine"


@dataclass(frozen=True, slots=True)
class Results:
    """One or several runs.

    Attributes:
        runs: one or more runs.
        sha256: digest of records.jsonl.
        evidence_sha256: digest of evidence.jsonl; empty if there is none.
    """

    runs: tuple[Run, ...]
    sha256: str = ""
    evidence_sha256: str = ""

    @property
    def name(self) -> str:
        """Name of the report's folder."""
        names = list(dict.fromkeys(run.name for run in self.runs))
        if len(self.runs) == 1:
            return names[0]
        shown = "+".join(names[:MOST_NAMES])
        return shown if len(names) == len(self.runs) <= MOST_NAMES else f"{shown}_{len(self.runs)}_runs"

    @property
    def title(self) -> str:
        """Titles of the studies."""
        return "; ".join(dict.fromkeys(run.title for run in self.runs))

    @property
    def source(self) -> str:
        """Digests of the archive, as tables print them."""
        named = {"records.jsonl": self.sha256, "evidence.jsonl": self.evidence_sha256}
        return ", ".join(f"{name} sha256 {digest}" for name, digest in named.items() if digest)

    @property
    def cells(self) -> list[Measured]:
        """The cells of all runs."""
        return [cell for run in self.runs for cell in run.cells]

    def others(self, run: Run) -> list[Cell]:
        """One cell of each row of the other runs, from which the names of this run's rows must differ."""
        return [row[0].record.cell for other in self.runs if other is not run for row in by_row(other.cells)]

    @property
    def counts(self) -> str:
        """Number of cells by outcome, in words."""
        records = [record for record, _ in self.cells]
        ok = [record for record in records if record.status == "ok"]
        suspect = sum(record.stamp == "suspect" for record in ok)
        parts = [f"{len(ok)} ok", f"{len(records) - len(ok)} failed", f"{suspect} suspect"]
        if not_run := sum(run.not_run for run in self.runs):
            parts.append(f"{not_run} not run yet")
        if unread := sum(len(run.unread) for run in self.runs):
            parts.append(f"{unread} left out: their records cannot be read")
        return f"{len(records)} {'cell' if len(records) == 1 else 'cells'}: {', '.join(parts)}"

    def labels(self) -> list[str]:
        """A label for each run: its machine, with the study or a number if several runs share it."""
        machines = [run.machine for run in self.runs]
        named = told_apart(machines, [f"{run.machine}, {run.name}" for run in self.runs])
        return told_apart(named, [f"{label} ({at})" for at, label in enumerate(named, start=1)])


def told_apart(names: Sequence[str], longer: Sequence[str]) -> list[str]:
    """The names, replaced by the longer ones where several are equal ignoring case, as they may name folders."""
    folded = [name.casefold() for name in names]
    return [long if folded.count(name.casefold()) > 1 else name for name, long in zip(names, longer, strict=True)]


def _label(machine: Machine) -> str:
    if machine.device == "cuda":
        return one_line(machine.gpu or "GPU of unrecorded name", 60)
    return one_line(f"{machine.cpu}, {machine.cores} cores", 60)
