"""Text of others, made fit to be shown: never a control character, and on a terminal never markup."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def printable(text: str, limit: int | None = None) -> str:
    r"""Text from elsewhere, fit for a line of a message: what a terminal would obey is spelled out, e.g. ``\x1b``.

    Args:
        text: any.
        limit: characters; a longer text is cut.
    """
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:limit])
    return shown if limit is None or len(text) <= limit else f"{shown}…"


#: Not printable by Python's rules, yet part of words (Persian, Hindi) and of emoji.
JOINERS = "\u200c\u200d"


def visible(text: str) -> str:
    r"""The text with every control character spelled out, e.g. ``\x1b``, and blanks of any kind as one."""
    text = re.sub(r"\s+", " ", text)
    return "".join(
        char if char.isprintable() or char in JOINERS else char.encode("unicode_escape").decode() for char in text
    )


def one_line(text: str, limit: int | None = None) -> str:
    """Text on one line, without control characters, shortened to a number of characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1].rstrip() + "…"


def for_terminal(text: str, console: "Console") -> "Text":
    """The text for a terminal: never read as markup, and as far as the console's encoding can say it."""
    from rich.text import Text  # imported here: ``--help`` needs no rich

    return Text(visible(text).encode(console.encoding, "backslashreplace").decode(console.encoding))
