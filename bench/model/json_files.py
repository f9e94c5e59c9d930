"""The JSON files of a model's folder that other libraries read, of which they take the last of two equal keys."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from bench.errors import ModelError
from bench.study.models import config_content
from bench.text.json_text import loads

#: Whatever of a model's settings, tokenizer and weights is read.
READ = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "chat_template.json", "*.index.json",
)  # fmt: skip
#: As long as safetensors lets a header be.
LONGEST_HEADER_BYTES = 100_000_000


@cache  # a study has many cells of one model
def require_plain_json(name: str, folder: Path, weights: bool = True) -> None:
    """Look at the JSON files of a model's folder, and at the headers of its weights, before anything is loaded.

    Args:
        name: of the model, for messages.
        folder: of the model.
        weights: they are read too.

    Raises:
        ModelError: one is no JSON table, or has a key twice, of which nobody can tell which one is meant.
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
    """Those that are there; what is none, such as a pipe, may have no end."""
    return sorted(path for pattern in patterns for path in folder.glob(pattern) if path.is_file())


def _header(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(min(int.from_bytes(handle.read(8), "little"), LONGEST_HEADER_BYTES))
