"""Token ids of texts, cached by content."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tokenizers
import transformers
from numpy.typing import NDArray

from bench.data.array_cache import cache_folder, read_cached, write_cached
from bench.data.tokenizer_panic import panics_are_errors
from bench.errors import ModelError
from bench.record.notices import doing
from bench.text.display import printable

CACHE_VERSION = 3
#: Settings of a loaded tokenizer that locate its files, whose content is part of its definition.
PLACES = {"name_or_path", "is_local", "local_files_only", "special_tokens_map_file"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Concatenated token ids of many texts.

    Attributes:
        ids: int32, shape (tokens of all texts,).
        offsets: int64, shape (texts + 1,): text i is ``ids[offsets[i]:offsets[i + 1]]``.
        truncated: number of texts cut to max_length.
        types: int8, shape (tokens of all texts,): 0 on the first text of a pair and 1 on the second; special tokens as
            the tokenizer marks them. None for single texts, and if the tokenizer does not distinguish the two.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    truncated: int
    types: NDArray[np.int8] | None = None

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of tokens of each text, shape (texts,)."""
        return np.diff(self.offsets)


def tokenise(
    texts: list[str], tokenizer: Any, max_length: int, *, alone: bool = True, pairs: list[str] | None = None
) -> Tokens:
    """Token ids, truncated to ``max_length`` tokens; in a pair the longer text is cut first.

    The result is cached under a hash of the texts, the length and every part of the tokenizer that affects ids.

    Args:
        texts: single texts, or the first text of each pair.
        tokenizer: fast tokenizer.
        max_length: maximum number of tokens.
        alone: whether to add the tokenizer's special tokens. If not, the text will stand inside a prompt, and special
            tokens spelt out in it are read as plain characters.
        pairs: second text of each pair; None for single texts.

    Raises:
        ModelError: the tokenizer fails, or its special tokens alone exceed ``max_length``.
    """
    path = cache_folder() / "tokens" / f"{_key(texts, tokenizer, max_length, alone, pairs)}.safetensors"
    if (found := read_cached(path)) is not None:
        return Tokens(found["ids"], found["offsets"], int(found["truncated"][0]), found.get("types"))
    name = printable(str(getattr(tokenizer, "name_or_path", "")), 300)
    what = f"tokenising {len(texts)} texts with the tokenizer of {name}"
    with doing(what), panics_are_errors(what):
        tokens = _tokenise(texts, tokenizer, max_length, alone, pairs)
    if len(tokens.lengths) and tokens.lengths.max() > max_length:
        raise ModelError(
            f"{what}: a text must have at most {max_length} tokens, got {tokens.lengths.max()}: the tokenizer's "
            "special tokens alone exceed the limit; raise data.max_length, or use another tokenizer"
        )
    types = {} if tokens.types is None else {"types": tokens.types}
    write_cached(
        path, {"ids": tokens.ids, "offsets": tokens.offsets, "truncated": np.array([tokens.truncated]), **types}
    )
    return tokens


def require_known(tokens: Tokens, vocabulary: int, where: str) -> None:
    """Require that a model has an embedding for every token.

    Args:
        tokens: token ids of the texts.
        vocabulary: number of embeddings.
        where: start of messages.

    Raises:
        ModelError: a token has no embedding.
    """
    if tokens.ids.size and not 0 <= tokens.ids.min() <= tokens.ids.max() < vocabulary:
        wrong = tokens.ids.max() if tokens.ids.max() >= vocabulary else tokens.ids.min()
        raise ModelError(
            f"{where}: its tokenizer produces token id {wrong}, but its embeddings have ids 0 to {vocabulary - 1}; use "
            "the tokenizer that the model was trained with"
        )


def spans(text: str, tokenizer: Any, max_length: int, *, alone: bool = True) -> list[tuple[int, int]]:
    """Start and end in characters of each token that ``tokenise`` produces for a text.

    Both are equal for a special token. Tokens that are bytes of one character share its span.
    """
    encoded = tokenizer(text, max_length=max_length, return_offsets_mapping=True, **_how(alone))
    return [(int(start), int(end)) for start, end in encoded["offset_mapping"]]


def _how(alone: bool) -> dict[str, bool]:
    how = {"truncation": True, "return_attention_mask": False}
    return how | ({} if alone else {"add_special_tokens": False, "split_special_tokens": True})


def _tokenise(texts: list[str], tokenizer: Any, max_length: int, alone: bool, pairs: list[str] | None) -> Tokens:
    how = _how(alone)
    both = (texts,) if pairs is None else (texts, pairs)
    if pairs is not None:
        how["return_token_type_ids"] = True
    # One token more than allowed shows which texts are cut, without tokenising long ones in full.
    encoded = tokenizer(*both, max_length=max_length + 1, **how)
    truncated = sum(len(ids) > max_length for ids in encoded["input_ids"])
    if truncated:
        encoded = tokenizer(*both, max_length=max_length, **how)
    rows = encoded["input_ids"]
    lengths = np.fromiter((len(ids) for ids in rows), dtype=np.int64, count=len(rows))
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    flat = np.fromiter((token for ids in rows for token in ids), dtype=np.int32, count=int(offsets[-1]))
    if pairs is None:
        return Tokens(flat, offsets, truncated)
    marks = (mark for marks in encoded["token_type_ids"] for mark in marks)
    types = np.fromiter(marks, dtype=np.int8, count=int(offsets[-1]))
    return Tokens(flat, offsets, truncated, types if types.any() else None)


def _key(texts: list[str], tokenizer: Any, max_length: int, alone: bool, pairs: list[str] | None) -> str:
    digest = hashlib.sha256(f"{CACHE_VERSION} {max_length}{'' if alone else ' inside'}\n".encode())
    if pairs is not None:
        digest.update(b"pairs\n")
    for part in (*_definition(tokenizer), *texts, *(pairs or ())):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d " % len(data))
        digest.update(data)
    return digest.hexdigest()


def _definition(tokenizer: Any) -> Iterator[str]:
    """Every part of a tokenizer that affects ids: code, arguments, truncation and padding sides, and loaded backend."""
    yield f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}"
    yield f"{type(tokenizer).__module__}.{type(tokenizer).__qualname__}"
    yield f"{tokenizer.truncation_side} {tokenizer.padding_side}"
    places = PLACES | set(tokenizer.vocab_files_names)
    arguments = {name: value for name, value in tokenizer.init_kwargs.items() if name not in places}
    yield json.dumps([arguments, tokenizer.special_tokens_map], sort_keys=True, default=repr)
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()  # state of an earlier call, which the next call sets again
    backend.no_padding()
    yield backend.to_str()
