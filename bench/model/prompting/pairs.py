"""Two texts as one, each behind its column's name: for prompts, and for tokenizers that put nothing between texts."""

from collections.abc import Sequence
from typing import Any

Columns = tuple[str, str]


def shown(columns: Columns, text: str, pair: str) -> str:
    """Both texts of a pair, a line each."""
    return f"{columns[0]}: {text}\n{columns[1]}: {pair}"


def parts_texts(tokenizer: Any) -> bool:
    """Whether a tokenizer puts a special token between the texts of a pair."""
    single, pair = (tokenizer.num_special_tokens_to_add(pair=pair) for pair in (False, True))
    return bool(pair > single)


def fitted(
    columns: Columns, texts: Sequence[str], pairs: Sequence[str], tokenizer: Any, max_tokens: int, *, alone: bool
) -> tuple[list[str], int]:
    """Both texts of each pair as one that has no more tokens than allowed; the longer of the two loses its end first.

    Args:
        columns: names of the two.
        texts: the first of each pair.
        pairs: the second of each.
        tokenizer: a fast one.
        max_tokens: of the whole.
        alone: see ``bench.data.tokens.tokenise``.

    Returns:
        The texts, and how many were cut.
    """
    whole = [shown(columns, text, pair) for text, pair in zip(texts, pairs, strict=True)]
    lengths = _lengths(tokenizer, whole, alone) if whole else []
    long = [at for at, length in enumerate(lengths) if length > max_tokens]
    for at in long:
        whole[at] = _cut(columns, texts[at], pairs[at], tokenizer, max_tokens, alone)
    return whole, len(long)


def _lengths(tokenizer: Any, texts: list[str], alone: bool) -> list[int]:
    how = {} if alone else {"add_special_tokens": False, "split_special_tokens": True}
    encoded = tokenizer(texts, return_attention_mask=False, verbose=False, **how)
    return [len(ids) for ids in encoded["input_ids"]]


def _cut(columns: Columns, text: str, pair: str, tokenizer: Any, max_tokens: int, alone: bool) -> str:
    """What is too much is told by the whole's tokens, since a text may have others alone than behind a name."""
    more = 0  # of tries: a character of several tokens goes as one
    while over := max(0, _lengths(tokenizer, [shown(columns, text, pair)], alone)[0] - max_tokens):
        if not text and not pair:
            break  # the names alone are too long; the tokenizer will cut them
        ends, other_ends = _ends(tokenizer, text), _ends(tokenizer, pair)
        kept, other = longest_first(len(ends), len(other_ends), over + more)
        text = text[: ends[kept - 1]] if kept else ""
        pair = pair[: other_ends[other - 1]] if other else ""
        more += 1
    return shown(columns, text, pair)


def longest_first(first: int, second: int, over: int) -> tuple[int, int]:
    """What is left of two lengths once so many are taken off the longer, and then off both in turn; at least 0."""
    from_longer = min(over, abs(first - second))
    if first > second:
        first -= from_longer
    else:
        second -= from_longer
    rest = over - from_longer
    return max(0, first - rest // 2), max(0, second - (rest + 1) // 2)


def _ends(tokenizer: Any, text: str) -> list[int]:
    """Where each token of a text ends, in characters."""
    encoded = tokenizer(
        text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True, verbose=False
    )
    return [int(end) for _, end in encoded["offset_mapping"]]
