"""The overview in a browser: sorting, filters, and links to cells by mouse, keyboard and address."""

from pathlib import Path
from typing import Any

import pytest

from tests.report.page.conftest import Browser, data_in

pytestmark = pytest.mark.slow
COLUMN = """
const head = [...document.querySelectorAll('#rows thead th')].findIndex(th => th.innerText.startsWith(arguments[0]));
const rows = [...document.querySelectorAll('#rows tbody tr')].filter(row => !row.hidden);
return rows.map(row => row.cells[head].dataset.value ?? row.cells[head].innerText.trim());
"""
PEAK = "Peak memory\ntrain"


def column(browser: Browser, name: str) -> list[str]:
    """Texts of a column in the visible rows."""
    found: list[str] = browser.run(COLUMN, name)
    return found


def head(browser: Browser, name: str) -> Any:
    """The head of a column."""
    return next(one for one in browser.all("#rows thead th") if one.text.startswith(name))


def sort(browser: Browser, name: str) -> str:
    """Click on a column head and return the sort order."""
    found = head(browser, name)
    browser.run("arguments[0].querySelector('button').click()", found)
    return str(found.get_attribute("aria-sort"))


def test_numbers_are_sorted_as_numbers_and_unknown_ones_last(shown: Browser) -> None:
    assert sort(shown, PEAK) == "ascending"
    found = column(shown, PEAK)
    known = [float(text) for text in found if text != "–"]
    assert known == sorted(known)
    assert len(known) < len(found)
    assert set(found[len(known) :]) == {"–"}
    assert sort(shown, PEAK) == "descending"
    found = column(shown, PEAK)
    assert [float(text) for text in found[: len(known)]] == sorted(known, reverse=True)
    assert set(found[len(known) :]) == {"–"}


def test_one_column_is_sorted_at_a_time(shown: Browser) -> None:
    sort(shown, "F1")
    assert sort(shown, "Method") == "ascending"
    assert head(shown, "F1").get_attribute("aria-sort") == "none"
    found = list(dict.fromkeys(column(shown, "Method")))
    assert found[:5] == ["BitFit", "Full FT", "Head alone", "LoRA r4", "LoRA r8"]
    assert shown.one("#said").get_attribute("textContent") == "Sorted by Method, ascending"


def test_text_and_selects_filter_together_and_the_count_says_so(shown: Browser) -> None:
    shown.one("#filters input").send_keys("lora R16")
    assert column(shown, "Method") == ["LoRA r16"] * 3
    shown.one("select[name=model] option:nth-child(3)").click()
    assert column(shown, "Model") == ["Qwen2.5-7B"]
    assert shown.one("#count").text == "1 of 27 rows"
    shown.one("#filters button").click()
    shown.wait("return document.getElementById('count').textContent === '27 of 27 rows'")


def test_filters_that_no_row_fits(shown: Browser) -> None:
    shown.one("#filters input").send_keys("<img>")
    assert column(shown, "Method") == []
    assert shown.one("#no-rows").is_displayed()


def test_a_number_leads_to_its_cells_and_back_returns_to_it(shown: Browser) -> None:
    number = shown.all("#rows tbody tr:nth-child(3) td.number a")[0]
    number.click()
    assert shown.one("#view h2").text == "IMDb / RoBERTa-base / LoRA r4"
    cells = shown.all("#view tbody a")
    assert [cell.text for cell in cells] == ["seed 0", "seed 1", "seed 2"]
    cells[1].click()
    assert shown.one("#view h2").text == "IMDb / RoBERTa-base / LoRA r4 / seed 1"
    assert shown.run("return document.activeElement.tagName") == "H2"
    assert shown.driver.title.startswith("IMDb / RoBERTa-base / LoRA r4 / seed 1")
    shown.driver.back()
    shown.driver.back()
    shown.wait("return !document.getElementById('report').hidden")
    assert shown.run("return document.activeElement === arguments[0]", number)
    assert shown.driver.title == "Many cells"


def test_a_cell_has_an_address_and_leads_back_to_its_row(shown: Browser, page_file: Path) -> None:
    cell = data_in(page_file.read_text(encoding="utf-8"), "cells")["cells"][7]
    shown.open(page_file, f"#cell={cell['key']}")
    assert cell["key"] in shown.one("#view .facts").text
    assert not shown.one("#report").is_displayed()
    shown.one("#view a").click()
    shown.wait("return !document.getElementById('report').hidden")
    assert shown.run("return document.activeElement.closest('tr').cells[0].innerText") == cell["title"][2]


def test_the_contents_lead_out_of_a_cell(shown: Browser, page_file: Path) -> None:
    shown.open(page_file, f"#cell={data_in(page_file.read_text(encoding='utf-8'), 'cells')['cells'][0]['key']}")
    shown.one("nav a[href='#table2']").click()
    shown.wait("return !document.getElementById('report').hidden")
    assert abs(shown.run("return document.getElementById('table2').getBoundingClientRect().top")) < 100


@pytest.mark.parametrize(
    "address", ["#cell=none", "#row=%E0%A4%A", "#cell=__proto__", "#cell=<img src=x onerror=alert(1)>"]
)
def test_an_address_of_nothing_says_so(shown: Browser, page_file: Path, address: str) -> None:
    shown.open(page_file, address)
    assert shown.one("#view h2").text.startswith("No such")
    assert shown.complaints() == []


@pytest.mark.parametrize("address", ["#constructor=1", "#tables", "#=", "#a=b=c"])
def test_other_addresses_leave_the_report_as_it_is(shown: Browser, page_file: Path, address: str) -> None:
    shown.open(page_file, address)
    assert shown.one("#report").is_displayed()
    assert shown.complaints() == []


def test_the_keyboard_alone_sorts_filters_and_opens_a_cell(shown: Browser) -> None:
    from selenium.webdriver import ActionChains, Keys

    def press(*keys: str) -> None:
        ActionChains(shown.driver).send_keys(*keys).perform()

    def reach(what: str, most: int = 60) -> None:
        for _ in range(most):
            if shown.run(f"return document.activeElement.{what}"):
                return
            press(Keys.TAB)
        pytest.fail(f"Tab never comes to {what}")

    press(Keys.TAB)
    assert shown.run("return document.activeElement.className") == "skip"
    press(Keys.ENTER)
    reach("matches('#filters input')", 3)
    press("bitfit")
    reach("closest('th')?.innerText.startsWith('F1')")
    press(Keys.ENTER)
    assert head(shown, "F1").get_attribute("aria-sort") == "ascending"
    reach("matches('#rows tbody th a')")
    press(Keys.ENTER)
    shown.wait("return document.querySelector('#view h2')?.textContent.includes('BitFit')")
    reach("matches('#view tbody a')", 4)
    press(Keys.ENTER)
    shown.wait("return document.querySelector('#view h2').textContent.includes('seed')")
    ActionChains(shown.driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    press(Keys.ENTER)
    shown.wait("return document.activeElement.matches('#rows tbody th a')")
