"""The pictures of one report: which there are, and that another process draws what this one would."""

import multiprocessing
from typing import Any

import pytest

from bench.report.charts import insight_chart, picture, pictures
from bench.report.charts.pictures import FEW, Pictures
from tests.report.drawn import bars

SPEC: dict[str, Any] = insight_chart.spec(bars())


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        ((), []),
        (("png",), ["f/a.png", "f/b.c.png"]),
        (("svg",), ["f/a.svg", "f/b.c.svg"]),
        (("png", "svg"), ["f/a.svg", "f/a.png", "f/b.c.svg", "f/b.c.png"]),
    ],
)
def test_names(kinds: tuple[str, ...], names: list[str]) -> None:
    with Pictures(kinds) as drawn:
        drawn.add(SPEC, "f/a")
        drawn.add(SPEC, "f/b.c")
        assert list(drawn.files()) == names


def test_all_are_alike_whichever_process_draws_them() -> None:
    with Pictures(("svg", "png")) as drawn:
        for number in range(FEW + 2):
            drawn.add(SPEC, f"f/{number}")
        assert len(multiprocessing.active_children()) == 1
        found = drawn.files()
    assert list(found) == [f"f/{number}.{kind}" for number in range(FEW + 2) for kind in ("svg", "png")]
    assert list(found.values()) == [picture.svg(SPEC).encode(), picture.png(SPEC)] * (FEW + 2)
    assert not multiprocessing.active_children()


def test_a_few_start_no_process() -> None:
    with Pictures(("png",)) as drawn:
        for number in range(FEW):
            drawn.add(SPEC, f"f/{number}")
        drawn.files()
        assert not multiprocessing.active_children()


@pytest.mark.parametrize("few", [0, FEW])
def test_an_error_of_either_process_leaves_none_running(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(pictures, "FEW", few)

    def draw() -> None:
        with Pictures(("png",)) as drawn:
            drawn.add({}, "f/a")
            drawn.files()

    with pytest.raises(KeyError, match="usermeta"):
        draw()
    assert not multiprocessing.active_children()
