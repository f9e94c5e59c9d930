"""One table as csv, Markdown and LaTeX gives the same numbers; hostile files are refused with file and line."""

import contextlib
import time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.commands.audit.published import load
from bench.commands.audit.published.grid import LARGEST_FILE_BYTES, MOST_ROWS, READERS, read_grid
from bench.errors import DataError
from tests.commands.audit.published.conftest import write

MARKDOWN = """Some text before.

| Dataset | Model | Method | Acc. | # Trainable Params |
|:--|:--|---|--:|--:|
| IMDb | RoBERTa | **LoRA** | **95.1**±.2 | 0.3M<sup>a</sup> |
| IMDb | RoBERTa | a\\|b | [94.8](https://example.org) | 125M† |

Some text after, with | a bar.
"""
LATEX = r"""
\begin{table}[t]
\begin{tabular}{@{}lll rr@{}}
\toprule
\multicolumn{3}{c}{Setting} & \multicolumn{1}{c}{} & \\ \cmidrule(lr){1-3}
Dataset & Model & Method & Acc. & \# Trainable Params \\ % a comment with & and \\
\midrule
\multicolumn{5}{l}{\textit{Base models}} \\
\multirow{2}{*}{IMDb} & \multirow{2}{*}{RoBERTa} & \textbf{LoRA} &
  \textbf{95.1}$_{\pm .2}$ & 0.3M\textsuperscript{a} \\[2pt]
 & & a|b & \underline{94.8} & 125M$^\dagger$ \\
\bottomrule
\end{tabular}
\end{table}
"""
CSV = "Dataset,Model,Method,Acc.,# Trainable Params\nIMDb,RoBERTa,LoRA,95.1±.2,0.3M\nIMDb,RoBERTa,a|b,94.8,125M\n"
NAMES = '[columns]\n"Setting Dataset" = "dataset"\n"Setting Model" = "model"\n"Setting Method" = "method"\n'


@pytest.mark.parametrize(("suffix", "text"), [("md", MARKDOWN), ("tex", LATEX), ("csv", CSV)])
def test_the_same_table_in_each_format(suffix: str, text: str, tmp_path: Path) -> None:
    path = write(tmp_path, text, name=f"t.{suffix}")
    (table,) = load(path, write(tmp_path, NAMES, name="names.toml")).tables
    read = [(row.printed, row.numbers["accuracy"], row.numbers["trainable_params"]) for row in table.rows]
    assert [(printed, accuracy.value, count.value) for printed, accuracy, count in read] == [
        (("IMDb", "RoBERTa", "LoRA"), Decimal("0.951"), Decimal(300_000)),
        (("IMDb", "RoBERTa", "a|b"), Decimal("0.948"), Decimal(125_000_000)),
    ]
    assert read[0][1].spread == Decimal("0.002")
    assert table.notes == (("t.tex line 8: left out the title 'Base models'",) if suffix == "tex" else ())


def test_an_unknown_column_is_left_out_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "dataset,model,method,f1,BLEU,gflopps", "d,m,x,0.5,68.2,1", name="t.csv")
    (table,) = load(path).tables
    assert [sorted(row.numbers) for row in table.rows] == [["f1"]]
    assert table.notes == (
        "t.csv line 1: left out 'BLEU': unknown column",
        "t.csv line 1: left out 'gflopps': unknown column; did you mean 'gflops'?",
    )


def test_names_that_hold_for_every_row_come_from_the_names_file(tmp_path: Path) -> None:
    path = write(tmp_path, "| PEFT | Params (%) |\n|---|---|\n| LoRA | 0.83 |", name="t.md")
    names = write(tmp_path, '[same]\ndataset = "BoolQ"\nmodel = "LLaMA"\nbatch_size = "16"', name="names.toml")
    (row,) = load(path, names).tables[0].rows
    assert (row.printed, row.stated.batch_size) == (("BoolQ", "LLaMA", "LoRA"), 16)
    assert row.numbers["trainable_share"].value == Decimal("0.0083")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.md", "no table", r"t\.md: no Markdown table"), ("t.tex", "no table", r"t\.tex: no LaTeX table"),
        ("t.md", "|a|\n|-|\n|1|\n\n|b|\n|-|\n|2|", r"t\.md line 5: must hold one table"),
        ("t.md", "|a|b|\n|-|-|\n|1|2|3|", r"t\.md line 3: must have 2 cells .*, got 3"),
        ("t.tex", r"\begin{tabular}{l} a", r"t\.tex line 1: .* has no \\end"),
        ("t.tex", "\\begin{tabular}{l}\n{a \\\\ \\hline\nb\\end{tabular}", r"t\.tex line 1: a \{ has no \}"),
        ("t.tex", r"\begin{tabular}{l}a\\ 1\\\begin{tabular}{l}b\end{tabular}\end{tabular}", r"must hold one tabular"),
        ("t.tex", r"\begin{tabular}{l}" + r"\multicolumn{199}{c}{x}&" * 2 + r"y\end{tabular}", r"more than 200 cells"),
        ("t.txt", "a,b\n1,2", r"must be a table in a file whose name ends in \.csv, \.md, \.tex"),
        ("t.csv", "a\n" + "1\n" * (MOST_ROWS + 1), r"must have at most 5000 rows and 200 columns, got 5001 rows"),
        ("t.csv", ",".join("abc" * 67) + "\n" + ",".join("123" * 67), r"and 201 columns"),
        ("t.csv", "x" * (LARGEST_FILE_BYTES + 1), r"must be at most 1,048,576 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_grid(write(tmp_path, text, name=name))


@pytest.mark.parametrize("suffix", sorted(READERS))
@pytest.mark.parametrize(
    "piece", ["|", "{", "\\", "&", "[", "\\multicolumn{999}{c}{x}&", "<", "**", "|-", "$^", "\\\\"]
)
def test_a_repeated_piece_takes_no_time(suffix: str, piece: str, tmp_path: Path) -> None:
    text = {
        ".csv": f"a,b\n{piece * 3000},1", ".md": f"|a|b|\n|-|-|\n|{piece * 3000}|1|",
        ".tex": rf"\begin{{tabular}}{{ll}}a&b\\\hline {piece * 3000}&1\end{{tabular}}",
    }[suffix]  # fmt: skip
    path = write(tmp_path, text, name=f"t{suffix}")
    started = time.perf_counter()
    with contextlib.suppress(DataError):
        read_grid(path)
    assert time.perf_counter() - started < 5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(
    text=st.text("|-:\\{}&$_^%[]<>*`abc 12.,\n\"'", max_size=300),
    suffix=st.sampled_from(sorted(READERS)),
)
def test_any_text_is_read_or_refused(text: str, suffix: str, tmp_path: Path) -> None:
    if suffix == ".tex":
        text = rf"\begin{{tabular}}{{ll}}{text}\end{{tabular}}"
    path = tmp_path / f"t{suffix}"
    path.write_text(text, encoding="utf-8")
    try:
        grid = read_grid(path)
    except DataError as error:
        refused = str(error)
    else:
        assert all(len(row.cells) == len(grid.header) for row in grid.rows)
        return
    assert str(path) in refused


def test_rows_on_the_line_of_the_headings_are_rows(tmp_path: Path) -> None:
    path = write(tmp_path, r"\begin{tabular}{ll}a&b\\ \hline c&1\\ d&2\\ \end{tabular}", name="t.tex")
    assert [row.cells for row in read_grid(path).rows] == [("c", "1"), ("d", "2")]
