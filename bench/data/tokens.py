"""Texts to token ids: once, then cached by content."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

CACHE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of many texts, end to end.

    Attributes:
        ids: int32, shape (tokens of all texts,).
        offsets: int64, shape (texts + 1,): text i is ``ids[offsets[i]:offsets[i + 1]]``.
        truncated: number of texts that max_length cut.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    truncated: int

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, shape (texts,)."""
        return np.diff(self.offsets)


def cache_folder() -> Path:
    """Where token ids are kept: ``$TUNEBENCH_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("TUNEBENCH_CACHE") or platformdirs.user_cache_dir("tunebench"))


def tokenise(texts: list[str], tokenizer: Any, max_length: int, *, alone: bool = True) -> Tokens:
    """Token ids, truncated to ``max_length`` tokens.

    Args:
        texts: the texts.
        tokenizer: a fast one.
        max_length: in tokens.
        alone: with the tokenizer's special tokens; if not, a text is to stand inside a prompt, and what looks like a
            special token in it is taken for the plain characters that it is.

    The result is cached under a hash of the texts, the tokenizer's whole definition and the length; a cache that cannot
    be read or written costs time and nothing else.
    """
    path = cache_folder() / "tokens" / f"{_key(texts, tokenizer, max_length, alone)}.safetensors"
    try:
        kept = load_file(path)
        return Tokens(kept["ids"], kept["offsets"], int(kept["truncated"][0]))
    except (OSError, SafetensorError, KeyError):
        pass
    tokens = _tokenise(texts, tokenizer, max_length, alone)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        content: dict[str, NDArray[Any]] = {
            "ids": tokens.ids,
            "offsets": tokens.offsets,
            "truncated": np.array([tokens.truncated]),
        }
        save_file(content, aside)
        aside.replace(path)
    except (OSError, SafetensorError):
        pass
    return tokens


def spans(text: str, tokenizer: Any, max_length: int, *, alone: bool = True) -> list[tuple[int, int]]:
    """Where each token that ``tokenise`` makes of a text stands in it: start and end in characters.

    The two are equal for a special token. Tokens that are bytes of one character all stand where it does.
    """
    encoded = tokenizer(text, max_length=max_length, return_offsets_mapping=True, **_how(alone))
    return [(int(start), int(end)) for start, end in encoded["offset_mapping"]]


def _how(alone: bool) -> dict[str, bool]:
    how = {"truncation": True, "return_attention_mask": False}
    return how | ({} if alone else {"add_special_tokens": False, "split_special_tokens": True})


def _tokenise(texts: list[str], tokenizer: Any, max_length: int, alone: bool) -> Tokens:
    how = _how(alone)
    # One token more than allowed tells which texts are cut, without a second full pass over the long ones.
    longer = tokenizer(texts, max_length=max_length + 1, **how)["input_ids"]
    truncated = sum(len(ids) > max_length for ids in longer)
    rows = longer
    if truncated:
        rows = tokenizer(texts, max_length=max_length, **how)["input_ids"]
    lengths = np.fromiter((len(ids) for ids in rows), dtype=np.int64, count=len(rows))
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    flat = np.fromiter((token for ids in rows for token in ids), dtype=np.int32, count=int(offsets[-1]))
    return Tokens(flat, offsets, truncated)


def _key(texts: list[str], tokenizer: Any, max_length: int, alone: bool) -> str:
    digest = hashlib.sha256(
        f"{CACHE_VERSION} {max_length} {type(tokenizer).__name__}{'' if alone else ' inside'}\n".encode()
    )
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()  # what an earlier call set is no part of the definition; the next call sets it anew
    backend.no_padding()
    digest.update(backend.to_str().encode())
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d " % len(data))
        digest.update(data)
    return digest.hexdigest()
