"""Pages for tests, each built once, and a real headless Chromium."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bench.report.analysis.f1_significance import F1Significance
from bench.report.analysis.stacked import reader
from bench.report.charts import figure
from bench.report.charts.rows import rows
from bench.report.page.document import build
from bench.report.results.run import Results
from bench.report.tables import efficiency, table1, table2, table3, table4
from bench.report.tables.table import Table
from tests.report.conftest import _record
from tests.report.many import many

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--force-color-profile=srgb",
    "--window-size=1280,900",
)  # fmt: skip


def significances_of(results: Results) -> list[F1Significance]:
    """F1 significance of each run."""
    return [F1Significance(run.records, reader(run.cells)) for run in results.runs]


def tables_of(results: Results) -> dict[str, Table]:
    """The tables of the first run."""
    run, significance = results.runs[0], significances_of(results)[0]
    found = [
        table1.build(run.title, run.records), table2.build(run.title, run.records, significance),
        table3.build(run.title, run.records, significance=significance, source=results.source),
        table4.build(run.title, run.records, significance), efficiency.build(run.title, run.records),
    ]  # fmt: skip
    return {table.name: table for table in found if table is not None}


@cache
def script() -> str:
    """The script that draws the charts of a page."""
    return figure.script()


def page_of(results: Results) -> str:
    """The page of results."""
    significances = significances_of(results)
    return build(results, tables_of(results), significances, rows(results, significances), script())


def data_in(page: str, name: str) -> Any:
    """The data that a page embeds under a name."""
    begin = page.index(f'id="data-{name}">') + len(f'id="data-{name}">')
    return json.loads(page[begin : page.index("</script>", begin)])


@pytest.fixture(scope="session")
def some_results() -> Results:
    """A run of 80 cells on two datasets, one of them with two models."""
    return many(_record, 80)


@pytest.fixture(scope="session")
def page_file(some_results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of ``some_results`` on disk."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page_of(some_results), encoding="utf-8")
    return path


class Browser:
    """A headless Chromium that shows one page from disk."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, address: str = "") -> None:
        """Load a page, at an address within it."""
        self.driver.get("about:blank")  # or another address alone would not load it anew
        self.driver.get(f"{path.as_uri()}{address}")

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page and return its value."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[Any]:
        """The elements that a selector finds."""
        found: list[Any] = self.driver.find_elements("css selector", selector)
        return found

    def one(self, selector: str) -> Any:
        """The first element that a selector finds."""
        return self.driver.find_element("css selector", selector)

    def wait(self, script: str, seconds: float = 10) -> Any:
        """Run a script until its value is true, and return it."""
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.driver, seconds, 0.05).until(lambda driver: driver.execute_script(script), script)

    def prefer(self, scheme: str) -> None:
        """Prefer the light or dark theme, and reduced motion."""
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        named = [{"name": name, "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": named})

    def wide(self, width: int, height: int = 900) -> None:
        """Set the width of a phone or of a desktop screen."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def complaints(self) -> list[str]:
        """Warnings and errors of the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]

    def requests(self) -> list[str]:
        """Addresses requested since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [_address(one["params"]) for one in messages if one["method"] == "Network.requestWillBeSent"]


def _address(params: Mapping[str, Any]) -> str:
    return str(params["request"]["url"])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium; tests skip without one."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not (CHROMIUM.exists() and DRIVER.exists()):
        pytest.skip(f"needs {CHROMIUM} and {DRIVER}: Debian's packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield Browser(driver)
    driver.quit()


@pytest.fixture
def shown(browser: Browser, page_file: Path) -> Browser:
    """The browser with the page of ``some_results``, in desktop width and the light theme."""
    browser.wide(1280)
    browser.prefer("light")
    browser.complaints()
    browser.requests()
    browser.open(page_file)
    return browser
