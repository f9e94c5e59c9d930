"""JSON that comes from elsewhere: as ``json.loads`` reads it, but no key of an object may stand there twice."""

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


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise ValueError(f"key {twice!r:.80} stands there twice; name each once")
    return found
