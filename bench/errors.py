"""Every error that tunebench raises on purpose.

TunebenchError
├── RequestError          the request cannot be carried out as written; nothing has been run (exit code 2)
│   ├── StudyError        a study file or an override breaks a rule
│   ├── UnknownNameError  a dataset, model, method or study that is not defined
│   ├── DataError         a dataset that cannot be reached or read
│   ├── ModelError        weights or an architecture that cannot be reached or read
│   ├── PluginError       a method file that does not import or breaks the contract
│   └── RunFolderError    an output folder that is locked, unwritable, full or damaged
│       └── NewerSchemaError  a file that a newer tunebench wrote
├── StoppedError          a study cannot go on, e.g. on a full disk; finished cells are kept (exit code 1)
└── CellError             one cell cannot go on; it becomes a row and the study continues
    ├── UnsupportedError  this method cannot adapt this model
    └── DivergedError     the loss is no longer a finite number
"""

import signal
from collections.abc import Iterable
from difflib import get_close_matches

from bench.text.display import printable
from bench.text.message import LONGEST_NAME, listed, message


class Interrupted(KeyboardInterrupt):
    """The user or the system interrupted the command."""

    def __init__(self, number: int) -> None:
        """Store the signal.

        Args:
            number: signal number.
        """
        super().__init__(signal.Signals(number).name)
        self.number = number


#: Names that are compared with an unknown one; a file may define a million.
MOST_COMPARED = 2000


class TunebenchError(Exception):
    """Base of all errors raised on purpose; messages are redacted and limited in length."""

    def __init__(self, *said: object) -> None:
        """Redact and shorten the message, which may quote a file or a library's error."""
        super().__init__(*(message(each) if isinstance(each, str) else each for each in said))


class RequestError(TunebenchError):
    """The request was wrong and nothing was run."""


class StudyError(RequestError):
    """A study file breaks a rule."""


class UnknownNameError(RequestError):
    """A name is not defined."""

    def __init__(self, what: str, name: str, known: Iterable[str], hint: str = "") -> None:
        """Write a message with the unknown name, the nearest known one and all known ones.

        Args:
            what: kind of thing, e.g. ``dataset``.
            name: unknown name.
            known: defined names.
            hint: sentence on how to add one.
        """
        self.name = name
        names = sorted(set(known))
        near = get_close_matches(name[:LONGEST_NAME], names[:MOST_COMPARED], n=1, cutoff=0.5)
        parts = [f"unknown {what} {name!r:.{LONGEST_NAME}}"]
        if near:
            parts.append(f"did you mean {near[0]!r:.{LONGEST_NAME}}?")
        parts.append(f"known: {printable(listed(names)) or 'none'}")
        if hint:
            parts.append(hint)
        super().__init__("; ".join(parts))


class DataError(RequestError):
    """A dataset cannot be reached or read."""


class ModelError(RequestError):
    """Weights or an architecture cannot be reached or read."""


class PluginError(RequestError):
    """A method file does not import or breaks the contract."""


class RunFolderError(RequestError):
    """An output folder cannot be used."""


class NewerSchemaError(RunFolderError):
    """A newer tunebench wrote the file; it is neither read nor replaced."""


class StoppedError(TunebenchError):
    """A study cannot go on; what was measured is kept."""


class CellError(TunebenchError):
    """One cell cannot go on."""


class UnsupportedError(CellError):
    """This method cannot adapt this model."""


class DivergedError(CellError):
    """The loss is no longer a finite number."""
