"""What ends the command from outside: SIGTERM, SIGHUP, a reader that has gone; and a second command on its folder."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.run.test_disasters import Bench, lives
from tests.support import COMMAND, command, environment, records, refused, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(tiny_encoder: Path, tmp_path: Path) -> Bench:
    return Bench(tmp_path, tiny_encoder)


def start(bench: Bench, *arguments: object, **how: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)], cwd=bench.folder, env=environment(), text=True, start_new_session=True,
        stdout=how.get("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
    )  # fmt: skip


def ended_by(number: signal.Signals, process: subprocess.Popen[str]) -> str:
    """Send a signal to the command alone; what it says on its error stream. Nothing that it started lives on."""
    family = [each.pid for each in psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(number)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        for each in (process.pid, *family) if process.poll() is None else ():
            os.kill(each, signal.SIGKILL)
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    assert wait_for(lambda: not any(map(lives, family)), 5)
    return said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_amid_a_cell_leaves_a_folder_that_resumes(number: signal.Signals, bench: Bench) -> None:
    entered, release = bench.folder / "entered", bench.folder / "release"
    bench.plugin("waits", f"Path({str(entered)!r}).touch()\n        while not Path({str(release)!r}).exists(): pass")
    arguments = bench.arguments(methods=["bitfit", "waits"])
    process = start(bench, *arguments)
    assert wait_for(lambda: entered.exists() or process.poll() is not None, 120)
    refused(command(*arguments, cwd=bench.folder), "another run is using", "--runs")
    said = ended_by(number, process)
    assert said == "tunebench: interrupted; finished cells are kept, the same command goes on from here\n"
    assert set(records(bench.folder / "runs" / "small")) == {"bitfit/0"}
    release.touch()
    done = command(*arguments, cwd=bench.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 cells to measure, 1 finished before" in done.stdout


def test_a_signal_while_methods_are_checked(bench: Bench) -> None:
    entered = bench.folder / "entered"
    bench.plugin("holds", "pass")
    path = bench.plugins[0]
    path.write_text(f"from pathlib import Path\nPath({str(entered)!r}).touch()\nwhile True: pass\n")
    process = start(bench, *bench.arguments(methods=["holds"]))
    assert wait_for(lambda: entered.exists() or process.poll() is not None, 120)
    assert ended_by(signal.SIGTERM, process).startswith("tunebench: interrupted")


@pytest.mark.parametrize("verb", ["plan", "methods"])
def test_a_signal_to_a_verb_that_imports_plugins(verb: str, bench: Bench) -> None:
    entered = bench.folder / "entered"
    bench.plugin("holds", "pass")
    bench.plugins[0].write_text(f"from pathlib import Path\nPath({str(entered)!r}).touch()\nwhile True: pass\n")
    study = [bench.folder / "small.toml"] if verb == "plan" else []
    bench.arguments(methods=["holds"])
    process = start(bench, verb, *study, "--plugin", bench.plugins[0])
    assert wait_for(lambda: entered.exists() or process.poll() is not None, 120)
    assert ended_by(signal.SIGTERM, process) == "tunebench: interrupted\n"


def test_a_reader_that_has_gone_costs_no_measurement(bench: Bench) -> None:
    read, write = os.pipe()
    process = start(bench, *bench.arguments(methods=["bitfit"]), stdout=write)
    os.close(write)
    os.close(read)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, "")
    assert records(bench.folder / "runs" / "small")["bitfit/0"]["status"] == "ok"
    assert len(bench.table()) == 2


def test_a_fork_server_that_is_stopped_costs_a_cell_and_no_study(bench: Bench) -> None:
    entered = bench.folder / "entered"
    bench.plugin("waits", f"Path({str(entered)!r}).touch()\n        time.sleep(600)")
    limits = {"cell_timeout_seconds": 15}
    process = start(bench, *bench.arguments(methods=["waits", "bitfit"], limits=limits))
    assert wait_for(lambda: entered.exists() or process.poll() is not None, 120)
    started = time.monotonic()
    (server,) = {each.ppid() for each in psutil.Process(process.pid).children(recursive=True)} - {process.pid}
    os.kill(server, signal.SIGSTOP)
    said, wrong = process.communicate(timeout=120)
    assert process.returncode == 1, said + wrong
    assert time.monotonic() - started < 100
    rows = records(bench.folder / "runs" / "small")
    assert {name: row["status"] for name, row in rows.items()} == {"waits/0": "timeout", "bitfit/0": "ok"}


CASES = {
    "exits": ("import os; os._exit(0)", "the process ended with exit code 0 amid its import"),
    "raises": ("raise KeyboardInterrupt", "does not import: KeyboardInterrupt"),
    "hangs": ("while True: pass", "was still being imported after 5 s"),
}


@pytest.mark.parametrize("case", CASES)
def test_run_names_a_plugin_that_does_not_import(case: str, bench: Bench) -> None:
    code, said = CASES[case]
    bench.plugin("mine", "pass")
    bench.plugins[0].write_text(code)
    done = bench.run(methods=["mine"], limits={"cell_timeout_seconds": 5})
    refused(done, "method mine: ", said)


#: Code of a method's class, by what of it does not end, or ends the process.
ASKED = {
    "supports": ("supports = classmethod(lambda cls, kind: hang())", "was still being asked after 5 s"),
    "options": ("options_class = Hanging", "was still being asked after 5 s"),
    "exits": ("supports = classmethod(lambda cls, kind: os._exit(0))", "ended with exit code 0 while it was asked"),
    "raises": ("options_class = Raising", "cannot say whether its options are valid: KeyboardInterrupt"),
}
ASKED_PLUGIN = """
import os
from pydantic import model_validator
from bench.method import Method, Options

def hang():
    while True:
        pass

class Hanging(Options):
    @model_validator(mode="before")
    @classmethod
    def _hang(cls, content):
        hang()

class Raising(Options):
    @model_validator(mode="before")
    @classmethod
    def _raise(cls, content):
        raise KeyboardInterrupt

class Mine(Method):
    label = "Mine"
    def adapt(self, model, task):
        return model
    CODE
"""


@pytest.mark.parametrize("case", ASKED)
@pytest.mark.slow
def test_run_names_a_plugin_that_does_not_answer(case: str, bench: Bench) -> None:
    code, said = ASKED[case]
    bench.plugin("mine", "pass")
    bench.plugins[0].write_text(ASKED_PLUGIN.replace("CODE", code))
    done = bench.run(methods=["mine"], limits={"cell_timeout_seconds": 5})
    refused(done, "method mine: ", said)


@pytest.mark.parametrize("verb", ["plan", "audit", "methods", "doctor"])
def test_other_verbs_name_a_plugin_that_ends_the_process(verb: str, bench: Bench) -> None:
    bench.plugin("mine", "pass")
    bench.plugins[0].write_text("import os; os._exit(0)")
    study = bench.folder / "small.toml"
    bench.arguments(methods=["mine"])
    more: dict[str, list[object]] = {
        "plan": [study],
        "audit": ["paper", "--study", study, "--no-memory"],
        "methods": [],
        "doctor": [],
    }
    done = command(verb, *more[verb], "--plugin", bench.plugins[0], cwd=bench.folder)
    refused(done, "method mine: ", "the process ended with exit code 0 amid its import")
