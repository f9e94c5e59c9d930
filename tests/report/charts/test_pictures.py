"""The pictures of one report: which there are, and that it does not matter which process draws them."""

import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest

from bench.report.charts import drawer, insight_chart, picture, pictures
from bench.report.charts.drawer import SCRIPT, Drawer
from bench.report.charts.pictures import FEW, PROCESSES, Pictures
from tests.report.drawn import bars
from tests.support import ROOT, wait_for

SPEC: dict[str, Any] = insight_chart.spec(bars())


@pytest.fixture(scope="module")
def one() -> list[bytes]:
    return [picture.svg(SPEC).encode(), picture.pixels(picture.svg(SPEC))]


def drawers() -> list[psutil.Process]:
    """The processes that draw for this one."""
    return [each for each in psutil.Process().children() if drawer.__name__ in each.cmdline()]


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


def test_all_are_alike_whichever_process_draws_them(one: list[bytes]) -> None:
    with Pictures(("svg", "png")) as drawn:
        for number in range(FEW + 2):
            drawn.add(SPEC, f"f/{number}")
        assert len(drawers()) == PROCESSES
        found = drawn.files()
        assert all(job.made.result() for job in drawn._jobs.values()), "others drew them"
    assert list(found) == [f"f/{number}.{kind}" for number in range(FEW + 2) for kind in ("svg", "png")]
    assert list(found.values()) == one * (FEW + 2)
    assert not drawers()


def test_a_few_start_no_process(one: list[bytes]) -> None:
    with Pictures(("png",)) as drawn:
        for number in range(FEW):
            drawn.add(SPEC, f"f/{number}")
        assert list(drawn.files().values()) == one[1:] * FEW
        assert not drawers()


@pytest.mark.parametrize("killed", range(1, PROCESSES + 1))
def test_other_processes_may_be_killed(killed: int, monkeypatch: pytest.MonkeyPatch, one: list[bytes]) -> None:
    monkeypatch.setattr(pictures, "FEW", 0)
    with Pictures(("svg", "png")) as drawn:
        drawn.add(SPEC, "f/a")
        for process in drawers()[:killed]:
            process.kill()
        drawn.add(SPEC, "f/b")
        assert list(drawn.files().values()) == one * 2


def test_they_may_not_start(monkeypatch: pytest.MonkeyPatch, one: list[bytes]) -> None:
    monkeypatch.setattr(pictures, "FEW", 0)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(OSError, match="nowhere"):
        Drawer()
    with Pictures(("png",)) as drawn:
        drawn.add(SPEC, "f/a")
        assert list(drawn.files().values()) == one[1:]


def test_they_go_on_with_charts_that_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "FEW", 0)
    with Pictures(("svg",)) as drawn:
        for name in ("f/a", "f/b"):
            drawn.add(SPEC, name)
            assert wait_for(drawn._jobs[name].made.done, 30)
            assert drawn._jobs[name].made.result() is not None
        assert len(drawers()) == PROCESSES


def test_what_they_cannot_draw_is_an_error_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "FEW", 0)
    with Pictures(("png",)) as drawn:
        drawn.add({}, "f/a")
        drawn.add(SPEC, "f/b")
        assert drawn._jobs["f/b"].made.result() is not None
        with pytest.raises(KeyError, match="usermeta"):
            drawn.files()
    assert not drawers()


def test_leaving_early_ends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "FEW", 0)
    with Pictures(("png",)) as drawn:
        for number in range(40):
            drawn.add(SPEC, f"f/{number}")
        assert drawers()
    assert not drawers()
    assert not any(aside.is_alive() for aside in drawn._asides)


def test_a_fault_in_handing_on_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch, one: list[bytes]) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pictures, "FEW", 0)
    monkeypatch.setattr(Drawer, "draw", fails)
    with Pictures(("png",)) as drawn:
        for name in "abc":
            drawn.add(SPEC, name)
        assert list(drawn.files().values()) == one[1:] * 3


class TestScript:
    @pytest.fixture(autouse=True)
    def unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pictures, "_known", {})

    def test_the_other_process_makes_it_first_and_once(self) -> None:
        with Pictures(("svg",), page=True) as drawn:
            assert len(drawers()) == 1
            assert wait_for(drawn._jobs[SCRIPT].made.done, 30)
            drawn.add(SPEC, "f/a")
            made = drawn.script()
            assert list(drawn.files()) == ["f/a.svg"]
        assert made == picture.script()
        with Pictures((), page=True) as drawn:
            assert not drawers()
            assert drawn.script() == made

    def test_that_is_wanted_at_once(self) -> None:
        with Pictures((), page=True) as drawn:
            assert "vega" in drawn.script()
            assert drawn.files() == {}

    def test_of_a_process_that_is_killed(self) -> None:
        with Pictures((), page=True) as drawn:
            drawers()[0].kill()
            assert "vega" in drawn.script()

    def test_where_no_process_starts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        with Pictures((), page=True) as drawn:
            assert "vega" in drawn.script()
            assert drawn.files() == {}


def test_it_says_that_it_failed_and_goes_on(one: list[bytes]) -> None:
    process = Drawer()
    assert process.draw({}, ("svg",)) is None
    assert process.draw(SPEC, ("svg",)) == {"svg": one[0]}
    process.kill()
    assert process.draw(SPEC, ("svg",)) is None
    process.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_it_ends_with_a_killed_parent() -> None:
    code = (
        "import sys; from bench.report.charts.drawer import Drawer\n"
        "drawer = Drawer(); print(drawer.draw({}, ()), drawer._process.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline().split()[-1]))
        parent.kill()
    assert wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, 30)
