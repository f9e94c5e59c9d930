"""What ends the command from outside: Ctrl-C, SIGTERM, a reader that has gone; and a second command on its folder."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.run.bench import Bench, family_of, lives
from tests.support import command, records, refused, wait_for

pytestmark = pytest.mark.slow
#: A plugin whose import says that it began, and does not end.
HOLDS = "from pathlib import Path\nPath(__file__).with_name('entered').touch()\nwhile True: pass\n"


@pytest.fixture
def bench(tiny_encoder: Path, tmp_path: Path) -> Bench:
    return Bench(tmp_path, tiny_encoder)


def enters(process: subprocess.Popen[str], bench: Bench) -> None:
    """Wait until a plugin has made the file ``entered``."""
    assert wait_for(lambda: (bench.folder / "entered").exists() or process.poll() is not None, 120)
    assert process.poll() is None, process.communicate()


def ended_by(number: signal.Signals, process: subprocess.Popen[str]) -> str:
    """Send a signal; what the command says on its error stream. Nothing that it started lives on.

    Ctrl-C reaches the whole group, as from a terminal; any other signal reaches the command alone.
    """
    family = family_of(process.pid)
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        for each in (process.pid, *family) if process.poll() is None else ():
            os.kill(each, signal.SIGKILL)
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    assert wait_for(lambda: not any(map(lives, family)), 5)
    return said


def test_a_signal_amid_a_cell_leaves_a_folder_that_resumes(bench: Bench) -> None:
    entered, release = bench.folder / "entered", bench.folder / "release"
    bench.plugin("waits", f"Path({str(entered)!r}).touch()\n        while not Path({str(release)!r}).exists(): pass")
    arguments = bench.arguments(methods=["bitfit", "waits"])
    times = set()
    for number in (signal.SIGINT, signal.SIGTERM):
        entered.unlink(missing_ok=True)
        process = bench.start(*arguments)
        enters(process, bench)
        if number == signal.SIGINT:
            refused(command(*arguments, cwd=bench.folder), "another run is using", "--runs")
        said = ended_by(number, process)
        assert said == "tunebench: interrupted; finished cells are kept; run the same command to continue\n"
        assert set(records(bench.folder / "runs" / "small")) == {"bitfit/0"}
        times |= {path.stat().st_mtime_ns for path in bench.folder.glob("runs/small/cells/*bitfit*/record.json")}
    release.touch()
    done = command(*arguments, cwd=bench.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 cells to measure, 1 finished before" in done.stdout
    assert len(times) == 1, "the finished cell was left alone"


def test_ctrl_c_while_the_libraries_are_imported(bench: Bench) -> None:
    process = bench.start(*bench.arguments(methods=["bitfit"]))
    assert wait_for(lambda: len(family_of(process.pid)) >= 3, 30), "a guard, a resource tracker and a fork server"
    time.sleep(0.5)  # the server is somewhere in its imports, which take seconds
    said = ended_by(signal.SIGINT, process)
    assert said.startswith("tunebench: interrupted")
    assert said.count("\n") == 1, said


@pytest.mark.parametrize("verb", ["run", "plan"])
def test_a_signal_while_a_plugin_is_imported(verb: str, bench: Bench) -> None:
    bench.plugin("holds").write_text(HOLDS)
    arguments = bench.arguments(methods=["holds"])
    process = bench.start(*(arguments if verb == "run" else ["plan", *arguments[1:4]]))
    enters(process, bench)
    assert ended_by(signal.SIGTERM, process).startswith("tunebench: interrupted")


def test_a_reader_that_has_gone_costs_no_measurement(bench: Bench) -> None:
    read, write = os.pipe()
    process = bench.start(*bench.arguments(methods=["bitfit"]), stdout=write)
    os.close(write)
    os.close(read)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, "")
    assert records(bench.folder / "runs" / "small")["bitfit/0"]["status"] == "ok"
    assert len(bench.table()) == 2


#: Code of a plugin, and what is said of it: of its import, and of a method that is asked what it supports.
PLUGINS = {
    "hangs": ("while True: pass", "was still being imported after 3 s"),
    "does not answer": (
        """
from bench.method import Method

class Mine(Method):
    label = "Mine"

    @classmethod
    def supports(cls, kind):
        while True:
            pass

    def adapt(self, model, task):
        return model
""",
        "was still being called after 3 s",
    ),
}


@pytest.mark.parametrize("case", PLUGINS)
def test_run_names_a_plugin_that_hangs(case: str, bench: Bench) -> None:
    code, said = PLUGINS[case]
    bench.plugin("mine").write_text(code)
    refused(bench.run(methods=["mine"], limits={"cell_timeout_seconds": 3}), "method mine: ", said)


@pytest.mark.parametrize("verb", ["run", "plan", "methods"])
def test_a_plugin_that_ends_the_process_is_named(verb: str, bench: Bench) -> None:
    bench.plugin("mine").write_text("import os; os._exit(0)")
    run = bench.arguments(methods=["mine"])
    study = [] if verb == "methods" else [run[1]]
    done = command(verb, *study, "--plugin", bench.plugins[0], cwd=bench.folder)
    refused(done, "method mine: ", "the process ended with exit code 0 during its import")
