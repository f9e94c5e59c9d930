"""Charts and budgets in a browser: charts, captions and answers follow the controls."""

import re
from pathlib import Path

import pytest

from bench.report.results.measured import Evidence, Measured
from bench.report.results.step_curve import StepCurve
from tests.known import known
from tests.report.conftest import _record
from tests.report.page.conftest import Browser, data_in, page_of
from tests.report.predicted import results, study

pytestmark = pytest.mark.slow
RUN = {"study": study(), "command": "tunebench run s", "written_at": "", "cell_ids": []}
POINTS = "#chart-pareto .mark-symbol.role-mark path"


def drawn(browser: Browser, chart: str) -> None:
    """Scroll to a chart and wait until it is drawn."""
    browser.run(f"document.querySelector('#chart-{chart}').scrollIntoView({{behavior: 'instant'}})")
    browser.wait(f"return document.querySelector('#chart-{chart} .chart svg') !== null")


def choose(browser: Browser, chart: str, label: str, text: str) -> None:
    """Choose an option of a chart's control by its text, and wait for the chart."""
    script = """
    const fields = [...document.querySelectorAll(`${arguments[0]} label`)];
    const field = fields.find(one => one.innerText.startsWith(arguments[1]));
    const select = field.querySelector('select');
    select.value = [...select.options].find(one => one.text === arguments[2]).value;
    select.dispatchEvent(new Event('change'));
    """
    browser.run(script, f"#chart-{chart}", label, text)
    drawn(browser, chart)


def texts(browser: Browser, selector: str) -> list[str]:
    return [one.text for one in browser.all(selector)]


def test_a_point_says_what_it_is(shown: Browser) -> None:
    from selenium.webdriver import ActionChains

    drawn(shown, "pareto")
    ActionChains(shown.driver).move_to_element(shown.all(POINTS)[0]).perform()
    shown.wait("return document.querySelector('.tip') !== null")
    said = shown.one(".tip").text
    assert "IMDb" in said
    assert "Macro F1" in said
    assert "null" not in said


def test_any_two_quantities(shown: Browser) -> None:
    drawn(shown, "pareto")
    choose(shown, "pareto", "X axis", "Training time (s)")
    choose(shown, "pareto", "Y axis", "Inference throughput (samples/s)")
    titles = " ".join(texts(shown, "#chart-pareto svg text"))
    assert "Training time (s), less is better" in titles
    assert "Inference throughput (samples/s), more is better" in titles
    said = shown.one("#chart-pareto .chart").get_attribute("aria-label")
    assert said.startswith("Inference throughput (samples/s) against Training time (s). n = 22 rows")


def test_the_caption_counts_what_is_drawn(shown: Browser) -> None:
    drawn(shown, "pareto")
    choose(shown, "pareto", "X axis", "Peak memory in training (MB)")  # of zero-shot it is unknown
    assert shown.one("#chart-pareto figcaption").text.startswith("n = 20 rows")
    shown.wait(f"return document.querySelectorAll('{POINTS}').length === 20")
    choose(shown, "pareto", "Dataset", "TweetEval-Emotion")
    assert shown.one("#chart-pareto figcaption").text.startswith("n = 5 rows")


def test_the_data_of_a_chart_is_a_table(shown: Browser) -> None:
    drawn(shown, "pareto")
    shown.run("document.querySelector('#chart-pareto details').open = true")
    shown.wait("return document.querySelector('#chart-pareto details table') !== null")
    heads = texts(shown, "#chart-pareto details th[scope=col]")
    assert {"dataset", "Macro F1", "Trainable parameters (M)"} <= set(heads)
    assert len(shown.all("#chart-pareto details tbody tr")) == 22


def test_a_chart_is_saved(shown: Browser) -> None:
    drawn(shown, "cost")
    shown.run("HTMLAnchorElement.prototype.click = function () { window.saved = [this.download, this.href]; }")
    shown.run("document.querySelector('#chart-cost button').click()")
    name, address = shown.wait("return window.saved")
    assert name == "F1_against_its_cost.svg"
    assert address.startswith("data:image/svg+xml;charset=utf-8,%3Csvg")


def test_the_memory_breakdown_of_a_phase(shown: Browser) -> None:
    drawn(shown, "memory")
    choose(shown, "memory", "Phase", "inference")
    shown.run("document.querySelector('#chart-memory details').open = true")
    shown.wait("return document.querySelector('#chart-memory details table') !== null")
    assert set(texts(shown, "#chart-memory details tbody th")) == {"inference"}


def test_curves_of_chosen_methods_and_seeds(shown: Browser) -> None:
    drawn(shown, "curves")
    assert shown.one("#chart-curves figcaption").text.startswith("n = 11;")
    for box in shown.all("#chart-curves fieldset:first-child input")[1:]:
        box.click()
    for box in shown.all("#chart-curves fieldset:nth-child(2) input")[1:]:
        box.click()
    assert shown.one("#chart-curves figcaption").text.startswith("n = 3;")
    shown.all("#chart-curves fieldset:first-child input")[0].click()
    assert shown.one("#chart-curves .place").text == "No curve is recorded."


def test_repeats_are_lines_of_their_own(shown: Browser, tmp_path: Path) -> None:
    curve = StepCurve(name="train", last_step=(1, 2, 3), elapsed_seconds=(1, 2, 3), tokens_per_second=(8, 9, 8))
    cells = [Measured(_record(repeat=repeat), Evidence("none", (curve,))) for repeat in (0, 1)]
    path = tmp_path / "report.html"
    path.write_text(page_of(results(RUN, *cells)), encoding="utf-8")
    shown.open(path)
    drawn(shown, "curves")
    assert shown.one("#chart-curves figcaption").text.startswith("n = 2;")
    assert len(shown.all("#chart-curves .mark-line path")) == 2


def test_a_part_of_a_peak_below_nothing_has_no_bar(shown: Browser, tmp_path: Path) -> None:
    memory = {
        "of": "train", "weights_bytes": 12_500_000, "gradients_bytes": 0, "optimizer_state_bytes": 0,
        "activations_bytes": 0, "workspace_bytes": 0, "allocator_slack_bytes": None, "cuda_context_bytes": None,
        "process_bytes": 0, "unattributed_bytes": -2_500_000, "peak_bytes": 10_000_000,
    }  # fmt: skip
    path = tmp_path / "report.html"
    page = page_of(results(RUN, _record(fields={"memory": [memory]})))
    path.write_text(page, encoding="utf-8")
    shown.open(path, f"#cell={data_in(page, 'cells')['cells'][0]['key']}")
    rows = [row.text.split() for row in shown.all("#view [aria-label^='Memory breakdown'] tbody tr")]
    assert ["unattributed", "-2.5", "MB"] in rows
    bars = shown.run("return [...document.querySelectorAll('#view td.bars .bar')].map((bar) => bar.style.width)")
    assert (bars[0], bars[-1]) == ("100%", "0%")


def test_an_insight_is_drawn_when_it_is_opened(shown: Browser) -> None:
    details = shown.one("details[data-chart]")
    assert shown.all("details[data-chart] svg") == []
    shown.run("arguments[0].scrollIntoView({behavior: 'instant'})", details)
    details.find_element("css selector", "summary").click()
    shown.wait("return document.querySelector('details[data-chart] svg') !== null")
    assert "Share of the tokens" in details.find_element("css selector", "figcaption").text


def test_limits_are_answered_together(shown: Browser) -> None:
    memory, minutes, _ = shown.all("#limits input")
    whole = shown.one("#answers p").text
    assert whole.startswith("Without a limit, the best mean macro F1 is 0.")
    memory.send_keys("2.2")
    minutes.send_keys("1.2")
    said = shown.one("#answers p").text
    assert said.startswith("Within 2.2 GB and 1.2 min, the best mean macro F1 is 0.")
    heads = texts(shown, "#answers .box:nth-of-type(1) th[scope=col]")
    place = heads.index("Peak memory of training (GB)")
    costs = [
        row.find_elements("css selector", "th, td")[place].text
        for row in shown.all("#answers .box")[0].find_elements("css selector", "tbody tr")
    ]
    assert costs
    assert all(float(cost) <= 2.2 for cost in costs)
    found = known(re.search(r"\. Other rows: (\d+) \((.*)\)\.", said))
    more, counted = found.groups()
    assert sum(int(count) for count in re.findall(r"(\d+) [a-z]", counted)) == int(more)
    assert f"{len(costs) - 1} no significant difference" in counted
    assert shown.run("return document.querySelector('#said').textContent") == " ".join(texts(shown, "#answers p"))
    memory.clear()
    memory.send_keys("0.001")
    assert shown.one("#answers p").text.endswith(": none of 22 rows with a known F1.")


def test_the_answer_is_the_best_row(shown: Browser, page_file: Path) -> None:
    group = data_in(page_file.read_text(encoding="utf-8"), "budgets")["groups"][0]
    shown.all("#limits input")[0].send_keys("2.5")
    best = max(row["f1"] for row in group["rows"] if row["costs"][0] is not None and row["costs"][0] <= 2.5)
    assert f"is {best:.4f}:" in shown.one("#answers p").text


def test_time_to_most_of_another_reference(shown: Browser) -> None:
    before = texts(shown, "#reached .box:nth-of-type(1) td:nth-child(2)")
    select = shown.one("#reached select")
    assert select.get_attribute("value") == "0"
    select.find_element("css selector", "option:last-child").click()
    after = texts(shown, "#reached .box:nth-of-type(1) td:nth-child(2)")
    assert len(before) == len(after) > 1
    assert before != after


def test_a_cell_shows_all_that_is_known(shown: Browser, page_file: Path) -> None:
    page = page_file.read_text(encoding="utf-8")
    cell = next(one for one in data_in(page, "cells")["cells"] if one["title"][2] == "LoRA r8")
    shown.open(page_file, f"#cell={cell['key']}")
    heads = texts(shown, "#view h3")
    for wanted in ("Summary", "Quality", "Settings", "Environment", "Phases", "Memory breakdown", "Validity", "Curves",
                   "End of the log", "Measure it again", "Record"):  # fmt: skip
        assert wanted in heads
    text = shown.one("#view").text
    assert f"bash runs/many/cells/{cell['record']['cell_id']}/replay.sh" in text
    assert f"python -m bench.run.worker runs/many/cells/{cell['record']['cell_id']}/cell.json" in text
    assert "method.options.rank" in text
    assert "a line of what the worker said" in text
    assert cell["record"]["training"]["validation"], "drawn as a curve, and no fact in words"
    assert "validation" not in texts(shown, "#view dt")
    record = shown.run("return JSON.parse(document.querySelector('#view section:last-child pre').textContent)")
    assert record["cell"]["train"]["batch_size"] == 16
    assert record["machine"]["gpu"] == "NVIDIA H200"


def test_a_failed_cell_says_why(shown: Browser, page_file: Path) -> None:
    cells = data_in(page_file.read_text(encoding="utf-8"), "cells")["cells"]
    failed = next(one for one in cells if one["record"]["status"] == "oom")
    shown.open(page_file, f"#cell={failed['key']}")
    assert texts(shown, "#view h3")[0] == "Failure"
    assert "CUDA out of memory. Tried to allocate 2.00 GiB." in shown.one("#view").text
    assert "torch.OutOfMemoryError" in shown.one("#view").text
