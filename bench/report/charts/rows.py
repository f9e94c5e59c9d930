"""The rows of charts and page: names, numbers and notes of each table row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.report.analysis.baseline_comparison import AgainstBaseline, against_baselines
from bench.report.analysis.f1_significance import F1Significance, RowSignificance
from bench.report.analysis.names import NAMES
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.charts.address import Place, places
from bench.report.results.run import Results
from bench.report.tables import baseline_notes, scores, validity
from bench.report.tables.footnotes import Notes, mark_warnings
from bench.report.tables.scores import F1
from bench.report.tables.table import apart_from_others, describe


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One row.

    Attributes:
        place: address and cells.
        machine: machine of its run if there are several runs; else empty.
        numbers: names, status and numbers, units in the keys; None is unknown.
        significance: significance of its F1.
        stamp: valid, suspect or unstamped; empty if all cells failed.
        notes: footnotes of the row.
        baseline: comparison of its F1 with the best baseline; None without one.
    """

    place: Place
    machine: str
    numbers: Mapping[str, Any]
    significance: RowSignificance
    stamp: str
    notes: tuple[str, ...]
    baseline: AgainstBaseline | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Dataset, model, method, and the machine if there are several runs."""
        return (*(self.numbers[name] for name in NAMES), *([self.machine] if self.machine else []))

    @property
    def dataset(self) -> str:
        """Label of the dataset, with the machine if there are several runs."""
        return ", ".join((self.numbers["dataset"], *([self.machine] if self.machine else [])))

    @property
    def method(self) -> str:
        """Model and method."""
        return f"{self.numbers['model']}, {self.numbers['method']}"

    @property
    def f1(self) -> float | None:
        """Mean macro F1; None if unknown."""
        found: float | None = self.numbers[f"{F1}_mean"]
        return found


def quantities(results: Results) -> tuple[Quantity, ...]:
    """The number columns: those of Table 3, and costs of training and search."""
    records = [record for record, _ in results.cells]
    return (*QUANTITIES.of("table3", records), *QUANTITIES.of("page", records))


def rows(results: Results, significances: Sequence[F1Significance]) -> list[ReportRow]:
    """The rows of all runs.

    Args:
        results: results of the report.
        significances: significance of F1 of each run.
    """
    columns, labels = quantities(results), results.labels() if len(results.runs) > 1 else [""] * len(results.runs)
    found: list[ReportRow] = []
    known = places(results)
    for number, (label, significance) in enumerate(zip(labels, significances, strict=True)):
        own = [place for place in known if place.run == number]
        records = [[record for record, _ in place.cells] for place in own]
        notes = Notes()
        content = describe(records, columns, notes, results.others(results.runs[number]))
        compared, methods = against_baselines(significance, records), [one["method"] for one in content]
        for at, (place, of_f1) in enumerate(zip(own, significance.of_rows(records), strict=True)):
            verdict = validity.mark(at, records[at], notes)[validity.STAMP]
            mark_warnings(notes, at, records[at])
            baseline_notes.columns(at, compared[at], methods, notes, content)
            texts = [text for (row, _), several in notes.texts.items() if row == at for text in several]
            numbers = content[at] | scores.interval(of_f1)
            if apart := apart_from_others(at, notes):
                numbers["method"] = f"{numbers['method']} ({apart})"
            found.append(ReportRow(place, label, numbers, of_f1, verdict, tuple(dict.fromkeys(texts)), compared[at]))
    return found
