"""F1 against its costs, small multiples."""

import pytest

from bench.report.charts import figure
from bench.report.charts.plots import cost
from tests.known import known
from tests.report.charts.plots.frames import row, study, table
from tests.report.drawn import colours, compiled, marks, texts


def test_a_row_of_panels_a_cost(capfd: pytest.CaptureFixture[str]) -> None:
    spec = known(cost.spec(study()))
    compiled(spec, capfd)
    svg = figure.svg(spec)
    for title in ("Training time (s)", "Energy of training (kJ)", "Peak memory in training (MB)"):
        assert f"{title}, less is better" in texts(svg)
    assert [len(group) for group in marks(svg, "symbol")] == [20] * 3 + [5] * 3 + [20] * 3
    assert colours(spec) == []


def test_costs_of_one_dataset_stand_side_by_side() -> None:
    spec = known(cost.spec(study(["IMDb"])))
    assert spec["columns"] == 3


def test_an_unknown_cost_has_no_panel() -> None:
    frame = study()
    frame["energy_train_joules"] = None
    spec = known(cost.spec(frame))
    assert len(spec["concat"]) == 2
    assert "Unknown of all rows: Energy of training (kJ)." in spec["usermeta"]["caption"]


def test_nothing_known() -> None:
    assert cost.spec(table([row(macro_f1_mean=0.5)])) is None
    assert cost.spec(table([row(train_seconds=5)])) is None
    assert cost.spec(table([])) is None
