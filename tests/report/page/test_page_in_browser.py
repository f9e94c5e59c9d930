"""The page in a browser: no warnings, no requests, no injection, contrast, phone width and accessibility."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from bench.report.results.load import load
from bench.report.results.run import Results
from tests.report.conftest import _record
from tests.report.page.conftest import Browser, data_in, page_of
from tests.report.page.hostile import hostile
from tests.report.predicted import results, study

pytestmark = pytest.mark.slow
REPORTS = Path(__file__).parents[3] / "reports"
#: Opens all closed parts of the page and scrolls through it, so that all charts are drawn.
OPEN_ALL = "for (const one of document.querySelectorAll('details')) one.open = true;"
DRAWN = """
const waiting = [...document.querySelectorAll('details[data-chart]')].find(one => !one.querySelector('.chart'))
  ?? [...document.querySelectorAll('.chart')].find(one => one.getClientRects().length && !one.textContent);
waiting?.scrollIntoView({behavior: 'instant'});
return !waiting;
"""
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
#: Lowest contrast of a text with its background (WCAG 2.2, relative luminance), and that text.
CONTRAST = """
const channel = (value) => (value /= 255, value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const numbers = (colour) => colour.match(/[0-9.]+/g).map(Number);
const behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const colour = numbers(getComputedStyle(one).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
};
let lowest = [99, ''];
for (const element of document.querySelectorAll('body *')) {
  const text = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data.trim()).join('');
  if (!text || element.closest('script, style, .unseen, option') || !element.getClientRects().length) continue;
  const style = getComputedStyle(element);
  const front = numbers(element instanceof SVGElement ? style.fill : style.color);
  const pair = [front, behind(element)].map(luminance);
  const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  if (ratio < lowest[0] && !element.closest('.mark-text')) lowest = [ratio, text];
}
return lowest;
"""


def draw_all(browser: Browser) -> None:
    """Open all closed parts and wait until every chart is drawn."""
    browser.run(OPEN_ALL)
    browser.wait(DRAWN, 30)


def some_cell(page_file: Path) -> str:
    cells = data_in(page_file.read_text(encoding="utf-8"), "cells")["cells"]
    return str(next(cell["key"] for cell in cells if cell["title"][2] == "MoE 4"))


def test_the_console_is_quiet_and_no_request_leaves_the_page(shown: Browser, page_file: Path) -> None:
    draw_all(shown)
    shown.open(page_file, f"#cell={some_cell(page_file)}")
    draw_all(shown)
    assert shown.complaints() == []
    schemes = {address.partition(":")[0] for address in shown.requests()}
    assert schemes <= {"file", "data", "about"}
    assert "file" in schemes


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_are_legible(shown: Browser, page_file: Path, theme: str) -> None:
    shown.prefer(theme)
    draw_all(shown)
    ratio, text = shown.run(CONTRAST)
    assert ratio >= 4.5, text
    shown.open(page_file, f"#cell={some_cell(page_file)}")
    draw_all(shown)
    ratio, text = shown.run(CONTRAST)
    assert ratio >= 4.5, text


def test_the_theme_is_chosen_drawn_and_remembered(shown: Browser, page_file: Path) -> None:
    background = "return getComputedStyle(document.body).backgroundColor"
    drawn = "return getComputedStyle(document.querySelector('.chart svg')).backgroundColor"
    white = "rgb(255, 255, 255)"
    try:
        draw_all(shown)
        assert shown.run(background) == shown.run(drawn) == white
        shown.one("#theme").click()
        assert shown.one("#theme").text == "Light theme"
        dark = shown.run(background)
        assert dark != white
        shown.wait(f"{drawn} === '{dark}'")
        shown.open(page_file)
        assert shown.run(background) == dark
        shown.one("#theme").click()
        assert shown.run(background) == white
    finally:
        shown.run("localStorage.clear()")


@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_page_does_not_scroll_sideways(shown: Browser, page_file: Path, width: int) -> None:
    shown.wide(width)
    shown.open(page_file)
    draw_all(shown)
    assert shown.run(WIDER) == 0
    shown.open(page_file, f"#cell={some_cell(page_file)}")
    draw_all(shown)
    assert shown.run(WIDER) == 0


def demo() -> Results:
    """Rows like the demo's: tagged names, generated answers, and training energy of methods without training."""
    tiny: dict[str, Any] = {
        "model": "Llama-3-8B-Instruct", "kind": "causal", "weights": "random", "scale": "tiny", "generated_f1": 0.5,
    }  # fmt: skip
    no_training = {"training": None, "parameters": {"trainable_params": 0, "total_params": 9, "logical_params": 9}}
    records = [
        _record(dataset="Synthetic polarity", model="MiniLM-L6", method="P-Tuning", synthetic=True),
        _record(dataset="Synthetic polarity", model="MiniLM-L6", method="P-Tuning", synthetic=True, seed=1),
        _record(dataset="Synthetic emotion", method="Zero-shot", synthetic=True, fields=no_training, **tiny),
    ]
    return results({"study": study(), "command": "", "written_at": "", "cell_ids": []}, *records)


@pytest.mark.parametrize("drawn", ["minilm_real", "demo"])
def test_the_overview_is_not_cut_off_on_a_desk(browser: Browser, tmp_path: Path, drawn: str) -> None:
    found = demo() if drawn == "demo" else load([REPORTS / drawn], pytest.fail)
    (tmp_path / "report.html").write_text(page_of(found), encoding="utf-8")
    browser.wide(1400)
    browser.open(tmp_path / "report.html")
    table, box = browser.run(
        "const rows = document.getElementById('rows'); return [rows.scrollWidth, rows.parentElement.clientWidth]"
    )
    assert table <= box


def test_boxes_that_scroll_can_be_reached_by_keyboard(shown: Browser) -> None:
    shown.wide(360)
    boxes = "return [...document.querySelectorAll('#report *')].filter(one => one.scrollWidth > one.clientWidth + 1 && "
    boxes += "['auto', 'scroll'].includes(getComputedStyle(one).overflowX))"
    found = shown.run(boxes)
    assert found
    assert {box.get_attribute("tabindex") for box in found} == {"0"}


def test_headings_come_in_order(shown: Browser, page_file: Path) -> None:
    for address in ("", f"#cell={some_cell(page_file)}"):
        shown.open(page_file, address)
        visible = "return [...document.querySelectorAll('h1,h2,h3,h4')].filter(one => one.getClientRects().length)"
        levels = shown.run(f"{visible}.map(one => Number(one.tagName[1]))")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_axe_finds_nothing_serious(shown: Browser, page_file: Path) -> None:
    base = pytest.importorskip("axe_core_python.base", reason="axe-core-python is not installed")
    for address in ("", f"#cell={some_cell(page_file)}", "#row=none"):
        shown.open(page_file, address)
        shown.run(base.AXE_SCRIPT)
        script = "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(done)"
        found = shown.driver.execute_async_script(script)["violations"]
        assert [
            f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")
        ] == []


def test_hostile_results_run_nothing(shown: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    page = page_of(hostile(_record))
    path.write_text(page, encoding="utf-8")
    shown.open(path)
    draw_all(shown)
    for key in [cell["key"] for cell in data_in(page, "cells")["cells"]]:
        shown.run("location.hash = `cell=${arguments[0]}`", key)
        shown.wait("return document.querySelector('#view h2') !== null")
        draw_all(shown)
        assert shown.run("return window.harmed") is None
        assert shown.run(WIDER) == 0
    assert shown.complaints() == []
    assert shown.all("img, iframe, #view script") == []


def test_without_a_script_the_tables_are_there(shown: Browser, page_file: Path) -> None:
    shown.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        shown.driver.get("about:blank")
        shown.driver.get(page_file.as_uri())
        text = shown.one("main").text
        visible = [
            one.get_attribute("id") for one in shown.all("#charts, #budgets, #theme, #filters") if one.is_displayed()
        ]
    finally:
        shown.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert visible == []
    for wanted in ("Overview", "BitFit", "Table 3: quality and resources", "0.8"):
        assert wanted in text


def test_print_has_the_tables_and_no_controls(shown: Browser) -> None:
    shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert shown.one("#table3").is_displayed()
        assert [
            one
            for one in shown.all("button, select, input, nav")
            if one.is_displayed() and not one.find_elements("xpath", "ancestor::thead")
        ] == []
        assert shown.run("return getComputedStyle(document.querySelector('#rows')).display") == "table"
        assert shown.run("return getComputedStyle(document.querySelector('#rows td a')).textDecorationLine") == "none"
    finally:
        shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_print_has_the_cell_that_is_open(shown: Browser, page_file: Path) -> None:
    shown.open(page_file, f"#cell={some_cell(page_file)}")
    shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert shown.one("#view h2").is_displayed()
        assert not shown.one("#report").is_displayed()
    finally:
        shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_tables_are_copied(shown: Browser, page_file: Path) -> None:
    origin = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    shown.driver.execute_cdp_cmd("Browser.grantPermissions", origin)
    button = next(one for one in shown.all("[data-copy=table2]") if one.text == "Copy LaTeX")
    shown.run("arguments[0].click()", button)
    shown.wait("return document.getElementById('said').textContent === 'LaTeX copied'")
    text = shown.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert text == data_in(page_file.read_text(encoding="utf-8"), "copies")["table2"]["tex"]


def test_tables_are_copied_where_there_is_no_clipboard(shown: Browser) -> None:
    shown.run("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    shown.run("document.addEventListener('copy', () => { window.copied = document.activeElement.value; })")
    button = shown.all("[data-copy=table2]")[0]
    button.click()
    shown.wait("return document.getElementById('said').textContent === 'Markdown copied'")
    assert re.match("# Many cells", shown.run("return window.copied"))
    assert shown.run("return document.activeElement === arguments[0]", button)


def odd(name: str) -> Results:
    """Results without parts that most results have."""
    cells = {
        "failed cells only": [_record("oom"), _record("error", seed=1)],
        "one cell": [_record()],
        "random weights": [_record(weights="random", scale="tiny"), _record(weights="random", scale="tiny", seed=1)],
        "a causal model": [_record(kind="causal", bits=4, generated_f1=0.4), _record(dataset="SST-5")],
        "no machine, no phases": [_record(fields={"machine": None, "checks": [], "quality": None, "flops": None})],
    }
    run = {"study": study(), "command": "tunebench run s", "written_at": "", "cell_ids": []}
    return results(run, *cells[name])


@pytest.mark.parametrize(
    "name", ["failed cells only", "one cell", "random weights", "a causal model", "no machine, no phases"]
)
def test_odd_results_are_shown(shown: Browser, tmp_path: Path, name: str) -> None:
    page = page_of(odd(name))
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    shown.open(path)
    draw_all(shown)
    for cell in data_in(page, "cells")["cells"]:
        shown.run("location.hash = `cell=${arguments[0]}`", cell["key"])
        shown.wait("return document.querySelector('#view h2') !== null")
        assert shown.one("#view h2").text.startswith(cell["title"][0])
    assert shown.complaints() == []
