"""A table as a piece of HTML: well formed, accessible, and no markup but ours."""

import pytest

from bench.report.analysis.quantities import QUANTITIES
from bench.report.tables import efficiency, table3, table4
from bench.report.tables.table import Table
from bench.text.tables.fragment import to_html
from tests.html_page import Page
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.many import many


@pytest.fixture
def table(make_record: MakeRecord) -> Table:
    """Marked names, a failed row, and equal names in different groups."""
    names = [("A", "M", "x"), ("A", "M", "y"), ("A", "N", "x"), ("B", "N", "x")]
    records = [make_record(dataset=d, model=m, method=x, synthetic=d == "B") for d, m, x in names]
    return table3.build(
        "Run", [*records, make_record("oom", dataset="B", model="N", synthetic=True)], source="records sha256 0a"
    )


def test_headers_have_a_scope_and_names_span_their_rows(table: Table) -> None:
    page = Page(to_html(table))
    heads = page.all("th")
    columns = len(table.headers)
    assert [attrs["scope"] for attrs, _ in heads] == ["col"] * columns + ["row"] * (len(heads) - columns)
    assert [text for _, text in heads[:4]] == ["Dataset", "Model", "Method", "F1(macro)"]
    spans = [(text, int(attrs.get("rowspan") or 1)) for attrs, text in heads[columns:]]
    expected = [
        (text, count)
        for row, begins in zip(table.shown([]), table.runs(), strict=True)
        for (text, _), count in zip(row, (*begins, 1), strict=True)
        if count
    ]
    assert spans == expected
    assert ("N", 2) in spans
    assert len(page.all("td")) == len(table.frame) * len(table.columns)


def test_caption_and_footnotes(table: Table) -> None:
    text = to_html(table)
    page = Page(text)
    assert text.index("<caption>") < text.index("<thead>")
    assert page.all("caption")[0][1].strip() == table.caption
    ids = [attrs["id"] for _, attrs, _ in page.found if "id" in attrs]
    assert len(set(ids)) == len(ids)
    assert all(one and one.startswith("table3") for one in ids)
    told = {attrs["id"]: words for attrs, words in page.all("li") if "id" in attrs}
    assert len(told) == len(table.footnotes)
    referred = [one for attrs, _ in page.all("sup") for one in (attrs.get("aria-describedby") or "").split()]
    assert set(referred) == {one for one, note in zip(told, table.footnotes, strict=True) if note.mark}
    assert page.all("li")[-1][1] == "Source: records sha256 0a"


def test_a_mark_refers_to_what_it_means(table: Table) -> None:
    page = Page(to_html(table))
    told = {attrs["id"]: words.strip() for attrs, words in page.all("li") if "id" in attrs}
    meaning = {note.mark: note.text for note in table.footnotes}
    for attrs, marks in page.all("sup"):
        if "aria-describedby" in attrs:
            notes = [told[one] for one in str(attrs["aria-describedby"]).split()]
            assert notes == [meaning[mark] for mark in marks.split()]


def test_best_and_second(ranked: Table) -> None:
    page = Page(to_html(ranked))
    strong = [(attrs.get("title"), text) for attrs, text in page.all("strong") if attrs]
    assert strong == [("best: its interval lies above all others", "0.9050 ± 0.0071 (n=2)")]
    assert page.all("u") == [({"title": "second: its interval lies above all lower ones"}, "0.8050 ± 0.0071 (n=2)")]


def test_hostile_text_is_text(make_record: MakeRecord) -> None:
    text = "<script>alert(1)</script>\" onload='x' {{ 7*7 }} {% raw %} &amp; \x00"
    records = [
        make_record(dataset=text, model=text, method=text, method_name=f"m{at}", options={"a": f"{at}{text}"})
        for at in range(2)
    ]
    records.append(make_record("error", method="f", message=text, phase=text))
    for found in (
        table3.build(text, records, remarks=[text], source=text), table4.build(text, records, source=text),
    ):  # fmt: skip
        assert found is not None
        page = Page(to_html(found))
        assert page.tags <= {
            "section", "table", "caption", "strong", "thead", "tbody", "tr", "th", "td", "br", "sup", "ul", "li", "u",
        }  # fmt: skip
        used = {name for name, _ in page.attributes}
        assert used <= {"class", "id", "scope", "rowspan", "aria-describedby", "title"}
        assert page.all("th")[len(found.headers)][1].startswith(
            "<script>alert(1)</script>\" onload='x' {{ 7*7 }} {% raw"
        )


def test_a_table_of_several_grids(make_record: MakeRecord) -> None:
    """Those of a search and of the work of a training are left out of records that have neither."""
    records = many(make_record, 12).runs[0].records
    found = known(efficiency.build("Run", records))
    text = to_html(found)
    page = Page(text)
    headings = [heading for heading, place in efficiency.GRIDS if QUANTITIES.of(place, records)]
    assert {heading for heading, _ in efficiency.GRIDS} - set(headings) == {"Training", "Search of the options"}
    assert len(page.all("table")) == len(page.all("caption")) == len(headings)
    assert text.count("Measured with device") == 1
    assert [words for _, words in page.all("strong") if words.startswith("Run")] == [
        f"Run: efficiency: {heading}" for heading in headings
    ]
    assert "<style" not in text


def test_the_same_records_give_the_same_bytes(make_record: MakeRecord) -> None:
    records = many(make_record, 12).runs[0].records
    assert to_html(table3.build("Run", records)) == to_html(table3.build("Run", records))
