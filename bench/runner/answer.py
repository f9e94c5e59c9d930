"""The answer of a worker that is asked something through files, or why there is none."""

import signal
from pathlib import Path
from typing import Any

from bench.clocks import monotonic_seconds
from bench.errors import RequestError
from bench.json_text import loads
from bench.notices import Doing, doing_of
from bench.runner.executor import Job

POLL_SECONDS = 0.5
LOG_CHARACTERS = 2000


def answer_of(job: Job, entry: str, folder: Path, seconds: float) -> Any:
    """Wait for a worker to end, and read its answer.

    Args:
        job: the worker.
        entry: what it runs, for messages.
        folder: that holds answer.json in the end.
        seconds: that it may take; a stretch of its work may have a shorter limit, see ``bench.notices.doing``.

    Raises:
        RequestError: it ran past a limit, or ended without an answer; the message says what it was doing.
    """
    _wait(job, entry, folder, seconds)
    try:
        return loads((folder / "answer.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(_without_answer(job.exit_code, entry, folder)) from None


def _wait(job: Job, entry: str, folder: Path, seconds: float) -> None:
    deadline, since, doing = monotonic_seconds() + seconds, monotonic_seconds(), None
    while not job.wait(min(POLL_SECONDS, seconds)):
        now, found = monotonic_seconds(), doing_of(folder)
        if found != doing:
            doing, since = found, now
        if doing is not None and doing.seconds is not None and now - since >= doing.seconds:
            job.kill()
            raise RequestError(
                f"{entry} was stopped: {doing.what} must take at most {doing.seconds:g} s, and took more"
            )
        if now >= deadline:
            job.kill()
            raise RequestError(f"{entry} did not answer within {seconds:.0f} s{_while(doing)}")


def _without_answer(code: int | None, entry: str, folder: Path) -> str:
    log = folder / "stderr.txt"
    said = log.read_text(encoding="utf-8", errors="replace").strip()[-LOG_CHARACTERS:] if log.exists() else ""
    hint = "; too little memory is the usual reason" if code in (-signal.SIGKILL, -signal.SIGABRT) else ""
    return f"{entry} {ended(code)}{_while(doing_of(folder))}, without an answer{hint}" + (f":\n{said}" if said else "")


def ended(code: int | None) -> str:
    """How a process ended, in words, e.g. ``was ended by signal 9 (SIGKILL)``."""
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    known = {each.value: f" ({each.name})" for each in signal.Signals}
    return f"was ended by signal {-code}{known.get(-code, '')}"


def _while(doing: Doing | None) -> str:
    return "" if doing is None else f" while {doing.what}"
