"""Data and text embedded in a page, and its Content-Security-Policy."""

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

#: JSON escapes of characters that could end a script element or a line of script.
ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
#: Maximum length of a text in characters; texts of a record have no limit.
LONGEST_TEXT = 20_000
CUT = " … (cut here)"


def json_in_html(value: Any) -> Markup:
    """The value as JSON for a script element.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.translate(ESCAPES))  # no character with a meaning in HTML is left


def clean(value: Any) -> Any:
    """Replace control characters, direction marks and lone surrogates by spaces in all texts of a value.

    Line feeds stay. A text over LONGEST_TEXT characters is cut and marked with CUT.
    """
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(key): clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [clean(inner) for inner in value]
    return value


def clean_text(text: str) -> str:
    """Clean one text as ``clean`` does."""
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT] + CUT
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """A Content-Security-Policy that allows these scripts and styles, and no other code, request or form.

    Args:
        scripts: exact texts of the page's scripts.
        styles: exact texts of the page's styles.
    """
    allowed = {"script-src": scripts, "style-src": styles}
    parts = [f"{what} {' '.join(map(_hash, texts))}" for what, texts in allowed.items()]
    # Images that are saved or drawn on a canvas have data: addresses.
    closed = ("default-src 'none'", *parts, "img-src data:", "base-uri 'none'", "form-action 'none'")
    return "; ".join(closed)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
