"""JSON: read so that no key of an object stands there twice, and written for programs."""

import json
from collections import Counter
from typing import Any


def loads(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, or an object has a key twice, of which nobody can tell which one is meant.
        RecursionError: it is nested beyond what Python reads.
    """
    return json.loads(text, object_pairs_hook=_each_once)


def dumps(content: Any) -> str:
    """The content as a JSON text for programs and files; NaN and infinity are refused.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise ValueError(f"key {twice!r:.80} stands there twice; name each once")
    return found
