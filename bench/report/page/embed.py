"""What a page may hold: data as JSON inside of it, text without what prints nothing, and the policy it runs under."""

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

#: What could end the script element that holds JSON, or a line of script, by its escape in JSON.
ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
#: Characters of the longest text that is kept; a record may hold any.
LONGEST_TEXT = 20_000
CUT = " … (cut here)"


def json_in_html(value: Any) -> Markup:
    """The value as JSON that stands in a script element; NaN is an error."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.translate(ESCAPES))  # nothing is left of it that HTML reads


def clean(value: Any) -> Any:
    """The same lists and tables; their texts without control characters, marks of direction and half characters.

    Line feeds stay. A very long text is cut and says so.
    """
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(key): clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [clean(inner) for inner in value]
    return value


def clean_text(text: str) -> str:
    """As ``clean``, of one text."""
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT] + CUT
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """A Content-Security-Policy: these scripts and styles run, and nothing else is run, asked for or sent.

    Args:
        scripts: that the page holds, each to the letter.
        styles: likewise.
    """
    allowed = {"script-src": scripts, "style-src": styles}
    parts = [f"{what} {' '.join(map(_hash, texts))}" for what, texts in allowed.items()]
    # A picture that is saved or drawn on a canvas is a data: address.
    closed = ("default-src 'none'", *parts, "img-src data:", "base-uri 'none'", "form-action 'none'")
    return "; ".join(closed)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
