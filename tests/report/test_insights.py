"""Insights of a report: cells that are drawn, paths of their files, and an index that no foreign text can break."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.method.insight import Insight
from bench.record.record import Record
from bench.record.run_folder import CellFolder
from bench.report.charts.figures import Figures
from bench.report.insights import INDEX, MOST_ROWS, files
from bench.report.results.evidence import collect
from bench.report.results.run import Results, Run
from tests.report.conftest import MakeRecord
from tests.support import python

ROOT = Path(__file__).parents[2]
CHART = {"kind": "bars", "x": "expert", "y": "tokens", "x_label": "expert", "y_label": "tokens"}
Pair = tuple[Record, Path]


def part(name: str = "tokens", **changes: Any) -> dict[str, Any]:
    """An insight as a worker writes it."""
    content = {"name": name, "title": "Tokens by expert", "caption": "n = 30 tokens.", "chart": CHART}
    content |= {"columns": {"expert": ["expert 0", "expert 1"], "tokens": [10, 20]}} | changes
    return Insight.model_validate(content).model_dump(mode="json")


def cell(folder: Path, record: Record, *parts: dict[str, Any], text: str | None = None) -> Pair:
    """A cell's folder with these insights, or with this text in their file; without either there is no file."""
    path = folder / "cells" / record.cell_id
    path.mkdir(parents=True)
    if parts or text is not None:
        (path / "insights.json").write_text(json.dumps({"parts": parts}) if text is None else text, encoding="utf-8")
    return record, path


def write(pairs: Sequence[Pair], folder: Path) -> list[Path]:
    """The files of these cells, written; the index last."""
    cells = collect([(record, CellFolder(path)) for record, path in pairs])
    with Figures(("svg", "png")) as figures:
        found = files(Results((Run({}, "", "", (), cells),)), figures)
        found = figures.files() | found
    for name, content in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return [folder / name for name in found]


def index(folder: Path) -> str:
    return (folder / INDEX).read_text(encoding="utf-8")


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)]*)\)", text)


def grid(text: str) -> list[list[str]]:
    """The cells of a text's table, without the rule below its heads."""
    rows = [re.split(r" *\| *", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    return rows[:1] + rows[2:]


def test_one_row(tmp_path: Path, make_record: MakeRecord) -> None:
    report = tmp_path / "reports" / "s"
    record = make_record(fields={"warnings": ["Expert 1 is hardly used.", "Few texts."]})
    paths = write([cell(tmp_path, record, part(), part("share"))], report)
    place = report / "insights" / "IMDb__RoBERTa__LoRA"
    drawn = {place / f"{name}.{suffix}" for name in ("tokens", "share") for suffix in ("png", "svg", "csv")}
    assert (set(paths[:-1]), paths[-1]) == (drawn, report / INDEX)
    assert all(path.stat().st_size > 0 for path in paths)
    assert index(report).split("\n\n")[2:] == [
        "## IMDb / RoBERTa / LoRA",
        "Seed 0.",
        "Warning: Expert 1 is hardly used.",
        "Warning: Few texts.",
        "![Tokens by expert](insights/IMDb__RoBERTa__LoRA/tokens.svg)",
        "Figure 1: Tokens by expert. n = 30 tokens. ([csv](insights/IMDb__RoBERTa__LoRA/tokens.csv), "
        "[png](insights/IMDb__RoBERTa__LoRA/tokens.png))",
        "![Tokens by expert](insights/IMDb__RoBERTa__LoRA/share.svg)",
        "Figure 2: Tokens by expert. n = 30 tokens. ([csv](insights/IMDb__RoBERTa__LoRA/share.csv), "
        "[png](insights/IMDb__RoBERTa__LoRA/share.png))\n",
    ]
    assert (place / "tokens.csv").read_text(encoding="utf-8") == "expert,tokens\nexpert 0,10\nexpert 1,20\n"


def test_a_figure_of_many_rows_has_no_csv(tmp_path: Path, make_record: MakeRecord) -> None:
    count = MOST_ROWS + 1
    many = part() | {"columns": {"expert": [f"expert {at}" for at in range(count)], "tokens": [1] * count}}
    paths = write([cell(tmp_path, make_record(), many)], tmp_path)
    assert [path.suffix for path in paths] == [".svg", ".png", ".md"]
    assert f"({count} rows, in the cell's insights.json, [png](" in index(tmp_path)


def test_a_row_is_drawn_once_from_its_first_measured_seed(tmp_path: Path, make_record: MakeRecord) -> None:
    pairs = [
        cell(tmp_path, make_record(seed=0, status="oom"), part("from_failed")), cell(tmp_path, make_record(seed=1)),
        cell(tmp_path, make_record(method="BitFit", seed=1), part("from_other_row")),
        cell(tmp_path, make_record(seed=2), part("from_two")), cell(tmp_path, make_record(seed=3), part("from_three")),
    ]  # fmt: skip
    assert [path.stem for path in write(pairs, tmp_path) if path.suffix == ".svg"] == ["from_two", "from_other_row"]
    headings = [line for line in index(tmp_path).splitlines() if line.startswith(("## ", "Seed"))]
    assert headings == ["## IMDb / RoBERTa / LoRA", "Seed 2.", "## IMDb / RoBERTa / BitFit", "Seed 1."]


def test_rows_that_share_names_do_not_share_files(tmp_path: Path, make_record: MakeRecord) -> None:
    records = [make_record(options={"rank": rank}) for rank in (8, 16)] + [make_record(method="lora")]
    pairs = [cell(tmp_path, record, part(caption=f"n = {at}.")) for at, record in enumerate(records)]
    folders = list(dict.fromkeys(path.parent.name for path in write(pairs, tmp_path)[:-1]))
    assert [re.sub(r"-[0-9a-f]{10}$", "-hash", folder) for folder in folders] == [
        "IMDb__RoBERTa__LoRA-hash",
        "IMDb__RoBERTa__LoRA-hash",
        "IMDb__RoBERTa__lora-hash",  # the same folder where capitals do not count
    ]
    assert len({folder.casefold() for folder in folders}) == 3
    text = index(tmp_path)
    assert "Seed 0; differs from the row of the same name in: method.options.rank = 8." in text
    assert "method.options.rank = 16." in text
    assert all((tmp_path / link).is_file() for link in links(text))
    assert len(set(links(text))) == 9


def test_nothing_to_show(tmp_path: Path, make_record: MakeRecord) -> None:
    report = tmp_path / "report"
    pairs = [cell(tmp_path, make_record()), cell(tmp_path, make_record(seed=1), text='{"parts": []}')]
    assert (write(pairs, report), write([], report)) == ([], [])
    assert not report.exists()


BAD = {
    "empty": ("", "cannot be read: JSONDecodeError"),
    "half": ('{"parts": [', "cannot be read: JSONDecodeError"),
    "deep": ("[" * 100_000, "cannot be read: RecursionError"),
    "list": ("[]", "holds no list of parts"),
    "no parts": ('{"part": []}', "holds no list of parts"),
    "no list": ('{"parts": {"a": 1}}', "holds no list of parts"),
    "no object": ('{"parts": [3]}', "is not valid at part 1: Input should be a valid dictionary"),
    "way out": (json.dumps({"parts": [part() | {"name": "../x"}]}), "is not valid at part 1.name: String should match"),
    "not finite": (
        json.dumps({"parts": [part() | {"columns": {"expert": [1.0], "tokens": [float("nan")]}}]}),
        "part 1.columns.tokens.0",
    ),
    "surrogate": (json.dumps({"parts": [part() | {"title": "\ud800"}]}), "is not valid at part 1.title"),
    "ragged": (json.dumps({"parts": [part() | {"columns": {"a": [1], "b": []}}]}), "must be of one length"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_read_is_named(text: str, said: str, tmp_path: Path, make_record: MakeRecord) -> None:
    assert write([cell(tmp_path, make_record(), text=text)], tmp_path) == [tmp_path / INDEX]
    found = index(tmp_path)
    assert "## IMDb / RoBERTa / LoRA\n\nNothing could be read.\n\nNot shown: seed 0: insights.json " in found
    assert said in found.replace("\\_", "_")
    assert str(tmp_path) not in found


def test_bytes_and_folders_are_no_insights(tmp_path: Path, make_record: MakeRecord) -> None:
    pairs = [cell(tmp_path, make_record(seed=seed)) for seed in (0, 1)]
    (pairs[0][1] / "insights.json").write_bytes(b"\xff\xfe")
    (pairs[1][1] / "insights.json").mkdir()
    write(pairs, tmp_path)
    reasons = re.findall(r"seed \d: insights.json cannot be read: (.*)", index(tmp_path))
    assert len(reasons) == 2
    assert reasons[0].startswith("UnicodeDecodeError")
    assert reasons[1] == "it is not a regular file."


def test_what_can_be_read_is_drawn(tmp_path: Path, make_record: MakeRecord) -> None:
    twice = {"parts": [part("good"), {"name": "bad"}, part("good", title="Another"), part("last")]}
    pairs = [cell(tmp_path, make_record(seed=0), text="{"), cell(tmp_path, make_record(seed=1), text=json.dumps(twice))]
    assert [path.stem for path in write(pairs, tmp_path) if path.suffix == ".svg"] == ["good", "last"]
    found = index(tmp_path)
    assert "Seed 1." in found
    assert "Not shown: seed 0: insights.json cannot be read: JSONDecodeError" in found
    assert "Not shown: seed 1: insights.json is not valid at part 2.title: Field required." in found
    assert "Not shown: seed 1: insights.json has two parts of the name good; the first is shown." in found
    assert "Another" not in found


def test_text_from_elsewhere_is_escaped(tmp_path: Path, make_record: MakeRecord) -> None:
    text = "# <script> [a](b) | $x$ `c` *d* _e_ ~f~\n\n## no heading \x1b[31m"
    columns = {text: ["1. no list", text], "b": [None, 0.123456789]}
    record = make_record(
        method=text, dataset="- no list", dataset_name="a", method_name="../b", fields={"warnings": [text]}
    )
    parts = [part(title=text, caption=text), part("table", title=text, caption=text, columns=columns, chart=None)]
    write([cell(tmp_path, record, *parts)], tmp_path)
    found = index(tmp_path)
    lines = found.splitlines()
    assert not re.search(r"(?<!\\)[`*~]|<|\$|\x1b", found)
    assert [line for line in lines if line.startswith("#")] == [lines[0], lines[4]]
    assert [line.split(":")[0] for line in lines if line and line[0] not in "#!|"] == [
        lines[2].split(":")[0], "Seed 0.", "Warning", "Figure 1", "Table 2",
    ]  # fmt: skip
    table = grid(found)
    assert [len(cells) for cells in table] == [2] * 3
    assert (table[1], table[2][1]) == (["1. no list", ""], "0.123457")
    assert all((tmp_path / link).is_file() for link in links(re.sub(r"\\.", "", found)) if link != "b")
    assert (tmp_path / "insights" / "a__RoBERTa__b" / "table.csv").is_file()
    assert not (tmp_path / "insights" / "a__RoBERTa__b" / "table.svg").exists()


QUOTE = "A text of the data, of more characters than any token or name of a class has."
LEFT_OUT = "Left out, for texts of more than 60 characters quote the data: a\\*text."
IN_THE_RUN = "The cell's insights.json in the run folder has all."


def test_a_column_that_quotes_the_data_stays_in_the_run_folder(tmp_path: Path, make_record: MakeRecord) -> None:
    columns = {"expert": ["expert 0", "expert 1"], "tokens": [10, 20], "row": [3, 0], "a*text": ["Short.", QUOTE]}
    parts = [part(columns=columns), part("table", columns=columns, chart=None)]
    pair = cell(tmp_path, make_record(), *parts)
    report = tmp_path / "report"
    write([pair], report)
    for path in report.rglob("*.*"):
        assert QUOTE[:30].encode() not in path.read_bytes()
    for path in report.rglob("*.csv"):
        assert path.read_text(encoding="utf-8") == "expert,tokens,row\nexpert 0,10,3\nexpert 1,20,0\n"
    assert index(report).count(f"{LEFT_OUT} {IN_THE_RUN}") == 2
    assert grid(index(report))[0] == ["expert", "tokens", "row"]
    assert len(list(report.rglob("tokens.svg"))) == 1
    assert QUOTE in (pair[1] / "insights.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", ["x", "y", "colour", "panel", "value"])
def test_no_figure_of_a_column_that_quotes_the_data(place: str, tmp_path: Path, make_record: MakeRecord) -> None:
    columns = {"expert": ["expert 0"], "tokens": [10], "a*text": [QUOTE]}
    chart = CHART | {"kind": "heatmap", "value": "tokens", place: "a*text"}
    paths = write([cell(tmp_path, make_record(), part(columns=columns, chart=chart))], tmp_path)
    assert [path.name for path in paths] == ["tokens.csv", INDEX]
    found = index(tmp_path)
    assert grid(found) == [["expert", "tokens"], ["expert 0", "10"]]
    assert f"{LEFT_OUT} There is no chart, for it needs what is left out. {IN_THE_RUN}" in found
    assert QUOTE not in found


def test_a_part_that_only_quotes_the_data(tmp_path: Path, make_record: MakeRecord) -> None:
    write([cell(tmp_path, make_record(), part(columns={"a*text": [QUOTE]}, chart=None))], tmp_path)
    assert "\n\nTable 1: Tokens by expert." in index(tmp_path)
    assert LEFT_OUT in index(tmp_path)


def test_a_long_table_is_cut(tmp_path: Path, make_record: MakeRecord) -> None:
    columns = {f"c{at}": list(range(500)) for at in range(20)}
    write([cell(tmp_path, make_record(), part(columns=columns, chart=None))], tmp_path)
    table = grid(index(tmp_path))
    assert (len(table), table[0][-1]) == (21, "c11")
    assert "Shown is the beginning of 500 rows and 20 columns." in index(tmp_path)


def test_columns_may_be_absent(tmp_path: Path, make_record: MakeRecord) -> None:
    write([cell(tmp_path, make_record(), part(columns={}, chart=None))], tmp_path)
    assert "Table 1: Tokens by expert." in index(tmp_path)


def test_alike_each_time(tmp_path: Path, make_record: MakeRecord) -> None:
    pair = cell(tmp_path, make_record(), part())
    first, second = ([path.read_bytes() for path in write([pair], tmp_path / name)] for name in "ab")
    assert first == second


def test_a_run_without_insights_loads_no_plotting() -> None:
    code = (
        "import sys; from bench.report.charts.figures import Figures; from bench.report.insights import files; "
        "from bench.report.charts.plots import curves, pareto; "
        "from bench.report.results.run import Results, Run; "
        "print(len(files(Results((Run({}, '', '', (), ()),)), Figures(['png']))), 'vl_convert' in sys.modules)"
    )
    assert python(code).split() == ["0", "False"]
