"""The clocks: which modules read them, and what is left when the date or a plugin changes them."""

import ast
import time
from pathlib import Path

import pytest

from bench import clocks
from tests.test_architecture import BENCH, MODULES

#: The one that reads clocks.
READER = "bench.clocks"
NOW = ("datetime.now", "datetime.utcnow", "date.today", "now", "utcnow")


def reads_a_clock(path: Path) -> list[str]:
    """What of a module imports ``time``, or asks ``datetime`` what time it is or what lies between two times."""
    wrong = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        asked = ast.unparse(node).removeprefix("datetime.") if isinstance(node, ast.Attribute) else ""
        if {"time", "datetime.timedelta"} & set(names) or asked in NOW:
            wrong.append(ast.unparse(node))
    return wrong


def test_no_other_module_reads_a_clock() -> None:
    assert {name: wrong for name in BENCH if name != READER and (wrong := reads_a_clock(MODULES[name]))} == {}


def test_a_plugin_that_replaces_functions_of_time_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        monkeypatch.setattr(time, name, lambda: -3600.0)
    monkeypatch.setattr(time, "clock_gettime", lambda _: -3600.0)
    before = clocks.monotonic_seconds()
    assert 0 <= clocks.monotonic_seconds() - before < 60
    assert clocks.date_now() > "2026"
    assert clocks.process_cpu_seconds() > 0 < clocks.thread_cpu_seconds()
    assert (clocks.suspended_seconds() or 0.0) > -1


def test_sleep_of_the_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "_BOOTTIME", 7)
    monkeypatch.setattr(clocks, "_clock_seconds", {7: 160.0}.__getitem__)
    monkeypatch.setattr(clocks, "monotonic_seconds", lambda: 100.0)
    assert clocks.suspended_seconds() == 60
    monkeypatch.setattr(clocks, "_BOOTTIME", None)
    assert clocks.suspended_seconds() is None


def test_a_date_that_is_set_moves_against_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    before = clocks.date_ahead_seconds()
    now = time.time
    monkeypatch.setattr(clocks, "_wall_seconds", lambda: now() - 3600)
    assert clocks.date_ahead_seconds() - before == pytest.approx(-3600, abs=1)
