"""Work in a process of its own, and what a plugin may do to that process while it is imported."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.errors import Interrupted
from bench.method import importing
from bench.method.importing import MOST_OUTPUT_BYTES, PREFIX, Imports, announce_in, announced
from bench.run.interrupts import exit_code, interruptible
from tests.support import environment, wait_for

#: Runs these statements as the import of a plugin, in a process of its own; a second may pass.
WORK = """
import os, sys, time
from pathlib import Path
from bench.method import importing
from bench.errors import RequestError
from bench.method.importing import announced
from bench.run.interrupts import interruptible
from bench.run.own_process import in_own_process
importing.IMPORT_SECONDS = 1.0

def work():
    try:
        with announced("mine", Path("mine.py")):
            exec(sys.argv[1])
    except RequestError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    print("worked")
    return 3

with interruptible():
    try:
        sys.exit(in_own_process(work))
    except RequestError as error:
        sys.exit(f"refused: {error}")
"""


def start(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORK, code], cwd=folder, env=environment(TMPDIR=str(folder)), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def ended(code: str, folder: Path) -> tuple[int, str, str]:
    process = start(code, folder)
    said, wrong = process.communicate(timeout=60)
    return process.returncode, said, wrong


def test_its_answer_is_the_exit_code_and_its_output_is_this_one_s(tmp_path: Path) -> None:
    assert ended("print('said at import')", tmp_path) == (3, "worked\n", "")
    assert list(tmp_path.iterdir()) == [], "nothing is left"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os._exit(0)", "method mine: mine.py does not import: the process ended with exit code 0 during its import"),
        ("os.abort()", "method mine: mine.py does not import: the process was killed by SIGABRT during its import"),
        ("import ctypes; ctypes.string_at(0)", "the process was killed by SIGSEGV during its import"),
        ("while True: pass", "method mine: mine.py was still being imported after 1 s"),
        ("import re; re.match(r'(a+)+$', 'a' * 60 + 'b')", "method mine: mine.py was still being imported after 1 s"),
        ("os.write(1, bytes(11_000_000))", "method mine: mine.py printed more than 10 MB while it was imported"),
    ],
    ids=["exits", "aborts", "crashes", "loops", "holds the interpreter", "prints"],
)
def test_a_plugin_that_ends_or_holds_it_is_named(code: str, said: str, tmp_path: Path) -> None:
    returned, printed, wrong = ended(code, tmp_path)
    assert (returned, printed) == (1, "")
    assert wrong.startswith("refused: method mine: mine.py ")
    assert said in wrong
    assert "Traceback" not in wrong


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess; open('child', 'w').write(str(subprocess.Popen(['sleep', '1000']).pid))",
        "p = os.fork(); open('child', 'w').write(str(p)) if p else time.sleep(1000)",
        "import threading; threading.Thread(target=time.sleep, args=(1000,)).start()",
        "os.fork()",
    ],
    ids=["process", "fork", "thread", "fork that goes on"],
)
def test_what_a_plugin_leaves_running_ends_with_it(code: str, tmp_path: Path) -> None:
    assert ended(code, tmp_path) == (3, "worked\n", "")
    if (tmp_path / "child").exists():
        child = int((tmp_path / "child").read_text())
        assert wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie", 5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_both(number: signal.Signals, tmp_path: Path) -> None:
    process = start("open('begun', 'w').close(); importing.IMPORT_SECONDS = 90; time.sleep(60)", tmp_path)
    assert wait_for((tmp_path / "begun").exists, 30)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert wait_for(lambda: not any(map(psutil.Process.is_running, family)), 5)


def test_it_ends_with_a_killed_parent(tmp_path: Path) -> None:
    process = start("open('begun', 'w').close(); time.sleep(60)", tmp_path)
    assert wait_for((tmp_path / "begun").exists, 30)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    assert wait_for(lambda: not any(map(psutil.Process.is_running, family)), 5)


@pytest.fixture
def announcing(tmp_path: Path) -> Iterator[None]:
    before = importing._place
    announce_in(tmp_path)
    yield
    importing._place = before


@pytest.mark.usefixtures("announcing")
class TestImports:
    def test_an_import_is_under_way_until_its_end_is_read(self, tmp_path: Path) -> None:
        imports = Imports(tmp_path)
        assert imports.under_way is None
        with announced("mine", Path("mine.py")):
            assert imports.under_way == "method mine: mine.py"
            (tmp_path / f"{PREFIX}{os.getpid()}").unlink()
            assert imports.under_way == "method mine: mine.py", "a plugin removed the word of it"
        assert (imports.under_way, imports.last) == (None, "method mine: mine.py")

    def test_a_limit_that_is_shorter_than_usual(self, tmp_path: Path) -> None:
        with announced("mine", Path("mine.py")):
            assert Imports(tmp_path).trouble() is None
            said = Imports(tmp_path, 0.0).trouble()
            assert said == "method mine: mine.py was still being imported after 0 s; make it faster"

    def test_output_counts_during_an_import_alone(self, tmp_path: Path) -> None:
        (tmp_path / "stdout.txt").write_bytes(bytes(MOST_OUTPUT_BYTES + 1))
        assert Imports(tmp_path).trouble() is None
        with announced("mine", Path("mine.py")):
            pass

    def test_a_word_that_is_none_is_passed_over(self, tmp_path: Path) -> None:
        for number, content in enumerate(("", "[]", "{", '{"name": 1}', "3")):
            (tmp_path / f"{PREFIX}{number}").write_text(content)
        assert Imports(tmp_path).under_way is None


class TestInterruptible:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_the_first_signal_is_an_exception(self, number: signal.Signals) -> None:
        before, asked = signal.getsignal(number), None
        try:
            with interruptible():
                os.kill(os.getpid(), number)
                time.sleep(5)
        except Interrupted as error:
            asked = error
        assert asked is not None
        assert (exit_code(asked), signal.getsignal(number)) == (128 + number, before)

    def test_what_is_ignored_stays_so(self) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with interruptible():
                os.kill(os.getpid(), signal.SIGHUP)
        finally:
            signal.signal(signal.SIGHUP, before)

    def test_the_second_ends_at_once(self) -> None:
        code = (
            "import os, signal\nfrom bench.run.interrupts import interruptible\nwith interruptible():\n"
            "    try:\n        os.kill(os.getpid(), signal.SIGTERM)\n"
            "    finally:\n        os.kill(os.getpid(), signal.SIGTERM)\n        print('never')\n"
        )
        done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (143, b"", b"")

    def test_ctrl_c_without_a_number(self) -> None:
        assert exit_code(KeyboardInterrupt()) == 130
