"""A question that a worker answers: request and answer are files, and what the worker imports is watched."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.errors import PluginError, RequestError
from bench.importing import IMPORT_SECONDS, Imports
from bench.log_end import end_of_log
from bench.own_process import ended_amid_import, how_it_ended
from bench.runner.executor import Job
from bench.store import read_text, write_json

#: A first download of large weights happens in a question.
ANSWER_SECONDS = 3600.0
POLL_SECONDS = 0.2
#: That a worker has to end after its answer.
ENDING_SECONDS = 2.0
#: Of what a worker said that gave no answer.
SAID_CHARACTERS = 2000


class Questions:
    """Asks workers, each in a folder of its own."""

    def __init__(self, place: Path, start: Callable[[str, Path], Job], import_seconds: float = IMPORT_SECONDS) -> None:
        """Ask nothing yet.

        Args:
            place: folder of the folders.
            start: begins a job, given its entry and its folder.
            import_seconds: that the import of a plugin may take, if that is less than usual.
        """
        self._place = place
        self._start = start
        self._import_seconds = import_seconds
        self._asked = 0

    def ask(self, entry: str, request: Any) -> Any:
        """What a worker answers to a request.

        Args:
            entry: ``module:function`` that answers.
            request: anything that JSON can hold.

        Raises:
            PluginError: the worker ended amid the import of a plugin, or the import took too long or printed too much.
            RequestError: there is no answer for any other reason.
        """
        self._asked += 1
        folder = self._place / str(self._asked)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "request.json", request)
        imports = Imports(folder, self._import_seconds)
        job = self._start(entry, folder)
        try:
            self._wait(job, entry, folder / "answer.json", imports)
        finally:
            if job.exit_code is None:
                job.kill()
        try:
            return json.loads(read_text(folder / "answer.json"))
        except (OSError, ValueError):
            raise _no_answer(entry, folder, imports, job.exit_code) from None

    def _wait(self, job: Job, entry: str, answer: Path, imports: Imports) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS
        while not job.wait(POLL_SECONDS):
            if answer.exists():  # a thread that a plugin left may keep the worker
                job.wait(ENDING_SECONDS)
                return
            if trouble := imports.trouble():
                raise PluginError(trouble)
            if time.monotonic() >= deadline:
                raise RequestError(f"{entry} did not answer within {ANSWER_SECONDS:.0f} s")


def _no_answer(entry: str, folder: Path, imports: Imports, code: int | None) -> RequestError:
    said = end_of_log(folder / "stderr.txt", SAID_CHARACTERS)
    if what := imports.under_way:
        return PluginError(f"{ended_amid_import(what, code)}\n{said}".strip())
    return RequestError(f"{entry} {how_it_ended(code)} and gave no answer:\n{said}".strip())
