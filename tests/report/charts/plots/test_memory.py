"""Stacked bars of peak memory by component."""

import pandas as pd
import pytest

from bench.report.charts import figure
from bench.report.charts.plots import memory
from tests.known import known
from tests.report.charts.plots import frames
from tests.report.drawn import HOSTILE, colours, compiled, marks, texts


def test_a_bar_a_row_in_a_panel_a_peak(capfd: pytest.CaptureFixture[str]) -> None:
    spec = known(memory.spec(frames.memory(frames.study())))
    compiled(spec, capfd)
    svg = figure.svg(spec)
    assert [len(group) for group in marks(svg, "rect")] == [72 * 4] * 3
    found = texts(svg)
    assert {"load", "train", "inference", "Memory (MB)", "weights"} <= set(found)
    assert (found.count("IMDb / RoBERTa-base / Full FT"), colours(spec)) == (1, [])


def test_parts_are_stacked_in_their_order() -> None:
    spec = known(memory.spec(frames.memory(frames.study(["d"], ["m"], ["LoRA"]))))
    widths = [[float(bar.get("d", "h0").split("h")[1].split("v")[0]) for bar in group]
              for group in marks(figure.svg(spec), "rect")]  # fmt: skip
    assert all(group[0] > group[1] > group[2] for group in widths)
    assert {value["row"] for value in spec["data"]["values"]} == {"LoRA"}


def test_what_is_left_out() -> None:
    many = frames.memory(frames.study([f"d{i}" for i in range(5)]))
    spec = known(memory.spec(many))
    assert "Drawn are the first 100 of 120 rows of the table." in spec["usermeta"]["caption"]
    assert "n = 100 rows." in spec["usermeta"]["caption"]
    once = known(memory.spec(pd.concat([many.head(12), many.head(12)])))
    assert len(once["data"]["values"]) == 12


def test_nothing_known() -> None:
    frame = frames.memory(frames.study(["d"], ["m"], ["LoRA"]))
    frame["mb"] = None
    assert memory.spec(frame) is None
    assert memory.spec(frame.head(0)) is None


@pytest.mark.parametrize("texts", [HOSTILE[:24], HOSTILE[24:], ["😀" * 7, "other"]], ids=["first", "rest", "emoji"])
def test_hostile_names(texts: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    names = ("dataset", "model", "method", "of", "part")
    compiled(known(memory.spec(pd.DataFrame([dict.fromkeys(names, text) | {"mb": 1.0} for text in texts]))), capfd)
