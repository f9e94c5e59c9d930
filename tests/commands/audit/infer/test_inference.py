"""Conditions that are hidden in a column of peaks are found, and no more is claimed than the column tells."""

import numpy as np
import pytest

from bench.commands.audit.infer.chance import chance_of_fit, plain_offset
from bench.commands.audit.infer.conditions import Conditions
from bench.commands.audit.infer.fit import MARGIN
from bench.commands.audit.infer.judge import Judged, judge
from bench.commands.audit.infer.rows import peak_rows
from bench.commands.audit.match import match
from bench.commands.audit.published import load
from tests.commands.audit.infer.conftest import UNITS, Column

pytestmark = pytest.mark.slow
FP32 = Conditions("fp32", "SDPA with mask", True, False, (8, 0))
#: Rows of the column by their place in METHODS.
MOE = 4


def judged(column: Column, printed: np.ndarray) -> Judged:
    units = tuple(UNITS)
    return judge(
        column.figures(printed),
        lambda fit: {
            "batch size": str(fit.batch), "unit": units[fit.unit], **column.conditions[fit.condition].factors(),
        },
    )  # fmt: skip


HIDDEN = [
    (FP32, 8, "MiB"),
    (FP32, 24, "MB"),
    (Conditions("AMP", "SDPA with mask", True, False, (8, 0)), 10, "MiB"),
    (Conditions("bf16", "SDPA without mask", False, False, (9, 0)), 32, "MB"),
    (Conditions("bf16", "eager", True, False, (8, 0)), 16, "MiB"),
    (Conditions("fp32", "eager", False, True, (9, 0)), 48, "MiB"),
    (Conditions("AMP", "SDPA without mask", True, True, (8, 0)), 64, "MB"),
]


@pytest.mark.parametrize(("conditions", "batch", "unit"), HIDDEN)
class TestHiddenConditions:
    def test_are_found(self, column: Column, conditions: Conditions, batch: int, unit: str) -> None:
        found = judged(column, column.printed(conditions, batch, unit))
        assert column.conditions[found.best.condition] == conditions
        assert (found.best.batch, tuple(UNITS)[found.best.unit]) == (batch, unit)
        assert found.best.error < 1e-9
        assert found.fitting.all()

    def test_are_among_the_explanations_despite_noise_of_1_percent(
        self, column: Column, conditions: Conditions, batch: int, unit: str
    ) -> None:
        noise = np.random.default_rng(batch).uniform(0.99, 1.01, len(column.cells))
        found = judged(column, column.printed(conditions, batch, unit) * noise)
        index = column.conditions.index(conditions)
        explanations = {(fit.condition, fit.batch, tuple(UNITS)[fit.unit]): fit.error for fit in found.fits}
        assert explanations[index, batch, unit] < 0.0102
        assert all(error <= MARGIN for error in explanations.values())
        assert found.fits[0] == found.best


def test_the_text_names_them(column: Column) -> None:
    found = column.inferred(column.printed(FP32, 8))
    assert found.verdict == "identified"
    assert found.text.startswith(
        "batch size 8, fp32, SDPA with mask, adapter dropout above 0, no checkpointing, "
        "GPU up to compute capability 8.9, MiB: reproduces 5 of 5 rows within 0.0%"
    )
    assert found.rows == tuple(
        f"texts, model, {method}: predicted over printed 1.000"
        for method in ("bitfit", "full_ft", "lora", "p_tuning", "moe")
    )


def test_rows_of_another_batch_size_were_not_run_alike(column: Column) -> None:
    found = column.inferred(column.printed(FP32, [8, 8, 8, 8, 32]))
    assert found.verdict == "not run alike"
    assert found.text.startswith("batch size 8, fp32, SDPA with mask")
    assert "reproduces 4 of 5 rows" in found.text
    assert found.rows[MOE] == "texts, model, moe: under these conditions it fits at batch size 31 to 33 alone"


def test_every_row_of_another_batch_size(column: Column) -> None:
    found = column.inferred(column.printed(FP32, [4, 8, 16, 32, 64]))
    assert found.verdict == "not identifiable"
    assert "the rows were not run alike, or under other conditions" in found.text


@pytest.mark.parametrize("seed", range(20))
def test_random_figures_are_not_identifiable(column: Column, seed: int) -> None:
    low, high = column.printed(FP32, 4), column.printed(FP32, 64)
    random = np.exp(np.random.default_rng(seed).uniform(np.log(low), np.log(high)))
    assert judged(column, random).why_not is not None


def test_an_offset_that_explains_as_much_is_found(column: Column) -> None:
    """The state in fp32 and as much again for every row says nothing about activations."""
    printed = column.printed(FP32, 0) + 3000.0
    offset = plain_offset(column.figures(printed), np.ones(len(printed), bool), 0.01)
    assert offset is not None
    assert judged(column, printed).why_not is not None


def test_no_offset_explains_peaks_with_activations(column: Column) -> None:
    printed = column.printed(FP32, 24)
    assert plain_offset(column.figures(printed), np.ones(len(printed), bool), 0.01) is None


def test_the_chance_of_a_fit_is_high_for_two_rows_and_low_for_five(column: Column) -> None:
    figures = column.figures(column.printed(FP32, 8))
    assert chance_of_fit(figures, 2, 0.01) > 0.2
    assert chance_of_fit(figures, 5, 0.01) <= 0.01


def test_one_row(column: Column) -> None:
    found = column.inferred(column.printed(FP32, 8), methods=["lora"])
    assert (found.verdict, found.rows, found.rivals) == ("not identifiable", (), ())
    assert found.text.startswith("needs the peaks of at least 3 rows that differ in model or method")


def test_few_rows_without_an_adapter(column: Column) -> None:
    found = column.inferred(column.printed(FP32, 8), methods=["bitfit", "full_ft", "p_tuning"])
    assert "adapter dropout" not in found.text


def test_both_units_are_named_if_both_explain_the_figures(column: Column) -> None:
    """At large batches a step of the batch size is smaller than the difference of the units."""
    found = column.inferred(column.printed(FP32, 200, "MB"))
    assert ", MB: reproduces" in found.text
    assert any(", MiB: within" in rival for rival in found.rivals)


def test_rows_of_another_unit_are_not_used(column: Column) -> None:
    """MB may mean MiB, so peaks in several units are not one column."""
    path = column.folder / "units.csv"
    lines = ("texts,model,full_ft,2.5GB", "texts,model,lora,1500MB", "texts,model,bitfit,1.4GB")
    path.write_text("\n".join(["dataset,model,method,peak_memory", *lines]), encoding="utf-8")
    cells = {(cell.dataset.name, cell.model.name, cell.method.name): cell for cell in column.cells}
    usable, left_out = peak_rows(match(load(path), column.rows, ()), cells)
    assert [row.label for row in usable] == ["texts, model, full_ft", "texts, model, bitfit"]
    assert left_out == {"it is printed in MB, other rows in GB": ["texts, model, lora"]}
