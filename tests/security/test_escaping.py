"""Texts from studies, data, plugins and failures in every file of a report: they stay texts, whatever they say."""

import csv
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.commands.audit.published import load
from bench.commands.audit.render import to_csv, to_html, to_markdown
from bench.commands.audit.result import Audit, audit
from bench.commands.explain.render import to_html as explained
from bench.errors import DataError
from bench.method.insight import Insight
from bench.plan.render import plan_table
from bench.report.draw import draw
from bench.text.tables import csv_text
from tests.commands.audit.conftest import plan_row
from tests.commands.explain.test_render import hostile, printed
from tests.report.conftest import _record
from tests.report.drawn import written
from tests.report.predicted import TRUTH, study
from tests.security.hostile import NASTY, examples

SIGNS = st.text(st.sampled_from("\\{}[]$&%#_^~|`*<>\"'-=+@.!:()/1a \n\t\r\x1b\u202e\uff1d\u00a0\u2028é"), max_size=10)
SAID = st.sampled_from(NASTY) | SIGNS | st.text(max_size=8)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def run_folder(folder: Path, said: list[str]) -> Path:
    """A run in which everything that comes from elsewhere says one of these."""
    title, notes, first, second, message, warning, reason, label = said
    both: dict[str, Any] = {"dataset": label, "model": first, "dataset_name": "d", "model_name": "m"}
    why = {"unknown": {"latency": reason, "flops": reason}, "flops": None, "warnings": [warning] if warning else []}
    checks = [{"name": label or "x", "verdict": "suspect", "found": reason}]
    cells = [
        _record(method=first or "a", method_name="a", fields=why | {"checks": checks}, **both),
        _record(method=second or "b", method_name="b", synthetic=True, **both),
        _record("error", message=message, phase=title, method=second or "b", method_name="c", **both),
    ]
    for record in cells:
        path = folder / "cells" / record.cell_id
        path.mkdir(parents=True)
        (path / "record.json").write_text(record.model_dump_json(), encoding="utf-8")
        lines = [json.dumps({"id": f"{at}", "label": y, "prediction": y}) for at, y in enumerate(TRUTH)]
        (path / "predictions.jsonl").write_text("\n".join(lines), encoding="utf-8")
        columns = {label or "x": [first, second[:50], None], "n": [1, 2.5, 3]}
        part = {"name": "part", "title": title[:200], "caption": message, "columns": columns}
        (path / "insights.json").write_text(json.dumps({"parts": [part]}), encoding="utf-8")
    content = study(("a", "b"), title=title[:200], notes=notes)
    run = {"schema_version": 1, "study": content, "command": f"tunebench {message}", "written_at": "2026-01-02"}
    (folder / "run.json").write_text(
        json.dumps(run | {"cell_ids": [record.cell_id for record in cells]}), encoding="utf-8"
    )
    return folder


@examples(10)
@given(said=st.lists(SAID, min_size=8, max_size=8))
def test_every_file_of_a_report(tmp_path_factory: pytest.TempPathFactory, said: list[str]) -> None:
    folder = tmp_path_factory.mktemp("escaping")
    console = Console(file=io.StringIO(), width=120)
    draw([run_folder(folder / "run", said)], folder / "reports", console, ("md", "csv", "tex"))
    assert isinstance(console.file, io.StringIO)
    assert_printable(console.file.getvalue())
    paths = [path for path in folder.glob("reports/**/*") if path.is_file()]
    assert {path.name for path in paths} >= {"table3.md", "table3.csv", "table3.tex", "comparisons.md", "insights.md"}
    for path in paths:
        text = path.read_text(encoding="utf-8") if path.suffix != ".png" else ""
        if path.suffix in HOLD and path.name != "tables.tex":  # which names files and no more
            assert_printable(text)
            HOLD[path.suffix](text)


def assert_printable(text: str) -> None:
    assert {char for char in text if not char.isprintable()} <= {"\n"}


def assert_markdown(text: str) -> None:
    """No mark-up but the house's own: its headings, tables, footnote marks and links to its own files."""
    plain = re.sub(r"\\[!-/:-@\[-`{-~]", "", text)  # what is escaped says nothing
    plain = re.sub(r"<sup>[^<>]*</sup>", "", plain)
    plain = re.sub(r"!?\[[^\[\]]*\]\(insights/[\w./-]*\.(csv|png|svg)\)", "", plain)
    assert not re.search(r"[<>`$]|&(?!amp;|lt;|gt;|#124;|#36;)|\]\(|\[", plain)
    widths = set()
    for line in (*text.splitlines(), ""):
        if line.startswith("|"):
            widths.add(line.count("|"))  # none of a text is left as it is
        else:
            assert len(widths) <= 1, "a table has rows of other widths"
            widths = set()
    for block in text.split("\n\n"):
        if not re.match(r"#{1,3} \S|\||- \*\*", block):
            assert not re.match(r"\s*([#+=-]|\d{1,9}[.)]|>|~~~|    )", block), block


def assert_csv(text: str) -> None:
    """Rows of one width, and no text that a spreadsheet would compute."""
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(FORMULA) or re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?", cell), cell


#: Commands that a table is written with.
COMMANDS = {
    "begin", "end", "centering", "caption", "resizebox", "textwidth", "toprule", "midrule", "bottomrule", "multirow",
    "cline", "shortstack", "par", "smallskip", "footnotesize", "raggedright", "textsuperscript", "textbackslash",
    "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar", "textendash", "textdagger",
    "textdaggerdbl", "textsection", "dots", "pm", "tabularnewline", "label", "textbf", "underline", "textquotedbl",
    "textasciigrave", "textemdash", "parbox", "fbox", "scriptsize", "tiny", "texttt",
    "linewidth", "addtocounter", "cmidrule", "strut",
}  # fmt: skip
SINGLE = set("{}&%$#_\\")


def assert_latex(text: str) -> None:
    """Every special character is escaped or the house's own, braces match, and rows of a grid are of one width."""
    rest = re.sub(r"\A(% .*\n)+", "", text)
    rest = rest.replace("{%\n", "{\n").replace("%\n}", "\n}")
    for signs in ("pm", "leq", "geq", "approx"):
        rest = rest.replace(rf"$\{signs}$", "")
    rest = rest.replace("$-$", "").replace(r"\ifdim\width>\linewidth\linewidth\else\width\fi", "")
    depth, rows_at, grids = 0, 0, [[0]]
    for token in latex_tokens(rest):
        depth += (token == "{") - (token == "}")
        assert depth >= 0
        if token.startswith("\\"):
            assert token[1:] in COMMANDS | SINGLE, token
        else:
            assert token not in set("%$#_^~<>|"), token
        grids[-1][-1] += token == "&"
        if token == "\\toprule":
            grids.append([0])
            rows_at = depth
        elif token in ("\\\\", "\\end") and depth == rows_at:
            grids[-1].append(0)
    assert depth == 0
    assert not any(grids[0])
    assert [len(set(filter(None, widths))) for widths in grids[1:]] == [1] * (len(grids) - 1) != []


def latex_tokens(text: str) -> Iterator[str]:
    yield from re.findall(r"\\[a-zA-Z]+|\\.|.", text, re.DOTALL)


HOLD = {".md": assert_markdown, ".csv": assert_csv, ".tex": assert_latex}


class Page(HTMLParser):
    """The tags of a page with the names of their attributes, and what opens must close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shape: list[tuple[str, ...]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, *(name for name, _ in attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")


def audited(folder: Path, said: str) -> Audit:
    """An audit in which every name, title and label says this."""
    name = "".join(char for char in said if char not in "\0\r\n") or "x"
    rows = [
        ["dataset", "model", "method", "total_params_million"], [name, name, "x", "4582.54"], [name, name, "y", "1"],
    ]  # fmt: skip
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    (folder / "t.csv").write_text(buffer.getvalue(), encoding="utf-8")
    (folder / "names.toml").write_text("[datasets]\n[models]\n", encoding="utf-8")
    plan = [plan_row("d", "m", method, dataset_label=name, model_label=name, method_label=name,
                     total_params=4_540_600_320, trainable_params=0, trains=False) for method in "xy"]  # fmt: skip
    return audit(load(folder / "t.csv"), plan, {}, study="s", causal=())


@examples(60)
@given(said=SAID)
def test_an_audit(tmp_path_factory: pytest.TempPathFactory, said: str) -> None:
    folder = tmp_path_factory.mktemp("audit")
    try:
        plain, found = audited(folder, "plain"), audited(folder, said)
    except DataError:
        return  # e.g. a name of blanks alone
    assert Page(to_html(found)).shape == Page(to_html(plain)).shape
    for text in (to_html(found), to_markdown(found), to_csv(found)):
        assert_printable(text)
    assert_markdown(to_markdown(found))
    assert_csv(to_csv(found))


@examples(60)
@given(said=SAID)
def test_an_explanation(said: str) -> None:
    assert Page(explained(hostile(said))).shape == Page(explained(hostile("plain"))).shape
    assert_printable(explained(hostile(said)).replace("\u200c", "").replace("\u200d", ""))
    assert_printable(printed(hostile(said), width=100).replace("\u200c", "").replace("\u200d", ""))


@examples(40)
@given(said=SAID)
def test_a_plan(said: str) -> None:
    row = plan_row("d", "m", "x", dataset_label=said, model_label=said, method_label=said, remarks=(said,))
    text = csv_text.to_csv(plan_table("Plan", [row], {}))
    assert_printable(text)
    assert_csv(text)


@examples(10)
@given(said=SAID, kind=st.sampled_from(["bars", "lines"]))
def test_a_figure(said: str, kind: str) -> None:
    chart = {"kind": kind, "x": "x", "y": "y", "x_label": said, "y_label": said, "colour": "c"}
    columns: dict[str, Any] = {"x": [said, "b"] if kind == "bars" else [1, 2], "y": [1, 2], "c": [said, "d"]}
    part = {"name": "part", "title": said[:200], "caption": said, "columns": columns, "chart": chart}
    svg = ElementTree.fromstring(written(Insight.model_validate(part), "f")["f/part.svg"])
    tags = {element.tag.rpartition("}")[2] for element in svg.iter()}
    assert tags <= {"svg", "defs", "g", "path", "text", "tspan", "line", "clipPath", "rect", "linearGradient", "stop"}
    assert not [name for element in svg.iter() for name in element.attrib if name.startswith("on")]


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (assert_markdown, "# x\n\n<b>"), (assert_markdown, "a [x](y)"), (assert_markdown, "1. x"),
        (assert_markdown, "`x`"),
        (assert_markdown, "| a |\n| b | c |"), (assert_markdown, "- x"), (assert_csv, "a,=1"), (assert_csv, "a\nb,c"),
        (assert_latex, "% packages: x\n{"), (assert_latex, "% packages: x\na & b\n\\input{x}"),
        (assert_latex, "% packages: x\n$x$"),
        (assert_latex, "% packages: x\na & b \\\\ a & b & c \\\\"), (assert_latex, "% packages: x\na % b"),
        (assert_printable, "a\x1b"), (assert_printable, "\u202e"), (Page, "<b>"), (Page, "<!-- x -->"),
    ],
)  # fmt: skip
def test_the_checks_find(check: Any, text: str) -> None:
    with pytest.raises(AssertionError):
        check(text)
