"""What ``tunebench doctor`` says about the cached random weights, and how it removes them."""

from datetime import UTC, datetime

from bench.errors import RequestError, RunFolderError
from bench.model import weight_entries
from bench.text.message import message


def lines() -> list[str]:
    """The place, size and limit of the cache, and one line for each entry, most recently used first."""
    folder = weight_entries.weights_folder()
    try:
        found, limit = weight_entries.entries(), weight_entries.limit_bytes()
    except (OSError, RequestError) as error:
        return [message(f"cached weights: {folder}: {error}")]
    held = sum(entry.bytes for entry in found)
    count = f"{len(found)} {'entry' if len(found) == 1 else 'entries'}"
    first = f"cached weights: {folder}, {count}, {_size(held)} of at most {_size(limit)}"
    return [message(first), *(message(f"  {_described(entry)}") for entry in reversed(found))]


def cleared() -> str:
    """Remove all entries; returns a line about what was removed.

    Raises:
        RunFolderError: an entry cannot be removed.
    """
    folder = weight_entries.weights_folder()
    try:
        count, removed = weight_entries.clear()
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be emptied: {error.strerror}; remove the folder yourself") from None
    return message(f"removed {count} {'entry' if count == 1 else 'entries'}, {_size(removed)}, from {folder}")


def _described(entry: weight_entries.Entry) -> str:
    used = datetime.fromtimestamp(entry.used_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{entry.path.name.removesuffix('.safetensors')[:16]}: {_size(entry.bytes)}, last used {used}"


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
