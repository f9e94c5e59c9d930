"""LaTeX: what can be pasted, compiles as it is, and says no more than it should."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from bench.record.record import Record
from bench.report.tables import comparisons, efficiency, table1, table2, table3, table4
from bench.report.tables.table import Table
from bench.text.tables.latex import LINES, document, escape, to_latex
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.many import many

#: All that may stand in a name or a message: what LaTeX obeys, what T1 has and has not, and what reads backwards.
EVERYTHING = "".join(chr(code) for code in (*range(0x20, 0x250), *range(0x370, 0x400), *range(0x2000, 0x2300)))
STRANGE = "你好 \U0001f600 שלום e\u0301 \u202e \x00\x07\t\\input{/etc/passwd} ^^M ?` !` ,, '' `` -- --- \\end{table*}%"


@pytest.fixture(scope="module")
def pdflatex() -> str:
    found = shutil.which("pdflatex")
    if found is None:
        pytest.skip("pdflatex is not installed")
    return found


def built(records: Sequence[Record], remarks: Sequence[str] = (), title: str = "Run") -> list[Table]:
    source = "records sha256 0a1b"
    found = [
        table1.build(title, records, source=source), table2.build(title, records, source=source),
        table3.build(title, records, 3, remarks, source=source), table4.build(title, records, source=source),
        efficiency.build(title, records, source=source),
    ]  # fmt: skip
    return [table for table in found if table is not None]


def compiled(pdflatex: str, tables: Sequence[Table], folder: Path) -> str:
    """The log of a compile that went through."""
    for table in tables:
        (folder / f"{table.name}.tex").write_text(to_latex(table), encoding="utf-8")
    (folder / "tables.tex").write_text(document(tables), encoding="utf-8")
    command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "tables.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    assert (folder / "tables.pdf").stat().st_size > 1000
    return (folder / "tables.log").read_text(encoding="utf-8", errors="replace")


def hostile(make_record: MakeRecord) -> list[Record]:
    names = [STRANGE, EVERYTHING[:200], "a & b_1 $x$ #%", "\\", "{", "[red]", "*"]
    records = [
        make_record(dataset=name, model=name, method=name, method_name=f"m{at}{seed}", seed=seed, options={"of": name})
        for at, name in enumerate(names)
        for seed in (0, 1)
    ]
    messages = [EVERYTHING[at : at + 150] for at in range(0, len(EVERYTHING), 150)] + [STRANGE]
    return records + [
        make_record("error", method=f"f{at}", message=text, phase=text[:20]) for at, text in enumerate(messages)
    ]


def test_tables_of_a_run_compile(make_record: MakeRecord, pdflatex: str, tmp_path: Path) -> None:
    """Two hundred cells: grids that are turned, that go on in a next float, and more footnotes than one holds."""
    run = many(make_record).runs[0]
    tables = built(run.records, remarks=["A sentence of the notes. " * 400])
    methods = dict.fromkeys(record.cell.method.name for record in run.records)
    tables.append(known(comparisons.build({**run.study, "comparisons": list(pairwise(methods))}, run.cells)))
    assert [table.name for table in tables] == ["table1", "table2", "table3", "table4", "efficiency", "comparisons"]
    log = compiled(pdflatex, tables, tmp_path)
    assert "Overfull \\hbox" not in log
    assert "Float too large" not in log


def test_hostile_records_compile(make_record: MakeRecord, pdflatex: str, tmp_path: Path) -> None:
    log = compiled(pdflatex, built(hostile(make_record), [STRANGE, EVERYTHING], title=STRANGE), tmp_path)
    assert "Missing character" not in log
    assert "/etc/passwd" not in re.sub(r"\s", "", "".join(re.findall(r"\(([^()\s]+)", log)))


def test_what_the_encoding_lacks_is_a_box_with_its_code_point() -> None:
    assert escape("a你b") == r"a\fbox{\tiny U+4F60}b"
    assert escape("\U0001f600\x07") == r"\fbox{\tiny U+1F600}\fbox{\tiny U+0007}"
    assert (escape("é e\u0301 ß ł €"), escape("U+4F60")) == ("é é ß ł €", "U+4F60")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("--flag ---", "-{}-flag -{}-{}-"), ("'' ,,", "'{}' ,{},"), ("?` !`", r"?\textasciigrave{} !\textasciigrave{}"),
        ('a "b"', r"a \textquotedbl{}b\textquotedbl{}"), ("−1 ± 2", r"$-$1 $\pm$ 2"),
    ],
)  # fmt: skip
def test_what_latex_would_make_another_sign_of(text: str, written: str) -> None:
    assert escape(text) == written


def test_a_document_reads_the_files_of_its_tables(make_record: MakeRecord) -> None:
    tables = built([make_record(seed=seed, method=name, method_name=name) for seed in (0, 1) for name in "AB"])
    text = document(tables)
    assert re.findall(r"\\input\{(.*?)\}", text) == ["table1.tex", "table2.tex", "table3.tex", "table4.tex"]
    assert document(tables) == text


def test_cells_are_merged_as_in_other_formats(make_record: MakeRecord) -> None:
    """Equal text in different groups is not one cell."""
    names = [("A", "M", "x"), ("A", "M", "y"), ("A", "N", "x"), ("B", "N", "x"), ("B", "N", "y"), ("A2", "N", "y")]
    table = table3.build("Run", [make_record(dataset=d, model=m, method=x) for d, m, x in names])
    runs = table.runs()
    assert runs == [(3, 2), (0, 0), (0, 1), (2, 2), (0, 0), (1, 1)]
    lines = [line.split(" & ") for line in to_latex(table).splitlines() if line.endswith(r"\\")][1:]
    for line, row, begins in zip(lines, names, runs, strict=True):
        for cell, name, count in zip(line, row, begins, strict=False):
            expected = {0: "", 1: name}.get(count, rf"\multirow[t]{{{count}}}{{*}}{{{name}}}")
            assert cell.strip() == expected
    rules = [line for line in to_latex(table).splitlines() if re.match(r"\\(mid|cmid|bottom)rule", line)]
    assert rules == [r"\midrule", r"\cmidrule{2-13}", r"\midrule", r"\midrule", r"\bottomrule"]


def test_rows_go_on_in_a_next_float_at_the_end_of_a_group(make_record: MakeRecord) -> None:
    most = LINES[True]
    records = [make_record(model=model, method=f"m{at}") for model in "XY" for at in range(most - 5)]
    text = to_latex(table3.build("Run", records))
    floats = text.split(r"\begin{sidewaystable*}")[1:]
    assert len(floats) == 2
    assert [one.count("(n=1)") for one in floats] == [most - 5, most - 5]
    assert [rf"\multirow[t]{{{most - 5}}}{{*}}{{{model}}}" in one for one, model in zip(floats, "XY", strict=True)] == [
        True, True,
    ]  # fmt: skip
    assert "Run, continued." in floats[1]
    assert text.count(r"\label{tab:table3}") == 1


def test_the_source_is_a_comment_and_a_footnote(make_record: MakeRecord) -> None:
    text = to_latex(table3.build("Run", [make_record()], source="records sha256 0a\n\\input{x}"))
    assert text.splitlines()[1] == r"% Source: records sha256 0a \input{x}"
    assert text.count(r"Source: records sha256 0a \textbackslash{}input\{x\}") == 1
    assert "Source" not in to_latex(table3.build("Run", [make_record()]))


def test_best_and_second(ranked: Table) -> None:
    text = to_latex(ranked)
    assert r"\textbf{0.9050 $\pm$ 0.0071 (n=2)} & " in text
    assert r"\underline{0.8050 $\pm$ 0.0071 (n=2)}" in text
    assert text.count(r"\textbf") == text.count(r"\underline") == 1
