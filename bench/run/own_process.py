"""Run work that imports plugins in a separate process, so that any failure of a plugin gives a plain message."""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from bench.errors import Interrupted, PluginError, RequestError
from bench.method.importing import IMPORTED, Imports, announce_in, flush_output
from bench.record.files import read_text
from bench.run.guard import Guard, end_group
from bench.run.interrupts import BASE_CODE, SIGNALS

POLL_SECONDS = 0.2
#: Time for the process to clean up after a signal.
ENDING_SECONDS = 10.0
ANSWER = "exit_code"


def in_own_process(work: Callable[[], int]) -> int:
    """Do work in a forked process that shares the terminal; return its exit code.

    The child and everything in its session end with this process, which only waits and forwards signals.

    Args:
        work: function that returns an exit code.

    Raises:
        PluginError: an import took too long, printed too much, or ended the process.
        RequestError: the process ended without an answer for another reason.
    """
    with tempfile.TemporaryDirectory(prefix="tunebench-verb-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        flush_output()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until they can be forwarded
        child = os.fork()
        if child == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            _do(work, folder)
        guard = Guard()
        guard.watch(child)
        ended = _Ended(child)
        try:
            return _outcome(child, ended, folder)
        finally:
            end_group(child)
            ended.join()
            guard.forget(child)
            guard.close()


class _Ended(threading.Thread):
    """Waits for a process in a thread, so that the main thread can use a time limit and handle signals."""

    def __init__(self, child: int) -> None:
        super().__init__(daemon=True)
        self._child = child
        self._over = threading.Event()
        self.code = 0
        self.start()

    def run(self) -> None:
        _, status = os.waitpid(self._child, 0)
        self.code = os.waitstatus_to_exitcode(status)
        self._over.set()

    def within(self, seconds: float) -> bool:
        """Whether the process ends within the given seconds."""
        return self._over.wait(seconds)


def _do(work: Callable[[], int], folder: Path) -> NoReturn:
    """Run the new process; its end waits for no thread or exit handler of a plugin."""
    code = 1
    try:
        os.setsid()  # so that a plugin's processes are in its group
        announce_in(folder, captures=True)
        code = work()
        flush_output()
        (folder / ANSWER).write_text(str(code), encoding="utf-8")
    except BaseException:
        sys.excepthook(*sys.exc_info())
        flush_output()
        (folder / ANSWER).write_text(str(code), encoding="utf-8")
    finally:
        os._exit(code)


def _outcome(child: int, ended: _Ended, folder: Path) -> int:
    imports = Imports(folder)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        while not ended.within(POLL_SECONDS):
            if trouble := imports.trouble():
                raise PluginError(trouble)
    except Interrupted as asked:
        return _pass_on(asked.number, child, ended, folder)
    code = _answer(folder)
    if code is None:
        raise _no_answer(imports, ended.code)
    return code


def _pass_on(number: int, child: int, ended: _Ended, folder: Path) -> int:
    """Forward a signal to the process, and wait for its end for a limited time."""
    with suppress(ProcessLookupError):
        os.killpg(child, number)
    ended.within(ENDING_SECONDS)
    return _answer(folder) or BASE_CODE + number


def _answer(folder: Path) -> int | None:
    try:
        return int(read_text(folder / ANSWER))
    except (OSError, ValueError):
        return None


def _no_answer(imports: Imports, code: int) -> RequestError:
    if what := imports.under_way:
        return PluginError(ended_amid(what, imports.doing, code))
    last = f"; the last plugin that it imported is that of {imports.last}" if imports.last else ""
    return RequestError(f"the process that did the work {how_it_ended(code)} and gave no answer{last}")


def ended_amid(what: str, doing: str, code: int | None) -> str:
    """The message for a process that ended while it imported or called a plugin.

    Args:
        what: the plugin, as described by ``Imports``.
        doing: activity, as described by ``Imports``.
        code: exit code of the process, or minus the signal that ended it.
    """
    how = how_it_ended(code)
    if doing != IMPORTED:
        return f"{what} gave no answer: the process {how} while it was {doing}; make the answer not end the process"
    return f"{what} does not import: the process {how} during its import; make the import not end the process"


def how_it_ended(code: int | None) -> str:
    """A phrase that says how a process ended.

    Args:
        code: exit code of the process, or minus the signal that ended it.
    """
    if code is None or code >= 0:
        return "ended" if code is None else f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"
