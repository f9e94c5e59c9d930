"""Wait for the answer of a worker, which is a file, or explain why there is none."""

import signal
from pathlib import Path
from typing import Any

from bench.clocks import monotonic_seconds
from bench.errors import PluginError, RequestError
from bench.method.importing import Imports
from bench.record.files import read_text
from bench.record.log_end import end_of_log
from bench.record.notices import Doing, doing_of
from bench.run.executor import Job
from bench.run.own_process import ended_amid, how_it_ended
from bench.text.json_text import loads

POLL_SECONDS = 0.2
#: Time for a worker to end after its answer.
ENDING_SECONDS = 2.0
#: Characters kept from the log of a worker without an answer.
LOG_CHARACTERS = 2000


def answer_of(job: Job, entry: str, folder: Path, seconds: float, imports: Imports | None = None) -> Any:
    """Wait until a worker has ended and read its answer.

    Args:
        job: the worker.
        entry: entry point of the worker, for messages.
        folder: folder for answer.json.
        seconds: wall-clock limit; parts of the work may have shorter ones, see ``bench.record.notices.doing``.
        imports: imports of plugins, which have their own limit; None: those announced in the folder.

    Raises:
        PluginError: the worker ended during the import of a plugin, or the import took too long or printed too much.
        RequestError: the worker exceeded a limit or ended without an answer; the message says what it was doing.
    """
    imports = imports or Imports(folder)
    try:
        _wait(job, entry, folder, seconds, imports)
    finally:
        if job.exit_code is None:
            job.kill()
    try:
        return loads(read_text(folder / "answer.json"))
    except (OSError, ValueError, RecursionError):
        raise _no_answer(job.exit_code, entry, folder, imports) from None


def _wait(job: Job, entry: str, folder: Path, seconds: float, imports: Imports) -> None:
    deadline, since, doing = monotonic_seconds() + seconds, monotonic_seconds(), None
    while not job.wait(min(POLL_SECONDS, seconds)):
        if (folder / "answer.json").exists():  # a plugin's thread may keep the worker alive
            job.wait(ENDING_SECONDS)
            return
        if trouble := imports.trouble():
            raise PluginError(trouble)
        now, found = monotonic_seconds(), doing_of(folder)
        if found != doing:
            doing, since = found, now
        if doing is not None and doing.seconds is not None and now - since >= doing.seconds:
            raise RequestError(
                f"{entry} was stopped: {doing.what} must take at most {doing.seconds:g} s, but took more"
            )
        if now >= deadline:
            raise RequestError(f"{entry} did not answer within {seconds:.0f} s{_while(doing)}")


def _no_answer(code: int | None, entry: str, folder: Path, imports: Imports) -> RequestError:
    said = end_of_log(folder / "stderr.txt", LOG_CHARACTERS)
    if what := imports.under_way:
        return PluginError(f"{ended_amid(what, imports.doing, code)}\n{said}".strip())
    hint = "; lack of memory is the usual reason" if code in (-signal.SIGKILL, -signal.SIGABRT) else ""
    return RequestError(
        f"{entry} {how_it_ended(code)}{_while(doing_of(folder))}, without an answer{hint}"
        + (f":\n{said}" if said else "")
    )


def _while(doing: Doing | None) -> str:
    return "" if doing is None else f" while {doing.what}"
