"""The page as a file: complete, small, reproducible, and without injected content."""

import re
from pathlib import Path

import pytest

from bench.report.charts.rows import rows
from bench.report.page import document
from bench.report.page.document import build
from bench.report.results.run import Results
from tests.html_page import Page
from tests.report.conftest import MakeRecord, _record
from tests.report.page.conftest import data_in, page_of, script, significances_of, tables_of
from tests.report.page.hostile import TEXTS, hostile
from tests.report.predicted import RUN, results


@pytest.fixture(scope="module")
def page(page_file: Path) -> str:
    return page_file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hostile_page() -> str:
    return page_of(hostile(_record))


def test_the_same_results_give_the_same_bytes(some_results: Results, page: str) -> None:
    assert page_of(some_results) == page


def test_files_that_are_written_are_not_written_again(make_record: MakeRecord) -> None:
    run = results(RUN, make_record())
    tables = tables_of(run)
    files = {f"{name}.{suffix}": f"{name} as {suffix}".encode() for name in tables for suffix in ("md", "tex", "csv")}
    significances = significances_of(run)
    found = data_in(build(run, tables, significances, rows(run, significances), script(), files), "copies")
    assert found["table3"] == {suffix: f"table3 as {suffix}" for suffix in ("md", "tex", "csv")}


def test_copies_are_the_texts_of_the_files(page: str) -> None:
    copies = data_in(page, "copies")
    assert copies["table3"]["md"].startswith("# Many cells")
    assert "\\toprule" in copies["table3"]["tex"]
    assert copies["table3"]["csv"].startswith("dataset,model,method")


def test_every_address_within_the_page_leads_somewhere(page: str) -> None:
    outline = Page(page)
    ids = [value for name, value in outline.attributes if name == "id"]
    assert len(set(ids)) == len(ids)
    cells = {f"cell={cell['key']}" for cell in data_in(page, "cells")["cells"]}
    rows = {f"row={row['key']}" for row in data_in(page, "rows")}
    targets = [str(attributes["href"])[1:] for attributes, _ in outline.all("a")]
    assert set(targets) <= {*ids, *cells, *rows}
    assert {target for target in targets if target.startswith("row=")} == rows


def test_every_table_of_the_report_is_there_without_a_script(page: str) -> None:
    for name in ("table1", "table2", "table3", "efficiency"):
        assert re.search(rf'<section class="table" id="{name}">.*?<tbody>', page, re.DOTALL)
    assert page.index('id="rows"') < page.index('id="data-')


@pytest.mark.parametrize("which", ["page", "hostile_page"])
def test_nothing_leads_out_of_the_page(which: str, request: pytest.FixtureRequest) -> None:
    outline = Page(request.getfixturevalue(which))
    assert {str(attributes["href"])[0] for attributes, _ in outline.all("a")} == {"#"}
    names = {name for name, _ in outline.attributes}
    assert names.isdisjoint(("src", "action", "srcset", "style", "formaction"))
    assert [name for name in names if name.startswith("on")] == []
    assert outline.tags & {"link", "iframe", "img", "object", "embed", "base"} == set()


def test_hostile_texts_add_no_element(hostile_page: str, page: str) -> None:
    attacked, plain = Page(hostile_page), Page(page)
    assert attacked.tags <= plain.tags
    kinds = [[attributes.get("type") for attributes, _ in one.all("script")] for one in (attacked, plain)]
    assert kinds[0] == kinds[1]


def test_hostile_texts_have_nothing_unseen(hostile_page: str) -> None:
    own = "".join(document._text(name) for name in (*document.SCRIPTS, "style.css"))
    unseen = {char for char in hostile_page if not char.isprintable()} - {"\n"}
    assert unseen <= {char for char in own + script() if not char.isprintable()}
    assert max(map(len, TEXTS)) == 5000


def test_scripts_name_no_method_and_write_no_markup() -> None:
    own = "".join(document._text(name) for name in (*document.SCRIPTS, "theme.js"))
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
        assert word not in own


def test_scripts_are_small() -> None:
    lines = {name: len(document._text(name).splitlines()) for name in (*document.SCRIPTS, "theme.js")}
    assert max(lines.values()) < 300
    assert sum(lines.values()) < 620


def test_several_runs(make_record: MakeRecord) -> None:
    first, second = (results(RUN, make_record(device=device)).runs[0] for device in ("cpu", "cuda"))
    both = Results((first, second))
    found = page_of(both)
    keys = [cell["key"] for cell in data_in(found, "cells")["cells"]]
    assert keys[1] == f"{keys[0]}@2"
    assert "NVIDIA H200" in found
