"""Curves of training, by step and by time."""

from typing import Any

import pandas as pd
import pytest

from bench.report.charts import figure
from bench.report.charts.plots import curves
from tests.known import known
from tests.report.charts.plots import frames
from tests.report.drawn import HOSTILE, colours, compiled, marks, texts


def spec_of(frame: pd.DataFrame, *settings: Any, **more: Any) -> dict[str, Any] | None:
    return curves.spec(frame.to_dict("records"), *settings, **more)


def test_a_line_a_cell_for_each_measure(capfd: pytest.CaptureFixture[str]) -> None:
    spec = known(spec_of(frames.curves(frames.study(models=["RoBERTa-base"]), seeds=2)))
    compiled(spec, capfd)
    svg = figure.svg(spec)
    assert len(marks(svg, "line")) == 3 * 3 * 6 * 2
    assert {"Training loss (nats)", "Validation macro F1", "Training (tokens/s)", "Step"} <= set(texts(svg))
    assert "n = 36 cells" in spec["usermeta"]["caption"]
    assert colours(spec) == []


def test_over_time() -> None:
    spec = known(spec_of(frames.curves(frames.study(["d"], ["m"], ["LoRA"])), "elapsed_seconds"))
    assert "Time since the first step (s)" in texts(figure.svg(spec))
    assert max(value["x"] for value in spec["data"]["values"]) == 50


def test_a_measure_that_nothing_knows_is_left_out() -> None:
    frame = frames.curves(frames.study(["d"], ["m"], ["LoRA"]))
    assert len(known(spec_of(frame[frame["pass_name"] == "train"]))["concat"]) == 2
    assert spec_of(frame, measures=["inference_speed"]) is None
    assert spec_of(frame.head(0)) is None


def test_200_cells_stay_small_and_keep_their_dips() -> None:
    frame = frames.curves(frames.study(), seeds=3, points=120)
    dip = (frame["step"] > 600) & (frame["step"] <= 800) & (frame["pass_name"] == "train")
    frame.loc[dip, "tokens_per_second"] = 50.0
    spec = known(spec_of(frame))
    assert len(spec["data"]["values"]) <= curves.POINTS + 72 * 3 * 3
    assert "Points are means over neighbours." in spec["usermeta"]["caption"]
    speeds = [value["y"] for value in spec["data"]["values"] if value["measure"] == "train_speed"]
    assert min(speeds) < 75 < 100 <= max(speeds)


def test_coarser() -> None:
    line = [(float(i), float(i % 2)) for i in range(1, 11)]
    assert curves.coarser(line, 10) == line
    assert curves.coarser(line, 4) == [(3, 2 / 3), (6, 1 / 3), (9, 2 / 3), (10, 0)]


def test_one_point_is_seen() -> None:
    spec = known(spec_of(frames.curves(frames.study(["d"], ["m"], ["LoRA"]), points=1)))
    assert len(marks(figure.svg(spec), "symbol")) == 3


def test_repeats_are_lines_of_their_own() -> None:
    frame = frames.curves(frames.study(["d"], ["m"], ["LoRA"]))
    spec = known(spec_of(pd.concat([frame, frame.assign(repeat=1)]), measures=["loss"]))
    assert {value["seed"] for value in spec["data"]["values"]} == {"0", "0, repeat 1"}
    assert len(marks(figure.svg(spec), "line")) == 2


@pytest.mark.parametrize("texts", [HOSTILE[:24], HOSTILE[24:]], ids=["first", "rest"])
def test_hostile_names(texts: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    compiled(known(spec_of(frames.curves(frames.study(texts[:12], texts[:2], texts), points=1))), capfd)
