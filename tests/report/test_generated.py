"""Table 3 with causal models: what their answers add, and nothing where there are none."""

import io

import pandas as pd
import pytest

from bench.report.analysis.quantities import QUANTITIES
from bench.report.tables.footnotes import WRITTEN_AT_BASELINE
from bench.report.tables.scores import NO_INTERVAL
from bench.report.tables.table import Table
from bench.report.tables.table3 import build
from bench.text.tables.csv_text import to_csv
from bench.text.tables.markdown import to_markdown
from tests.report.conftest import MakeRecord
from tests.report.shown import cells

LIKELIHOOD = "F1 by label likelihood (length normalisation: none)"
NO_QUALITY = "the model has random weights"
LLM = {"model": "LLM", "kind": "causal"}
COLUMNS = ["generated_macro_f1_mean", "generated_macro_f1_std", "parse_failure_percent_mean"]


def generated(table: Table, row: int = 0) -> list[tuple[str, tuple[str, ...]]]:
    return [cells(table, row)[quantity.column] for quantity in QUANTITIES.of("table3") if quantity.wanted]


def notes(table: Table) -> list[str]:
    """All but the floors, and why there is no interval of one seed."""
    return [f"{note.mark} {note.text}" for note in table.footnotes if note.mark and note.text != NO_INTERVAL]


def test_no_columns_where_nothing_was_generated(make_record: MakeRecord) -> None:
    for records in ([make_record()], [make_record(), make_record(**LLM)]):
        table = build("Run", records)
        first, *others = [quantity.header for quantity in QUANTITIES.of("table3", ())]
        assert list(table.headers[3:]) == [first, "F1 95%\ninterval", *others, "Validity"]
        assert not set(COLUMNS) & set(table.frame.columns)
        assert "generated" not in to_markdown(table)


def test_mean_and_deviation_over_seeds(make_record: MakeRecord) -> None:
    values = [(0.80, 0.0), (0.82, 0.01), (0.84, 0.05)]
    records = [
        make_record(**LLM, seed=seed, generated_f1=f1, parse_failures=share) for seed, (f1, share) in enumerate(values)
    ]
    table = build("Run", records)
    assert generated(table) == [("0.8200 ± 0.0200", ()), ("2.0", ())]
    assert table.headers[3:8] == (
        "F1\n(macro)", "F1 95%\ninterval", "F1 generated\n(macro)", "Parse failures\n(%)", "Trainable\nparams (M)",
    )  # fmt: skip
    row = pd.read_csv(io.StringIO(to_csv(table))).iloc[0]
    assert [row[column] for column in COLUMNS] == pytest.approx([0.82, 0.02, 2.0], abs=1e-12)
    assert list(table.frame.columns).index(COLUMNS[0]) == list(table.frame.columns).index("macro_f1_high") + 1
    assert [row[f"generated_macro_f1_{end}"] for end in ("low", "high")] == pytest.approx([0.7703, 0.8697], abs=1e-4)
    assert "parse_failure_percent_std" not in table.frame


@pytest.mark.parametrize(("share", "written"), [(0.0, "0.0"), (0.0004, "0.04"), (1.0, "100.0")])
def test_parse_failures_in_percent(make_record: MakeRecord, share: float, written: str) -> None:
    table = build("Run", [make_record(**LLM, generated_f1=0.8, parse_failures=share)])
    assert cells(table)["parse_failure_percent_mean"] == (written, ())


def test_an_encoder_writes_nothing(make_record: MakeRecord) -> None:
    llm = make_record(**LLM, generated_f1=0.8)
    encoders = [make_record(), make_record(method="BitFit", weights="random"), make_record(dataset="D", status="oom")]
    table = build("Run", [llm, *encoders])
    assert [generated(table, row) for row in (1, 2)] == [[("–", ("a",))] * 2] * 2
    assert notes(table)[1] == "a an encoder writes no answers"
    assert generated(table, 3)[0][1] == cells(table, 3)["trainable_params"][1]
    assert cells(table, 3)["trainable_params"][1] != ()
    assert table.frame[COLUMNS].iloc[1:].isna().all(axis=None)
    assert table.frame["note"][1] == f"an encoder writes no answers; {NO_INTERVAL}"


def test_a_causal_model_without_answers_says_why(make_record: MakeRecord) -> None:
    wrote, silent = make_record(**LLM, generated_f1=0.8), make_record(**LLM, method="M")
    mute = make_record(**LLM, method="N", fields={"unknown": {}})
    table = build("Run", [wrote, silent, mute, make_record(**LLM, method="O", status="oom", message="wanted 9 GB")])
    assert generated(table, 1) == [("–", ("a",)), ("–", ("a",))]
    assert notes(table) == [
        "a generation was not asked for",
        "b the record gives no generation.quality.macro_f1 and no reason",
        "c the record gives no generation.parse_failure_fraction and no reason",
        "d oom in train: wanted 9 GB",
        f"e {LIKELIHOOD}",
        "f unknown whether it differs from the best of its model and dataset, LoRA: "
        "one seed, so the variation between seeds is unknown; no predictions beside the records",
    ]
    assert (generated(table, 2), generated(table, 3)) == ([("–", ("b",)), ("–", ("c",))], [("–", ("d",))] * 2)


def test_random_weights_have_no_quality(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(**LLM, weights="random", generated_f1=0.8, parse_failures=0.97)])
    assert (cells(table)["macro_f1"], generated(table)) == (("– (n=1)", ("a",)), [("–", ("a",))] * 2)
    assert notes(table) == ["‡ random weights: the same architecture, not pretrained", f"a {NO_QUALITY}"]
    assert table.frame[COLUMNS].isna().all(axis=None)
    assert "97" not in to_csv(table)


def test_random_weights_that_wrote_nothing(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(**LLM, generated_f1=0.8), make_record(**LLM, method="M", weights="random")])
    reasons = dict(note.split(" ", 1) for note in notes(table))
    assert [reasons[mark] for _, (mark,) in generated(table, 1)] == ["generation was not asked for"] * 2


def test_a_generated_f1_may_be_at_its_floor(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(**LLM, generated_f1=1 / 3)])
    assert generated(table)[0] == ("0.3333", ("a",))
    assert notes(table) == [
        f"a {WRITTEN_AT_BASELINE}",
        f"b {LIKELIHOOD}",
    ]


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ({}, LIKELIHOOD),
        ({"length_normalization": "tokens"}, "F1 by label likelihood (length normalisation: tokens)"),
        ({"examples_per_class": 1}, f"{LIKELIHOOD}, 1 example per class in the prompt"),
        ({"examples_per_class": 4}, f"{LIKELIHOOD}, 4 examples per class in the prompt"),
    ],
)
def test_f1_of_a_causal_model_says_how_it_was_scored(make_record: MakeRecord, prompt: dict, text: str) -> None:
    asked = [make_record(**LLM, seed=seed, **prompt) for seed in (0, 1)]
    table = build("Run", [*asked, make_record(seed=0), make_record(seed=1)])
    assert (cells(table)["macro_f1"], notes(table)) == (("0.9300 ± 0.0000 (n=2)", ("a",)), [f"a {text}"])
    assert list(table.frame["note"]) == [text, ""]


def test_caption_names_bits_of_causal_models(make_record: MakeRecord) -> None:
    four, eight = make_record(**LLM, bits=4), make_record(**LLM, bits=8, method="M")
    whole = [make_record(**LLM, bits=bits, method=f"M{bits}") for bits in (16, None)]
    caption = build("Run", [make_record(), four]).caption
    assert "; precision fp32; causal models with 4-bit (NF4) weights; kernels fast (" in caption
    caption = build("Run", [four, eight, *whole]).caption
    kinds = "4-bit (NF4) weights, 8-bit (LLM.int8) weights, unquantised weights"
    assert f"; causal models with {kinds} (differs between rows); " in caption
    assert "; causal models with unquantised weights; " in build("Run", whole).caption
    assert "causal" not in build("Run", [make_record()]).caption
