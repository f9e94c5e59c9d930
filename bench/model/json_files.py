"""Check the JSON files of a model's folder before other libraries read them, which accept duplicate keys."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from bench.errors import ModelError
from bench.study.models import config_content
from bench.text.json_text import loads

#: Files that are read of a model's settings, tokenizer and weights.
READ = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "chat_template.json", "*.index.json",
)  # fmt: skip
#: Maximum length of a header in safetensors.
LONGEST_HEADER_BYTES = 100_000_000


@cache  # a study has many cells with the same model
def require_plain_json(name: str, folder: Path, weights: bool = True) -> None:
    """Check the JSON files of a model's folder, and the headers of its weights.

    Args:
        name: name of the model, for messages.
        folder: folder of the model.
        weights: whether the weights are read too.

    Raises:
        ModelError: a file is not a JSON object, or has a duplicate key.
    """
    for path in _files(folder, READ):
        config_content(name, path)
    for path in _files(folder, ("*.safetensors",)) if weights else ():
        try:
            loads(_header(path))
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(
                f"model {name}: {path}: its header cannot be read: {type(error).__name__}: {error}"
            ) from None


def _files(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """The existing regular files; a pipe may have no end."""
    return sorted(path for pattern in patterns for path in folder.glob(pattern) if path.is_file())


def _header(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(min(int.from_bytes(handle.read(8), "little"), LONGEST_HEADER_BYTES))
