"""The figures of one report: which files there are, and that it does not matter which process draws them."""

import subprocess
import sys
from typing import Any

import psutil
import pytest

from bench.report.charts import figure, figures, insight_chart
from bench.report.charts.figures import FEW, Figures
from tests.report.drawn import bars
from tests.support import ROOT, wait_for

SPEC: dict[str, Any] = insight_chart.spec(bars())


@pytest.fixture(scope="module")
def one() -> list[bytes]:
    return list(figure.draw(SPEC, ("svg", "png")).values())


def drawers() -> list[psutil.Process]:
    """The processes that draw for this one."""
    return [each for each in psutil.Process().children() if "multiprocessing.spawn" in " ".join(each.cmdline())]


@pytest.fixture
def always_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have other processes draw the first figure too."""
    monkeypatch.setattr(figures, "FEW", 0)


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        ((), []), (("png",), ["f/a.png", "f/b.c.png"]), (("svg",), ["f/a.svg", "f/b.c.svg"]),
        (("png", "svg"), ["f/a.svg", "f/a.png", "f/b.c.svg", "f/b.c.png"]),
    ],
)  # fmt: skip
def test_names(kinds: tuple[str, ...], names: list[str]) -> None:
    with Figures(kinds) as drawn:
        drawn.add(SPEC, "f/a")
        drawn.add(SPEC, "f/b.c")
        assert list(drawn.files()) == names


def test_all_are_alike_whichever_process_draws_them(one: list[bytes]) -> None:
    with Figures(("svg", "png")) as drawn:
        for number in range(FEW):
            drawn.add(SPEC, f"f/{number}")
        assert not drawers()
        drawn.add(SPEC, f"f/{FEW}")
        assert drawers()
        found = drawn.files()
    assert list(found) == [f"f/{number}.{kind}" for number in range(FEW + 1) for kind in ("svg", "png")]
    assert list(found.values()) == one * (FEW + 1)
    assert not drawers()


@pytest.mark.usefixtures("always_others")
class TestOthers:
    def test_they_may_be_killed(self, one: list[bytes]) -> None:
        with Figures(("svg", "png")) as drawn:
            drawn.add(SPEC, "f/a")
            for process in drawers():
                process.kill()
            drawn.add(SPEC, "f/b")
            assert list(drawn.files().values()) == one * 2
        assert not drawers()

    def test_they_may_not_start(self, monkeypatch: pytest.MonkeyPatch, one: list[bytes]) -> None:
        monkeypatch.setattr("multiprocessing.spawn._python_exe", b"/nowhere/python")
        with Figures(("png",), page=True) as drawn:
            drawn.add(SPEC, "f/a")
            assert list(drawn.files().values()) == one[1:]

    def test_what_they_cannot_draw_is_an_error_of_this_one(self) -> None:
        with Figures(("png",)) as drawn:
            drawn.add({}, "f/a")
            with pytest.raises(KeyError, match="usermeta"):
                drawn.files()
        assert not drawers()

    def test_leaving_early_ends_them(self) -> None:
        with Figures(("png",)) as drawn:
            for number in range(40):
                drawn.add(SPEC, f"f/{number}")
            assert drawers()
        assert not drawers()

    def test_they_end_with_a_killed_parent(self) -> None:
        code = (
            "import sys, psutil; from bench.report.charts import figures\n"
            "drawn = figures.Figures((), page=True); drawn._result('js', len, '')\n"
            "print(*(each.pid for each in psutil.Process().children()), flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as parent:
            assert parent.stdout is not None
            found = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
            assert found
            parent.kill()
        assert wait_for(lambda: not any(map(_runs, found)), 30)


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


class TestScript:
    @pytest.fixture(autouse=True)
    def unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(figures, "_known", {})

    def test_another_process_makes_it_once(self) -> None:
        with Figures(("svg",), page=True) as drawn:
            assert drawers()
            drawn.add(SPEC, "f/a")
            made = drawn.script()
            assert list(drawn.files()) == ["f/a.svg"]
        assert made == figure.script()
        with Figures((), page=True) as drawn:
            assert not drawers()
            assert drawn.script() == made
            assert drawn.files() == {}
