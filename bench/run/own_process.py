"""Work that imports plugins, in a process of its own: whatever a plugin does to that, the end is a plain message."""

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
#: That the process has to put its things away once it was asked to end.
ENDING_SECONDS = 10.0
ANSWER = "exit_code"


def in_own_process(work: Callable[[], int]) -> int:
    """Do work in a forked process, which shares this one's terminal and files; return its exit code.

    It ends with this process, and all that a plugin left running in its session ends with it. This process sleeps,
    imports no plugin, and passes signals on.

    Args:
        work: returns an exit code.

    Raises:
        PluginError: an import took too long, printed too much, or ended the process.
        RequestError: the process ended without an answer otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="tunebench-verb-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        flush_output()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until there is someone to pass them on
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
    """Waits for a process, so that the main thread can wait for it with a limit and hear signals meanwhile."""

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
        """Whether it has ended, or does so within so many seconds."""
        return self._over.wait(seconds)


def _do(work: Callable[[], int], folder: Path) -> NoReturn:
    """The whole of the new process; no thread and no exit handler of a plugin holds up its end."""
    code = 1
    try:
        os.setsid()  # what a plugin starts is found by its group
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
    """Ask the process to end too, and wait for that a while."""
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
    """The message for a process that ended while it imported a plugin, or asked it something.

    Args:
        what: the plugin, as ``Imports`` says it.
        doing: what was being done with it.
        code: exit code of the process; minus the signal that ended it.
    """
    how = how_it_ended(code)
    if doing != IMPORTED:
        return f"{what} gave no answer: the process {how} while it was {doing}; let no answer end it"
    return f"{what} does not import: the process {how} amid its import; let nothing that is run at import end it"


def how_it_ended(code: int | None) -> str:
    """The end of a process in words.

    Args:
        code: exit code of the process; minus the signal that ended it.
    """
    if code is None or code >= 0:
        return "ended" if code is None else f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"
