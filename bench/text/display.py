"""Foreign text that is shown: control characters are removed or spelt out, and a terminal reads no markup in it."""

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Not printable by Python's rules, yet part of words (Persian, Hindi) and of emoji.
JOINERS = "\u200c\u200d"
#: What stands for signs that a terminal's encoding lacks.
ASCII = str.maketrans({"†": "+", "‡": "++", "§": "#", "±": "+/-", "–": "-", "−": "-", "×": "x", "…": "..."})


def printable(text: str, limit: int | None = None) -> str:
    r"""Foreign text for one line of a message, its control characters spelt out, e.g. ``\x1b``.

    Args:
        text: any.
        limit: characters; a longer text is cut.
    """
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:limit])
    return shown if limit is None or len(text) <= limit else f"{shown}…"


def visible(text: str) -> str:
    r"""The text with every control character spelt out, e.g. ``\x1b``, and blanks of any kind as one."""
    text = re.sub(r"\s+", " ", text)
    return "".join(char if char in JOINERS else printable(char) for char in text)


def one_line(text: str, limit: int | None = None) -> str:
    """Text on one line, without control characters, shortened to a number of characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1].rstrip() + "…"


def for_terminal(text: str, console: "Console") -> "Text":
    """The text for a terminal: never read as markup, and in signs that the console's encoding has."""
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
        text: any.
        console: where to.
        style: style of the line, as rich reads it.
        lead: our own text before it, printed as it stands.
        fold: whether the line is folded at the console's width; else that is left to the terminal.
    """
    from rich.text import Text  # imported here: ``--help`` needs no rich

    overflow: Literal["fold"] | None = "fold" if fold else None
    console.print(Text(lead) + for_terminal(text, console), style=style, overflow=overflow, soft_wrap=not fold)
