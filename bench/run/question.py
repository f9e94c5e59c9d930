"""Questions to workers, with request and answer in files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.method.importing import IMPORT_SECONDS, Imports
from bench.record.files import write_json
from bench.record.notices import notices_of
from bench.run.answer import answer_of
from bench.run.executor import Job

#: Time limit of an answer, which may need the first download of large weights.
ANSWER_SECONDS = 3600.0


class Questions:
    """Asks questions, each with its own worker and folder."""

    def __init__(
        self, place: Path, start: Callable[[str, Path], Job], tell: Callable[[str], None],
        import_seconds: float = IMPORT_SECONDS,
    ) -> None:  # fmt: skip
        """Store the collaborators.

        Args:
            place: parent of the folders.
            start: function that starts a job, given its entry point and its folder.
            tell: receiver of each notice of a worker to the user.
            import_seconds: time limit for the import of a plugin, if it is less than the default.
        """
        self._place, self._start, self._tell, self._import_seconds = place, start, tell, import_seconds
        self._asked = 0

    def ask(self, entry: str, request: Any) -> Any:
        """A worker's answer to a request.

        Args:
            entry: entry point ``module:function`` of the worker.
            request: JSON value.

        Raises:
            RequestError: see ``answer_of``.
        """
        self._asked += 1
        folder = self._place / str(self._asked)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "request.json", request)
        imports = Imports(folder, self._import_seconds)
        job = self._start(entry, folder)
        try:
            return answer_of(job, entry, folder, ANSWER_SECONDS, imports)
        finally:
            for line in notices_of(folder):
                self._tell(line)
