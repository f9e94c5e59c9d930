"""Paired comparisons: what readers see, what machines read, and what neither may be shown."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from bench.report.analysis.significance import ONE_SEED
from bench.report.results.measured import Measured
from bench.report.tables.comparisons import SEVERAL_SEEDS, TEXTS, brief, build
from bench.report.tables.footnotes import AT_BASELINE
from bench.report.tables.table import Table
from bench.text.tables import terminal
from bench.text.tables.csv_text import to_csv
from bench.text.tables.markdown import to_markdown
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.predicted import TRUTH, Cells, flipped, study

BOTH = ("LoRA", "BitFit")
PERFECT = list(TRUTH)
MIRRORED = [1 - label for label in TRUTH]
#: Of the differences 1 and 0.0839 in two seeds.
INTERVAL, DETECTABLE = "-5.2780 to +6.3619", "above 1"
#: Of their mean 0.5420 and deviation 0.6478: Phi(0.8366).
WINS = "0.80 (0.17 to 0.99)"


@pytest.fixture
def cells(make_record: MakeRecord, tmp_path: Path) -> Cells:
    return Cells(make_record, tmp_path / "cells")


def table(measured: Sequence[Measured], *pairs: tuple[str, str], **tables: Any) -> Table:
    return known(build(study(*(pairs or (BOTH,)), **tables), measured))


def notes(of: Table) -> list[str]:
    return [f"{note.mark} {note.text}" for note in of.footnotes]


def shown(of: Table) -> list[dict[str, tuple[str, tuple[str, ...]]]]:
    names = [*of.heads, *(column.name for column in of.columns)]
    return [dict(zip(names, row, strict=True)) for row in of.shown()]


def texts(of: Table, row: int = 0) -> dict[str, str]:
    return {column: text for column, (text, _) in shown(of)[row].items()}


def printed(of: Table, width: int, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding=encoding, write_through=True), width=width)
    terminal.show(brief(of), console)
    return raw.getvalue().decode(encoding)


def two_seeds(cells: Cells) -> list[Measured]:
    first = [cells.measured(PERFECT, method="LoRA", seed=seed, train_rate=50.0 + seed) for seed in (0, 1)]
    second = [
        cells.measured(predicted, method="BitFit", seed=seed) for seed, predicted in ((0, MIRRORED), (1, flipped(0)))
    ]
    return [*first, *second]


def test_no_comparisons_no_table(cells: Cells) -> None:
    measured = [cells.measured(PERFECT)]
    assert build(study(), measured) is None
    old = study()
    del old["comparisons"]
    assert build(old, measured) is None


def test_several_seeds(cells: Cells) -> None:
    found = table(two_seeds(cells))
    assert texts(found) == {
        "dataset": "IMDb", "model": "RoBERTa", "first": "LoRA", "second": "BitFit", "difference": "+0.5420",
        "interval": INTERVAL, "outperforming": WINS, "detectable": DETECTABLE, "texts": "12", "seeds": "2",
        "verdict": "no significant difference", "right": "6.5 / 0.0", "p_value": "–",
        "train_samples_per_second": "0.505 (0.500 to 0.510)", "inference_samples_per_second": "1.00",
        "forward_gflops": "1.00", "trainable_params": "1.00",
    }  # fmt: skip
    assert shown(found)[0]["p_value"] == ("–", ("b",))
    assert notes(found) == [f"a {AT_BASELINE}", f"b {SEVERAL_SEEDS}"], "BitFit's interval reaches down to 0"


def test_one_seed(cells: Cells) -> None:
    found = table([cells.measured(PERFECT, method="LoRA"), cells.measured(MIRRORED, method="BitFit")])
    row = texts(found)
    assert (row["difference"], row["interval"], row["detectable"]) == ("+1.0000", "+1.0000 to +1.0000", "–")
    assert (row["verdict"], row["right"], row["p_value"]) == ("unknown", "12.0 / 0.0", "0.0005")
    assert notes(found) == [f"a {AT_BASELINE}", f"b {ONE_SEED}"]
    assert (shown(found)[0]["second"], shown(found)[0]["verdict"]) == (("BitFit", ("a",)), ("unknown", ("b",)))
    assert "a single seed has no verdict, because the variation between seeds is not in its interval" in found.caption
    assert list(found.frame["interval_over"]) == ["texts"]
    assert shown(found)[0]["outperforming"] == ("–", ("b",))
    assert found.frame["probability_first_higher"].isna().all()


def test_caption(cells: Cells) -> None:
    found = table(two_seeds(cells), BOTH, ("LoRA", "other"))
    assert " 95% interval: t interval of that difference alone, from the variance between texts and" in found.caption
    assert (
        " at the level of 5%, corrected by Holm's method for the comparisons of one dataset"
        in found.caption
        in found.caption
    )
    assert " Detectable: difference that would have been seen with 80% power. " in found.caption
    assert " McNemar p: exact, two-sided, of equal accuracy; given for a single seed. " in found.caption


def test_not_available(cells: Cells) -> None:
    found = table([cells.measured(PERFECT, method="LoRA"), cells.failed(method="BitFit", seed=1)])
    row = shown(found)[0]
    assert row["verdict"] == ("not available", ())
    assert {name for name, (text, marks) in row.items() if text == "–" and marks != ("a",)} == set()
    assert row["difference"] == row["interval"] == row["p_value"] == row["forward_gflops"] == ("–", ("a",))
    assert notes(found) == [
        "a no seed that both measured: seed 0: BitFit was not measured; seed 1: LoRA was not measured, "
        "BitFit stopped (oom in train)"
    ]
    numbers = found.frame.drop(columns=[*TEXTS, "seeds"])
    assert numbers.isna().all(axis=None)
    assert list(found.frame["seeds"]) == [0]


def test_a_method_that_was_left_for_another_time(cells: Cells) -> None:
    found = table([cells.measured(PERFECT, method="LoRA", method_name="lora")], ("bitfit", "lora"), ("x", "y"))
    assert [texts(found, row)["first"] for row in (0, 1)] == ["bitfit", "x"]
    assert [texts(found, row)["second"] for row in (0, 1)] == ["LoRA", "y"]
    assert [texts(found, row)["dataset"] for row in (0, 1)] == ["IMDb", "–"]
    assert notes(found) == ["a bitfit has no measured cell here", "b neither x nor y has a measured cell"]
    assert list(found.frame["verdict"]) == ["not available"] * 2


def test_what_a_reader_must_know_of_the_sources(cells: Cells) -> None:
    measured = [
        cells.measured(PERFECT, method=method, synthetic=True, weights="random", scale="tiny") for method in BOTH
    ]
    found = table(measured)
    row = shown(found)[0]
    assert (row["dataset"], row["model"]) == (("IMDb", ("†",)), ("RoBERTa", ("‡", "a")))
    assert (row["difference"], row["forward_gflops"]) == (("–", ("b",)), ("1.00", ()))
    assert notes(found)[3] == "b the model has random weights"


def test_seeds_left_out_are_said(cells: Cells) -> None:
    found = table([*two_seeds(cells), cells.measured(PERFECT, method="LoRA", seed=2)])
    assert shown(found)[0]["seeds"] == ("2", ("b",))
    assert notes(found)[1:] == ["b left out: seed 2: BitFit was not measured", f"c {SEVERAL_SEEDS}"]


def test_train_settings_of_a_method_s_own_are_said(cells: Cells) -> None:
    first, second = (cells.measured(flipped(0), method=method) for method in BOTH)
    cell = first[0].cell.model_copy(update={"train": first[0].cell.train.model_copy(update={"epochs": 9})})
    longer = first[0].model_copy(update={"cell": cell})
    found = table([first._replace(record=longer), second], methods={"LoRA": {"train": {"epochs": 9}}})
    assert notes(found) == ["a the methods' own train settings differ: epochs = 9 and 3", f"b {ONE_SEED}"]


def test_rows_of_the_same_names_are_told_apart(cells: Cells) -> None:
    measured = [cells.measured(flipped(0), method="LoRA", options={"rank": rank}) for rank in (1, 2)]
    found = table([*measured, cells.measured(flipped(0), method="BitFit")])
    assert notes(found) == [
        "a differs from the row of the same names in: LoRA.rank = 1", f"b {ONE_SEED}",
        "c differs from the row of the same names in: LoRA.rank = 2",
    ]  # fmt: skip


def test_how_a_causal_model_was_scored(cells: Cells) -> None:
    found = table([cells.measured(flipped(0), method=method, kind="causal") for method in BOTH])
    assert shown(found)[0]["difference"][1] == ("b",)
    assert notes(found) == [f"a {ONE_SEED}", "b F1 by label likelihood (length normalisation: none)"]


def test_csv_reads_back_as_the_frame(cells: Cells) -> None:
    found = table([*two_seeds(cells), cells.failed(dataset="D", method="LoRA")])
    text = to_csv(found)
    kinds = {str(column): kind for column, kind in found.frame.dtypes.items()}
    numbers = [column for column, kind in kinds.items() if kind.name in ("Int64", "Float64")]
    back = pd.read_csv(
        io.StringIO(text), dtype=kinds, keep_default_na=False, na_values={column: [""] for column in numbers}
    )
    pd.testing.assert_frame_equal(back, found.frame, check_exact=True)
    assert list(found.frame.columns[:17]) == [
        "dataset", "model", "first", "second", "seeds", "texts", "macro_f1_difference", "interval_low",
        "interval_high", "probability_first_higher", "probability_first_higher_low", "probability_first_higher_high",
        "adjusted_p_value", "detectable_difference", "lowest_seed_difference",
        "highest_seed_difference", "verdict",
    ]  # fmt: skip
    assert text.splitlines()[2].startswith("D,RoBERTa,LoRA,BitFit,0,,,,,,,,,,,,not available,,,,,")


def test_on_a_terminal(cells: Cells) -> None:
    found = table(two_seeds(cells))
    for width in (120, 160):
        text = printed(found, width)
        assert text.startswith("Run: paired comparisons\n")
        row = next(line for line in text.splitlines() if "RoBERTa" in line)
        assert " ".join(row.split()) == (
            f"IMDb RoBERTa LoRA BitFit [a] +0.5420 {INTERVAL} {DETECTABLE} 2 no significant difference"
        )
    assert "throughput" not in text
    assert "corrected by Holm's method" in " ".join(text.split())


def test_only_footnotes_that_are_marked_stand_on_a_terminal(cells: Cells) -> None:
    nothing = {"training": None, "unknown": {"training": "nothing is trained"}}
    first = cells.measured(PERFECT, nothing, method="LoRA", synthetic=True)
    measured = [first, cells.measured(PERFECT, method="BitFit", synthetic=True)]
    text = printed(table(measured), 200)
    assert "† synthetic dataset" in text
    assert "nothing is trained" not in text
    assert "nothing is trained" in to_markdown(table(measured))


def test_the_first_repeat_that_succeeded_speaks_for_its_seed(cells: Cells) -> None:
    measured = [
        cells.failed(method="LoRA"), cells.measured(PERFECT, method="LoRA", repeat=1),
        cells.measured(flipped(0), method="BitFit"), cells.measured(PERFECT, method="BitFit", repeat=1),
    ]  # fmt: skip
    found = table(measured)
    assert list(found.frame["seeds"]) == [1]
    assert found.frame["macro_f1_difference"][0] > 0
