"""What is said to people, or kept of what a library or a plugin said: without credentials, and never endless."""

import sys
import traceback
from collections.abc import Collection, Iterable

from bench.text.redaction import redacted

#: Characters of a whole message, of one value in it, and of a traceback.
LONGEST_MESSAGE, LONGEST_VALUE, LONGEST_TRACEBACK = 8000, 200, 100_000
#: Names that a message lists, and characters of one.
MOST_NAMES, LONGEST_NAME = 50, 100
#: Of a longer text only the two ends are looked at for credentials.
_LOOKED_AT = 100_000


def message(text: str, limit: int = LONGEST_MESSAGE, secrets: Iterable[str] | None = None) -> str:
    """The text without credentials, its middle left out where it is long: what to do stands at the end.

    Args:
        text: any, be it of gigabytes.
        limit: characters.
        secrets: see ``redacted``.
    """
    looked_at = max(_LOOKED_AT, 2 * limit)  # a credential that this cuts in two is left out afterwards
    return shortened(redacted(shortened(text, looked_at), secrets), limit)


def shortened(text: str, limit: int = LONGEST_VALUE) -> str:
    """Text of at most so many characters: of a longer one two thirds from its start and the rest from its end."""
    if len(text) <= limit:
        return text
    left_out = f" […{len(text) - limit} characters left out…] "
    room = limit - len(left_out)
    if room < len(left_out):  # what is left out would take more room than what is shown
        return f"{text[: limit - 1]}…"
    end = room // 3
    return f"{text[: room - end]}{left_out}{text[-end:]}"


def said(error: BaseException) -> str:
    """What an error of others says of itself, be it that it cannot even say that."""
    try:
        return message(str(error))
    except BaseException as failure:  # a plugin's error may raise anything while it is asked for its words
        return f"(its message cannot be read: {type(failure).__name__})"


def listed(names: Collection[object], most: int = MOST_NAMES) -> str:
    """The first names in their order, long ones shortened, and how many more there are.

    Args:
        names: names, or what has one as its text.
        most: number of names that are listed.
    """
    first = [shortened(str(name), LONGEST_NAME) for name, _ in zip(names, range(most), strict=False)]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(first)}{more}"


def kind_of(error: BaseException) -> str:
    """The name of an error's class, which a plugin may have made as long as it likes."""
    return shortened(type(error).__name__)


def traceback_of(error: BaseException) -> str:
    """Where an error came from, as ``traceback.format_exc`` says it, without credentials and never endless."""
    try:
        lines = "".join(traceback.format_exception(error))
    except Exception:  # a plugin's error may raise while it is asked for its words
        lines = f"{''.join(traceback.format_tb(error.__traceback__))}{kind_of(error)}: {said(error)}\n"
    return message(lines, LONGEST_TRACEBACK)


def print_error(error: BaseException) -> None:
    """Print where an error came from."""
    sys.stderr.write(traceback_of(error))
