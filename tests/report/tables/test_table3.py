"""Table 3: what readers see, what machines read, and what neither may be shown."""

import io
import re
from pathlib import Path

import pandas as pd
import pytest

from bench.errors import RunFolderError
from bench.record.record import Record
from bench.report.analysis.f1_significance import F1Significance
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.ranks import OF_RATES
from bench.report.analysis.stacked import reader
from bench.report.analysis.statistics import mean_std
from bench.report.results.measured import Evidence, Measured
from bench.report.tables.footnotes import AT_BASELINE
from bench.report.tables.scores import NO_INTERVAL
from bench.report.tables.table import UNLIKE, Table
from bench.report.tables.table3 import build
from bench.text.tables.csv_text import to_csv
from bench.text.tables.fragment import to_html
from bench.text.tables.latex import to_latex
from bench.text.tables.markdown import to_markdown
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.predicted import TRUTH, Cells, flipped
from tests.report.shown import cells, texts

HOSTILE = ["a|b", "<script>", "$x_1$ & \\input", "=cmd()", "[red]"]
RENDERERS = {"md": to_markdown, "csv": to_csv, "tex": to_latex, "html": to_html}


def notes(table: Table) -> list[str]:
    """All but the floors, and why there is no interval of one seed."""
    texts = [f"{note.mark} {note.text}".strip() for note in table.footnotes if note.text != NO_INTERVAL]
    return [text for text in texts if not text.startswith("Baselines on ")]


def body(markdown: str) -> list[list[str]]:
    """Cells of the rows below the header."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_mean_std_refuses(values: list[float]) -> None:
    with pytest.raises(ValueError, match="mean of"):
        mean_std(values)


def test_a_cell_counts_once(make_record: MakeRecord) -> None:
    with pytest.raises(RunFolderError, match="more than one record"):
        build("Run", [make_record(), make_record()])


def test_one_seed(make_record: MakeRecord) -> None:
    table = build("Run", [make_record()])
    assert texts(table)[:4] == ["IMDb", "RoBERTa", "LoRA", "0.9300 (n=1)"]
    assert texts(table)[4:] == ["–", "0.89", "125.53", "100.0", "300.0", "46.05", "1512.8", "700.0", "valid"]
    assert notes(table) == []
    row = table.frame.iloc[0]
    assert (row["trainable_params"], row["total_params"]) == (887_042, 125_534_212)
    assert row["macro_f1_std"] is pd.NA
    assert (row["forward_gflops"], row["peak_train_mb"]) == (46.05, 1512.8)
    assert (row["status"], row["seeds"], row["failed_measurements"]) == ("ok", 1, 0)


def test_three_seeds(make_record: MakeRecord) -> None:
    scores, rates = [0.90, 0.92, 0.94], [90.0, 100.0, 110.0]
    records = [make_record(seed=s, macro_f1=f, train_rate=r) for s, f, r in zip(range(3), scores, rates, strict=True)]
    table = build("Run", records)
    assert len(table.frame) == 1
    assert texts(table)[3] == "0.9200 ± 0.0200 (n=3)"
    # Student's t for 2 degrees of freedom: 4.3027 deviations over the root of 3.
    assert (texts(table)[4], texts(table)[7:9]) == ("0.8703 to 0.9697", ["100.0 ± 10.0", "300.0 ± 0.0"])
    row = table.frame.iloc[0]
    ends = [row[f"train_samples_per_second_{end}"] for end in ("low", "high")]
    assert ends == pytest.approx([75.1586, 124.8414], abs=1e-4)
    assert "train throughput" not in table.caption
    assert "seeds 0, 1, 2;" in table.caption


CAPTION = (
    "Measured with device CPU AMD EPYC 7B13; cores 2; threads 2; precision fp32; "
    "kernels fast (tunebench's own dropout, linear layers and allocator settings); training batch size 16; "
    "inference batch size 64; max length in tokens 256; seeds 0, 1; evaluated split test; torch 2.9.0; "
    "transformers 4.57.0; peft 0.18.0; tunebench 0.1.0; commit 0123456789ab; 2026-01-02. "
    "Means over the n successful seeds, ± their sample standard deviation. "
    "Throughput is the total over the timed steps. "
    "Peak memory is VmHWM, the peak resident memory of the worker process with interpreter and "
    "libraries; 1 MB is 1e6 bytes. GFLOPs is one sequence of 256 tokens, 2 per multiply-add. "
    "F1 interval: 95% t interval of the mean, from the variance between seeds alone, for fixed texts, where "
    "predictions are missing, with one split into train and validation. "
    "A row is marked unless it is significantly lower than the best of its model and dataset; the csv has the 95% "
    "interval of the best row's lead, for that pair alone, and its p-value. "
    "Bold F1: best of one model and dataset. Underlined: second. Both only if the row's F1 is significantly higher "
    "than that of every lower row (predictions are missing, so only the variation between seeds counts). "
    "Significant: at the level of 5% in a paired t test with two or more seeds, corrected by Holm's method for all "
    "pairs of rows of one model and dataset. "
    "Bold throughput: highest. Underlined: second. Both only if the interval (over seeds and repeats; one measurement "
    "has none) lies above the intervals of all lower rows, and only among rows measured under the same conditions, "
    "none suspect. "
    "The csv has intervals of throughput: Student's t 95% interval over seeds; a row with one measurement has none. "
    "Validity: suspect if a check of the measurement failed for any seed."
)


def test_markdown_exactly(make_record: MakeRecord) -> None:
    records = [make_record(seed=s, macro_f1=0.9 + s / 50) for s in range(2)]
    records += [make_record(method="BitFit"), make_record(dataset="SST-5")]
    shares = "100.0 ± 0.0 300.0 ± 0.0 46.05 1512.8 700.0 valid"
    once = "100.0 300.0 46.05 1512.8 700.0 valid"
    lines = to_markdown(build("My run", records)).splitlines()
    assert lines[:4] == [
        "# My run",
        "",
        CAPTION,
        "",
    ]
    assert [" ".join(line.replace("|", " ").split()) for line in (lines[4], *lines[6:9])] == [
        "Dataset Model Method F1 (macro) F1 95% interval Trainable params (M) Total params (M) "
        "Train throughput (samples/s) Inference throughput (samples/s) GFLOPs (forward) Peak memory train (MB) "
        "Peak memory inference (MB) Validity",
        f"IMDb RoBERTa LoRA 0.9100 ± 0.0141 (n=2)<sup>a</sup> 0.7829 to 1.0000 0.89 125.53 {shares}",
        f"BitFit 0.9300 (n=1) –<sup>b</sup> 0.89 125.53 {once}",
        f"SST-5 RoBERTa LoRA 0.9300 (n=1) –<sup>b</sup> 0.89 125.53 {once}",
    ]
    assert lines[10:] == [
        "<sup>a</sup> unknown whether it differs from the best of its model and dataset, BitFit: "
        "one seed, so the variation between seeds is unknown; no predictions beside the records",
        "",
        f"<sup>b</sup> {NO_INTERVAL}",
        "",
        "Baselines on IMDb (test, 100 texts): macro F1 0.3333 (majority class), 0.5000 (uniform random)",
        "",
        "Baselines on SST-5 (test, 100 texts): macro F1 0.3333 (majority class), 0.5000 (uniform random)",
    ]
    assert re.fullmatch(r"(\|:-+){3}(\|-+:){10}\|", lines[5])


def test_interleaved_seeds_keep_the_order_of_rows(make_record: MakeRecord) -> None:
    names = ["LoRA", "BitFit", "Full FT"]
    table = build("Run", [make_record(method=name, seed=seed) for seed in (1, 0) for name in names])
    assert (list(table.frame["method"]), list(table.frame["seeds"])) == (names, [2, 2, 2])
    assert table.runs() == [(3, 3), (0, 0), (0, 0)]


def test_only_failed(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(seed=s, status="oom", message=f"wanted {s} GB") for s in range(2)])
    assert texts(table) == ["IMDb", "RoBERTa", "LoRA", "oom in train", *["–"] * 9]
    assert notes(table) == ["a 2 of 2 seeds failed: oom in train: wanted 0 GB; oom in train: wanted 1 GB"]
    assert all(marks == ("a",) for _, marks in table.shown()[0][3:])
    assert table.frame.iloc[0]["status"] == "oom in train"
    assert table.frame[[quantity.centre for quantity in QUANTITIES.of("table3", ())]].isna().all(axis=None)


def test_some_failed(make_record: MakeRecord) -> None:
    message = "first line\n" + "x" * 400
    records = [make_record(seed=0, macro_f1=0.9), make_record(seed=1, macro_f1=0.88)]
    table = build("Run", [*records, make_record(seed=2, status="timeout", phase="inference", message=message)])
    assert texts(table)[3] == "0.8900 ± 0.0141 (n=2)"
    short = "first line " + "x" * 148 + "…"
    assert len(short) == 160
    assert notes(table) == [f"a 1 of 3 seeds failed: timeout in inference: {short}"]
    row = table.frame.iloc[0]
    assert (row["status"], row["seeds"], row["failed_measurements"]) == ("partial", 2, 1)


def test_unknown_is_a_dash_with_its_reason(make_record: MakeRecord) -> None:
    reason = "zero-shot trains nothing"
    fields = {
        "training": None,
        "peak_train_bytes": None,
        "unknown": {"training": reason, "peak_train_bytes": reason},
    }
    table = build("Run", [make_record(fields=fields | {"flops": None})])
    found = cells(table)
    assert found["train_samples_per_second"] == found["peak_train_mb"] == ("–", ("a",))
    assert found["forward_gflops"] == ("–", ("b",))
    assert notes(table) == [f"a {reason}", "b the record gives no flops.forward_flops and no reason"]
    assert "nothing trained" in table.caption
    assert "one sequence of unrecorded number of tokens" in table.caption


def test_known_for_some_seeds(make_record: MakeRecord) -> None:
    fields = {"peak_inference_bytes": None, "unknown": {"peak_inference_bytes": "clear_refs was refused"}}
    table = build("Run", [make_record(seed=0), make_record(seed=1, fields=fields)])
    assert cells(table)["peak_inference_mb"] == ("700.0", ("a",))
    assert notes(table) == ["a known for 1 of 2 seeds: clear_refs was refused"]


@pytest.mark.parametrize(
    ("macro_f1", "collapsed"), [(1 / 2, True), (1 / 2 + 1e-10, True), (0.5001, False), (0.4, True), (0.2, True)]
)
def test_collapsed(make_record: MakeRecord, macro_f1: float, collapsed: bool) -> None:
    table = build("Run", [make_record(macro_f1=macro_f1)])
    floor = [f"a {AT_BASELINE}"]
    assert notes(table) == (floor if collapsed else [])


@pytest.mark.parametrize("suffix", list(RENDERERS))
def test_synthetic_and_random_are_marked(make_record: MakeRecord, suffix: str) -> None:
    table = build(
        "Run", [make_record(), make_record(dataset="Made up", synthetic=True, model="Tiny", weights="random")]
    )
    text = RENDERERS[suffix](table)
    line = next(line for line in text.splitlines() if "Made up" in line)
    marked = {
        "md": ("Made up<sup>†</sup>", "Tiny<sup>‡</sup>", "– (n=1)<sup>a</sup>"),
        "tex": (
            r"Made up\textsuperscript{\textdagger{}}",
            r"Tiny\textsuperscript{\textdaggerdbl{}}", "dash{} (n=1)",
        ),
        "csv": (",True,random,",),
        "html": ("Made up<sup",),
    }[suffix]  # fmt: skip
    assert all(part in line for part in marked)
    for explained in (
        "synthetic dataset: its texts are",
        "random weights: the same architecture",
        "the model has random weights",
    ):
        assert text.count(explained) == 1
    assert "0.9300" not in line
    assert "†" not in table.shown()[0][0][1]


def test_one_mark_does_not_stand_for_two_texts(make_record: MakeRecord) -> None:
    records = [make_record(dataset="Made up", synthetic=True), make_record(dataset="IMDb", dataset_kind="profile")]
    table = build("Run", [*records, make_record(model="Tiny", weights="random")])
    assert [note.mark for note in table.footnotes if note.mark] == ["†", "‡", "§", "a", "b"]
    assert [table.shown()[row][0][1] for row in (0, 1)] == [("†",), ("§",)]
    assert r"IMDb\textsuperscript{\textsection{}}" in to_latex(table)


def test_a_tiny_model_is_marked(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(model="Tiny", weights="random", scale="tiny"), make_record()])
    assert table.shown()[0][1] == ("Tiny", ("‡", "a"))
    assert notes(table)[1] == "a tiny: fewer and narrower layers, to test the code; not the model of this name"
    assert table.shown()[1][1] == ("RoBERTa", ())


def test_missing_cells(make_record: MakeRecord) -> None:
    assert notes(build("Run", [make_record()], missing=1)) == ["1 cell not run yet"]
    assert "\n\n3 cells not run yet\n" in to_markdown(build("Run", [make_record()], missing=3))


@pytest.mark.parametrize(
    ("params", "written"),
    [
        (0, "0.00"), (1_500, "0.0015"), (1_538, "0.00154"), (99_900, "0.0999"), (102_914, "0.10"),
        (172_422_146, "172.42"),
    ],
)  # fmt: skip
def test_millions(params: int, written: str) -> None:
    assert QUANTITIES["trainable_params"].written(params, None) == written


def test_small_numbers_are_not_shown_as_zero(make_record: MakeRecord) -> None:
    flops = {"forward_flops": 12_340, "sequence_length": 8}
    table = build("Run", [make_record(seed=s, train_rate=0.02 + s / 100, fields={"flops": flops}) for s in range(2)])
    assert (texts(table)[7], texts(table)[9]) == ("0.0250 ± 0.0071", "0.0000123")


def test_other_settings_are_another_row(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(options={"rank": rank}, seed=seed) for rank in (8, 16) for seed in (0, 1)])
    assert list(table.frame["seeds"]) == [2, 2]
    apart = "differs from the row of the same name in: method.options.rank ="
    best = "the best of its model and dataset, LoRA"
    same = f"c no significant difference from {best} (only the variation between seeds counts)"
    assert notes(table) == [f"a {apart} 8", f"b {apart} 16", same]
    assert [marks for row in table.shown() for _, marks in row[2:3]] == [("a",), ("b",)]


def test_names_that_share_a_label_are_told_apart(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(method_name=name) for name in ("lora_8", "lora_16")])
    assert list(table.frame["method"]) == ["LoRA (lora_8)", "LoRA (lora_16)"]


def test_caption_says_where_rows_differ(make_record: MakeRecord) -> None:
    records = [
        make_record(max_length=512, device="cuda"),
        make_record(max_length=64, fields={"started_at": "2026-01-05T"}),
    ]
    caption = build("Run", records).caption
    assert "device GPU NVIDIA H200, driver 570.1, CPU AMD EPYC 7B13 (differs between rows);" in caption
    assert "max length in tokens 64, 512 (differs between rows);" in caption
    assert "2026-01-02 to 2026-01-05." in caption
    assert "one sequence of 64, 512 tokens" in caption
    assert "allocated on the GPU, without CUDA context and libraries; or VmHWM, the peak resident" in caption
    assert "cores 2; threads 2;" in caption


def test_caption_of_a_dirty_checkout(make_record: MakeRecord) -> None:
    changed = known(make_record().machine).model_copy(update={"dirty": True, "packages": {"torch": "2.9.0"}})
    caption = build("Run", [make_record(fields={"machine": changed})]).caption
    assert "commit 0123456789ab with uncommitted changes;" in caption
    assert "peft of unrecorded version;" in caption


def latex_rows(text: str) -> list[str]:
    lines = text[text.index(r"\midrule") : text.index(r"\bottomrule")].splitlines()
    return [line for line in lines if line != r"\midrule"]


def hostile(make_record: MakeRecord) -> Table:
    records = [make_record(dataset=name, model=name, method=name) for name in HOSTILE]
    broken = make_record(status="error", message="a|b </td>\n\n\x1b[31m & 50% --flag --- \u202e#1", method="x\ny")
    return build("T_1 | <b>", [*records, broken])


def test_hostile_names_in_markdown(make_record: MakeRecord) -> None:
    text = to_markdown(hostile(make_record))
    rows = body(text)
    assert [len(row) for row in rows] == [13] * 6
    assert [row[2] for row in rows] == [
        "a&#124;b", "&lt;script&gt;", "&#36;x\\_1&#36; &amp; \\\\input", "=cmd()", "\\[red\\]", "x y",
    ]  # fmt: skip
    assert re.findall(r"<[^>]*>", text) == ["<sup>", "</sup>"] * 17
    assert "a&#124;b &lt;/td&gt; \\[31m &amp; 50% --flag --- #1" in text
    assert text.startswith("# T\\_1 &#124; &lt;b&gt;\n")


def test_hostile_names_in_csv(make_record: MakeRecord) -> None:
    back = pd.read_csv(io.StringIO(to_csv(hostile(make_record))))
    assert list(back["dataset"]) == ["a|b", "<script>", "$x_1$ & \\input", "'=cmd()", "[red]", "IMDb"]
    for char in "+-@":
        first = to_csv(build("Run", [make_record(method=f"{char}1")])).splitlines()[1]
        assert first.startswith(f"IMDb,RoBERTa,'{char}1,")


def test_hostile_names_in_latex(make_record: MakeRecord) -> None:
    text = to_latex(hostile(make_record))
    rows = latex_rows(text)
    assert [re.split(r"(?<!\\)& ", row)[2].strip() for row in rows] == [
        r"a\textbar{}b", r"\textless{}script\textgreater{}", r"\$x\_1\$ \& \textbackslash{}input", "=cmd()",
        "{[}red{]}", "x y",
    ]  # fmt: skip
    assert r"\input" not in text.replace(r"\textbackslash{}input", "")
    assert r"{[}31m \& 50\% -{}-flag -{}-{}- \#1" in text
    assert "{[}red{]} & {[}red{]} & {[}red{]} & " in text


def test_latex_is_whole(make_record: MakeRecord) -> None:
    text = to_latex(hostile(make_record))
    opened: list[str] = []
    for verb, name in re.findall(r"\\(begin|end)\{([^}]*)\}", text):
        if verb == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    assert re.findall(r"\\begin\{([^}]*)\}", text) == ["sidewaystable*", "tabular", "minipage"]
    bare = re.sub(r"\\[\\{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert [text.count(rf"\{rule}rule") for rule in ("top", "mid", "bottom")] == [1, 6, 1]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in latex_rows(text)} == {12}
    assert text.count(r"\caption[{T\_1 \textbar{} \textless{}b\textgreater{}}]{T\_1") == 1


def test_csv_reads_back_as_the_frame(make_record: MakeRecord) -> None:
    records = [make_record(seed=s, macro_f1=0.9 + s / 30) for s in range(3)]
    records += [
        make_record(dataset="S", synthetic=True, weights="random", model="T"),
        make_record(method="M", status="oom"),
    ]
    frame = build("Run", records).frame
    numbers = [column for column in frame.columns if frame[column].dtype.name in ("Int64", "Float64")]
    back = pd.read_csv(
        io.StringIO(to_csv(build("Run", records))),
        dtype=frame.dtypes.to_dict(), keep_default_na=False, na_values={column: [""] for column in numbers},
    )  # fmt: skip
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    last = ["synthetic", "weights", "stamp", "suspect_measurements", "stamp_reasons", "note"]
    assert list(frame.columns[-6:]) == last


def test_nan_never_appears(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(status="oom"), make_record(weights="random", model="T")], missing=1)
    for render in RENDERERS.values():
        assert not re.search(r"\b(nan|none|<na>|null)\b", render(table), re.IGNORECASE)


def test_many_footnotes_have_marks_of_their_own(make_record: MakeRecord) -> None:
    records = [make_record(method=f"m{i}", status="error", message=str(i)) for i in range(28)]
    marks = [note.mark for note in build("Run", records).footnotes]
    assert (marks[0], marks[25:]) == ("a", ["z", "aa", "ab"])


def test_throughput_is_the_total_and_one_measurement_has_no_interval(make_record: MakeRecord) -> None:
    """Whatever an older record says of its windows."""
    content = make_record().model_dump()
    content["training"]["speed"]["windowed_samples_per_second"] = {
        "median": 98.0, "low": 96.0, "high": 101.0, "windows": 9, "window_steps": 4,
    }  # fmt: skip
    table = build("Run", [Record.model_validate(content)])
    assert cells(table)["train_samples_per_second"] == ("100.0", ())
    assert "Throughput is the total over the timed steps. " in table.caption
    assert "intervals of throughput" not in table.caption
    assert table.frame.iloc[0]["train_samples_per_second_low"] is pd.NA
    assert "Throughput" not in build("Run", [make_record("oom")]).caption


def test_floors(make_record: MakeRecord) -> None:
    skewed = known(make_record().quality)
    other = skewed.model_dump() | {"label_counts": {"n": 90, "p": 10}, "majority_macro_f1": 90 / 190}
    records = [make_record(), make_record(method="M"), make_record(dataset="D", fields={"quality": other}),
               make_record(dataset="R", weights="random")]  # fmt: skip
    table = build("Run", records)
    assert [note.text for note in table.footnotes if note.text.startswith("Baselines on ")] == [
        "Baselines on IMDb (test, 100 texts): macro F1 0.3333 (majority class), 0.5000 (uniform random)",
        "Baselines on D (test, 100 texts): macro F1 0.4737 (majority class), 0.4048 (uniform random)",
    ]
    rows = table.frame[["majority_macro_f1", "random_macro_f1"]]
    assert list(rows.iloc[2]) == pytest.approx([90 / 190, (180 / 280 + 20 / 120) / 2])
    assert rows.iloc[3].isna().all()


def test_a_smaller_batch_than_the_study_asked_for(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(fields={"study_batch_size": 32}), make_record(seed=1)])
    assert cells(table)["method"] == ("LoRA", ("a",))
    assert notes(table) == ["a seed 0: the study's batch size of 32 ran out of memory; measured with 16"]


@pytest.fixture
def predicted(make_record: MakeRecord, tmp_path: Path) -> list[Measured]:
    """Two methods that differ by one text of twelve, and one that is always wrong; two seeds each."""
    made = Cells(make_record, tmp_path)
    rows = (("A", list(TRUTH)), ("B", flipped(0)), ("C", flipped(*range(12))))
    return [made.measured(one, method=name, seed=seed) for seed in (0, 1) for name, one in rows]


def judged(cells: list[Measured]) -> Table:
    records = [record for record, _ in cells]
    return build("Run", records, significance=F1Significance(records, reader(cells)))


def test_rows_without_a_significant_difference_are_marked(predicted: list[Measured]) -> None:
    table = judged(predicted)
    assert cells(table)["macro_f1"] == ("1.0000 ± 0.0000 (n=2)", ())
    assert cells(table, 1)["macro_f1"] == ("0.9161 ± 0.0000 (n=2)", ("a",))
    assert cells(table, 2)["macro_f1"][1] == ("b",)  # for its floor alone
    low, high = table.frame["best_lead_low"][1], table.frame["best_lead_high"][1]
    seen = table.frame["detectable_difference"][1]
    assert notes(table) == [
        "a no significant difference from the best of its model and dataset, A; "
        f"a difference of {seen:.3f} would have been seen (80% power)",
        f"b {AT_BASELINE}",
    ]
    assert low <= 0 < min(high, seen)
    assert 0.05 < table.frame["best_lead_adjusted_p_value"][1] < 1
    assert list(table.frame["against_best"]) == ["best", "no significant difference", "lower"]
    assert table.frame["best_lead_low"].isna().tolist() == [True, False, False]


def test_one_seed_marks_no_row_as_better(predicted: list[Measured]) -> None:
    table = judged(predicted[:3])
    assert list(table.frame["against_best"]) == ["best", "unknown", "unknown"]
    assert {rank for (_, column), rank in table.ranks.items() if column == "macro_f1"} == set()
    reason = "one seed, so the variation between seeds is unknown"
    assert f"a unknown whether it differs from the best of its model and dataset, A: {reason}" in notes(table)
    assert "between texts alone for a row with one seed: the variation between seeds is not in it." in table.caption
    assert not table.frame["macro_f1_low"].isna().any()


def test_a_baseline_within_the_interval_is_marked(make_record: MakeRecord) -> None:
    """As P-Tuning on SST-5: a mean of 0.1774 (0.036 to 0.319), above the majority's F1 and below the random one."""
    quality = known(make_record().quality).model_dump() | {
        "label_counts": {"n": 60, "p": 20, "q": 20}, "majority_macro_f1": 0.25,
    }  # fmt: skip

    def row(method: str, *f1s: float) -> list[Record]:
        each = enumerate(f1s)
        return [make_record(method=method, seed=at, fields={"quality": quality | {"macro_f1": f1}}) for at, f1 in each]

    table = build("Run", [*row("near", 0.3, 0.35, 0.4), *row("far", 0.9, 0.91, 0.92)])
    assert table.frame["macro_f1_low"][0] < table.frame["random_macro_f1"][0] < table.frame["macro_f1_mean"][0]
    assert [any(AT_BASELINE in note for note in str(text).split("; ")) for text in table.frame["note"]] == [True, False]


def test_interval_with_predictions(predicted: list[Measured]) -> None:
    table = judged(predicted)
    row = table.frame.iloc[1]
    assert cells(table, 1)["macro_f1_interval"] == (f"{row['macro_f1_low']:.4f} to {row['macro_f1_high']:.4f}", ())
    assert 0.6 < row["macro_f1_low"] < 0.9161 < row["macro_f1_high"] == 1
    assert row["macro_f1_interval_over"] == "texts and seeds"
    assert "F1 interval: 95% t interval of the mean, from the variance between texts and seeds, with" in table.caption
    assert "significantly higher than that of every lower row." in table.caption
    alone = build("Run", [record for record, _ in predicted])
    assert alone.frame["macro_f1_interval_over"][1] == "seeds"
    assert cells(alone, 1)["macro_f1_interval"] == ("0.9161 to 0.9161", ())
    assert "predictions are missing" in alone.caption


def test_predictions_that_are_gone(predicted: list[Measured]) -> None:
    reason = f"{predicted[1].record.cell_id}/predictions.jsonl is missing"
    predicted[1] = predicted[1]._replace(evidence=Evidence(reason))
    table = judged(predicted)
    text, (mark,) = cells(table, 1)["macro_f1_interval"]
    assert text == "0.9161 to 0.9161"
    assert f"{mark} without the variation between texts: {reason}" in notes(table)


def test_an_f1_that_is_unknown_has_no_interval(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(weights="random"), make_record("oom", method="M")])
    for row in (0, 1):
        assert cells(table, row)["macro_f1_interval"] == ("–", cells(table, row)["macro_f1"][1])
        assert cells(table, row)["macro_f1_interval"][1]


def test_a_row_that_several_machines_measured_says_so(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(seed=0), make_record(seed=1, device="cuda"), make_record(method="BitFit")])
    assert table.marks[0, "method"] == ("a",)
    assert (1, "method") not in table.marks
    assert f"a {UNLIKE}" in notes(table)


def test_ranks_of_throughput_alone_are_explained(make_record: MakeRecord) -> None:
    def rated(method: str, rate: float) -> list[Record]:
        rates = [rate - 1, rate, rate + 1]
        return [make_record(method=method, weights="random", seed=at, train_rate=one) for at, one in enumerate(rates)]

    table = build("Run", [*rated("A", 900.0), *rated("B", 100.0)])
    assert "best" in table.ranks.values()
    assert OF_RATES in table.caption


def test_the_interval_of_repeats_is_called_so(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(repeat=repeat, train_rate=100.0 + repeat) for repeat in (0, 1)])
    assert "Student's t 95% interval over seeds and repeats; a row with one measurement has none." in table.caption
