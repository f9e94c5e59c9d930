"""Make foreign text safe to display: control characters are removed or escaped, and markup is not interpreted."""

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Zero-width joiners: Python calls them unprintable, but words (Persian, Hindi) and emoji contain them.
JOINERS = "\u200c\u200d"
#: Replacements for characters that a terminal's encoding lacks.
ASCII = str.maketrans({"†": "+", "‡": "++", "§": "#", "±": "+/-", "–": "-", "−": "-", "×": "x", "…": "..."})


def printable(text: str, limit: int | None = None) -> str:
    r"""Escape control characters, e.g. as ``\x1b``, so that the text fits into one line of a message.

    Args:
        text: foreign text.
        limit: maximum length in characters; a longer text is cut.
    """
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:limit])
    return shown if limit is None or len(text) <= limit else f"{shown}…"


def visible(text: str) -> str:
    r"""Escape control characters, e.g. as ``\x1b``, and collapse whitespace to single blanks."""
    text = re.sub(r"\s+", " ", text)
    return "".join(char if char in JOINERS else printable(char) for char in text)


def one_line(text: str, limit: int | None = None) -> str:
    """The text on one line, without control characters, cut to ``limit`` characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1].rstrip() + "…"


def for_terminal(text: str, console: "Console") -> "Text":
    """The text for a terminal: not interpreted as markup, and limited to the characters of the console's encoding."""
    from rich.text import Text  # imported here: ``--help`` needs no rich

    shown = visible(text)
    try:
        shown.encode(console.encoding)
    except UnicodeEncodeError:
        shown = shown.translate(ASCII).encode(console.encoding, "backslashreplace").decode(console.encoding)
    return Text(shown)


def say(text: str, console: "Console", style: str = "", *, lead: str = "", fold: bool = False) -> None:
    """Print foreign text on one line.

    Args:
        text: foreign text.
        console: output console.
        style: rich style of the line.
        lead: trusted text before it, printed unchanged.
        fold: whether to fold the line at the console's width; otherwise the terminal does.
    """
    from rich.text import Text  # imported here: ``--help`` needs no rich

    overflow: Literal["fold"] | None = "fold" if fold else None
    console.print(Text(lead) + for_terminal(text, console), style=style, overflow=overflow, soft_wrap=not fold)
