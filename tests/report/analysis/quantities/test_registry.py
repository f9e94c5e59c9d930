"""A quantity that is added to the registry appears wherever its entry says, with no other change."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from bench.commands.compare.moves import Rules
from bench.commands.compare.result import compare
from bench.record.record import Record
from bench.report import summary
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.quantity import Axis, Brief, Limit, Quantity
from bench.report.analysis.quantities.readers import train_seconds
from bench.report.analysis.quantities.registry import Registry
from bench.report.charts.rows import ReportRow, rows
from bench.report.export import logged
from bench.report.frame import records_frame
from bench.report.page import budgets, charts, overview
from bench.report.results.run import Results
from bench.report.tables import comparisons, table3
from tests.commands.compare.support import alone, run_json, side
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.page.conftest import significances_of
from tests.report.predicted import results, study

NAME = "train_seconds_per_epoch"
EPOCHS = 3


def _seconds_per_epoch(record: Record) -> float | None:
    seconds = train_seconds(record)
    return None if seconds is None else seconds / record.cell.train.epochs


ENTRY = Quantity(
    NAME, "Training\n(s/epoch)", _seconds_per_epoch, ("training.train_seconds",), 1, frame=NAME,
    meaning="of training, an epoch", better="lower", kind="timed", axis=Axis("Training time of an epoch (s)"),
    brief=Brief("Train\ns/epoch", 1), limit=Limit("Time of an epoch", "s"),
    places={"table3": 99, "charts": 99, "compare": 99, "summary": 99, "limits": 99, "ratios": 99},
)  # fmt: skip


@pytest.fixture
def registered() -> Iterator[None]:
    with QUANTITIES.added(ENTRY):
        yield
    assert NAME not in [one.column for one in QUANTITIES]


def trained(make_record: MakeRecord, method: str, seconds: float) -> Record:
    content = make_record(method=method).model_dump()
    content["training"]["train_seconds"] = seconds
    content["cell"]["train"]["epochs"] = EPOCHS
    return Record.model_validate(content)


@pytest.fixture
def drawn(registered: None, make_record: MakeRecord) -> Results:
    """Two methods, of 20 and 40 seconds an epoch."""
    records = [trained(make_record, "A", 60.0), trained(make_record, "B", 120.0)]
    return results(run_json(records), *map(alone, records))


@pytest.fixture
def found(drawn: Results) -> list[ReportRow]:
    return rows(drawn, significances_of(drawn))


def test_it_is_in_the_data_frame(drawn: Results) -> None:
    assert list(records_frame(drawn)[NAME]) == [20, 40]


def test_it_is_in_table_3(drawn: Results) -> None:
    table = table3.build("s", drawn.runs[0].records)
    assert list(table.frame[NAME]) == [20, 40]
    assert [column.header for column in table.columns][-2:] == [ENTRY.header, "Validity"]


def test_it_is_an_axis_of_the_charts_and_the_page(found: list[ReportRow]) -> None:
    pareto = known(charts.embedded(found, [])["pareto"])
    (choices,) = (chart["choices"] for chart in pareto.values())
    assert [value[0] for value in choices[NAME]["values"]] == [20, 40]
    assert (choices[NAME]["name"], choices[NAME]["sign"]) == ("Training time of an epoch (s)", 1)


def test_it_is_in_the_overview_and_the_limits_of_the_page(drawn: Results, found: list[ReportRow]) -> None:
    assert ["Training", "(s/epoch)"] in [head["lines"] for head in overview.table(drawn, found)["heads"]]
    limit = budgets.embedded(found, significances_of(drawn))["limits"][-1]
    assert limit == {"name": "Time of an epoch", "unit": "s", "most": 40}


def test_it_is_compared(registered: None, make_record: MakeRecord) -> None:
    a, b = (side(trained(make_record, "A", seconds)) for seconds in (60.0, 90.0))
    (move,) = (one for one in compare(a, b, Rules()).moves if one.metric.quantity.column == NAME)
    assert (move.a, move.b, move.verdict) == (20, 30, "worse, noise unknown")
    assert move.difference == pytest.approx(0.5)


def test_it_is_a_ratio_of_paired_comparisons(drawn: Results) -> None:
    table = known(comparisons.build(study(("A", "B")), drawn.runs[0].cells))
    assert list(table.frame[f"{NAME}_ratio_median"]) == [0.5]
    assert table.columns[-1].header == "Training\nratio"


def test_it_is_in_the_terminal_summary(drawn: Results) -> None:
    console = Console(file=io.StringIO(), width=200)
    summary.show(drawn, [], Path("reports"), console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert all(part in text for part in ("s/epoch", " 20.0", " 40.0"))


def test_it_is_logged(drawn: Results) -> None:
    assert [cell.numbers[NAME] for cell in logged.cells(drawn)] == [20, 40]


@pytest.mark.parametrize(("column", "frame"), [("macro_f1", "x"), ("x", "macro_f1")])
def test_two_of_one_name_are_refused(column: str, frame: str) -> None:
    another = Quantity(column, "X", lambda record: None, ("x",), 1, frame=frame)
    with pytest.raises(ValueError, match="the registry has one of this name"):
        Registry([*QUANTITIES, another])


def test_a_quantity_that_is_compared_or_drawn_says_how() -> None:
    assert all(one.kind and one.better for one in QUANTITIES.of("compare"))
    assert all(one.axis for one in QUANTITIES.of("charts"))
    assert all(one.brief for one in QUANTITIES.of("summary"))
    assert all(one.limit for one in QUANTITIES.of("limits"))
