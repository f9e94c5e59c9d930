"""Whether the rows of one dataset and model were tuned on the same budget."""

from collections.abc import Iterable, Sequence

from bench.record.record import Record
from bench.report.analysis.names import labels
from bench.report.analysis.statistics import by_row
from bench.text.display import one_line


def unequal(records: Sequence[Record]) -> list[str]:
    """A sentence for each dataset and model whose rows had unequal budgets of tuning.

    Methods that have no model or train nothing are excepted. Two budgets are equal if both are the same number of
    trials, or the same time.

    Args:
        records: records of all runs of a report, failed ones included.
    """
    cells = [record.cell for record in records]
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in by_row(record for record in records if _trains(record)):
        names = labels(row[0].cell, cells)
        budgets = groups.setdefault((names["dataset"], names["model"]), {})
        budgets.setdefault(_budget(row), []).append(names["method"])
    return [
        one_line(f"{dataset}, {model}: unequal budgets of tuning: {_listed(budgets.items())}", 600)
        for (dataset, model), budgets in groups.items()
        if len(budgets) > 1
    ]


def _trains(record: Record) -> bool:
    """Whether the cell trains a model; a failed cell whose record does not say so counts as if it did."""
    nothing = record.parameters is not None and not record.parameters.trainable_params
    return record.cell.model.kind != "none" and not nothing


def _budget(row: Sequence[Record]) -> str:
    tuning = next((record.tuning for record in row if record.tuning is not None), None)
    if tuning is None:
        return "not tuned"
    if tuning.budget_seconds is not None:
        return f"{tuning.budget_seconds:g} s"
    count = len(tuning.trials)
    return f"{count} {'trial' if count == 1 else 'trials'}"


def _listed(budgets: Iterable[tuple[str, Sequence[str]]]) -> str:
    return "; ".join(f"{', '.join(dict.fromkeys(methods))}: {budget}" for budget, methods in budgets)
