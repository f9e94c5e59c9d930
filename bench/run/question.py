"""A question that a worker answers: request and answer are files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.method.importing import IMPORT_SECONDS, Imports
from bench.record.files import write_json
from bench.record.notices import notices_of
from bench.run.answer import answer_of
from bench.run.executor import Job

#: A first download of large weights happens in a question.
ANSWER_SECONDS = 3600.0


class Questions:
    """Asks workers, each in a folder of its own."""

    def __init__(
        self,
        place: Path,
        start: Callable[[str, Path], Job],
        tell: Callable[[str], None],
        import_seconds: float = IMPORT_SECONDS,
    ) -> None:
        """Ask nothing yet.

        Args:
            place: folder of the folders.
            start: begins a job, given its entry and its folder.
            tell: is given each line that a worker has for the user.
            import_seconds: that the import of a plugin may take, if that is less than usual.
        """
        self._place = place
        self._start = start
        self._tell = tell
        self._import_seconds = import_seconds
        self._asked = 0

    def ask(self, entry: str, request: Any) -> Any:
        """What a worker answers to a request.

        Args:
            entry: ``module:function`` that answers.
            request: anything that JSON can hold.

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
