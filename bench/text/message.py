"""Text of messages and errors, also those of libraries and plugins: redacted and limited in length."""

import sys
import traceback
from collections.abc import Collection, Iterable

from bench.text.redaction import redacted

#: Maximum characters of a message, of one value in it, and of a traceback.
LONGEST_MESSAGE, LONGEST_VALUE, LONGEST_TRACEBACK = 8000, 200, 100_000
#: Maximum number of names that a message lists, and maximum characters of one.
MOST_NAMES, LONGEST_NAME = 50, 100
#: Characters; of a longer text only the two ends are searched for credentials.
_SEARCHED = 100_000


def message(text: str, limit: int = LONGEST_MESSAGE, secrets: Iterable[str] | None = None) -> str:
    """The text without credentials; a long one loses its middle, because the end says what to do.

    Args:
        text: text of any length.
        limit: maximum length in characters.
        secrets: see ``redacted``.
    """
    searched = max(_SEARCHED, 2 * limit)  # a credential that this cuts in two lies in the part that is left out below
    return shortened(redacted(shortened(text, searched), secrets), limit)


def shortened(text: str, limit: int = LONGEST_VALUE) -> str:
    """The text cut to ``limit`` characters: two thirds of them from its start, the rest from its end."""
    if len(text) <= limit:
        return text
    left_out = f" […{len(text) - limit} characters left out…] "
    room = limit - len(left_out)
    if room < len(left_out):  # the note would be longer than the text that remains
        return f"{text[: limit - 1]}…"
    end = room // 3
    return f"{text[: room - end]}{left_out}{text[-end:]}"


def said(error: BaseException) -> str:
    """The message of an error, also where the error's ``__str__`` fails."""
    try:
        return message(str(error))
    except BaseException as failure:  # the ``__str__`` of a plugin's error may raise anything
        return f"(its message cannot be read: {type(failure).__name__})"


def listed(names: Collection[object], most: int = MOST_NAMES) -> str:
    """The first names in order, long ones shortened, and how many more there are.

    Args:
        names: names, or objects whose text is a name.
        most: maximum number of names listed.
    """
    first = [shortened(str(name), LONGEST_NAME) for name, _ in zip(names, range(most), strict=False)]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(first)}{more}"


def kind_of(error: BaseException) -> str:
    """The name of an error's class, shortened because a plugin may choose any length."""
    return shortened(type(error).__name__)


def traceback_of(error: BaseException) -> str:
    """The traceback of an error, redacted and limited in length."""
    try:
        lines = "".join(traceback.format_exception(error))
    except Exception:  # the ``__str__`` of a plugin's error may raise
        lines = f"{''.join(traceback.format_tb(error.__traceback__))}{kind_of(error)}: {said(error)}\n"
    return message(lines, LONGEST_TRACEBACK)


def print_error(error: BaseException) -> None:
    """Print the traceback of an error to stderr."""
    sys.stderr.write(traceback_of(error))
