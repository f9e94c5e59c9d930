"""Strict JSON: duplicate keys are refused when reading, NaN and infinity when writing."""

import json
from collections import Counter
from typing import Any


def loads(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: the text is not JSON, or an object has a duplicate key.
        RecursionError: it is nested too deeply for Python.
    """
    return json.loads(text, object_pairs_hook=_each_once)


def dumps(content: Any) -> str:
    """The content as JSON text that ends with a newline.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise ValueError(f"key {twice!r:.80} appears twice; give each key once")
    return found
