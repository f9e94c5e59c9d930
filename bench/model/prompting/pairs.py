"""Two texts joined into one, each after its column's name: for prompts, and for tokenizers without a separator."""

from collections.abc import Sequence
from typing import Any

Columns = tuple[str, str]


def shown(columns: Columns, text: str, pair: str) -> str:
    """Both texts of a pair, one per line."""
    return f"{columns[0]}: {text}\n{columns[1]}: {pair}"


def parts_texts(tokenizer: Any) -> bool:
    """Whether a tokenizer puts a special token between the texts of a pair."""
    single, pair = (tokenizer.num_special_tokens_to_add(pair=pair) for pair in (False, True))
    return bool(pair > single)


def fitted(
    columns: Columns, texts: Sequence[str], pairs: Sequence[str], tokenizer: Any, max_tokens: int, *, alone: bool
) -> tuple[list[str], int]:
    """Join the texts of each pair within a limit of tokens; the longer text is cut first.

    Args:
        columns: column names of the two texts.
        texts: first text of each pair.
        pairs: second text of each pair.
        tokenizer: fast tokenizer.
        max_tokens: maximum number of tokens of the joined text.
        alone: see ``bench.data.tokens.tokenise``.

    Returns:
        The joined texts, and how many were cut.
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
    """Cut by the tokens of the joined text, since a text may be tokenised differently after a name."""
    more = 0  # grows with each try, since a character may have several tokens
    while over := max(0, _lengths(tokenizer, [shown(columns, text, pair)], alone)[0] - max_tokens):
        if not text and not pair:
            break  # the names alone are too long; the tokenizer cuts them
        ends, other_ends = _ends(tokenizer, text), _ends(tokenizer, pair)
        kept, other = longest_first(len(ends), len(other_ends), over + more)
        text = text[: ends[kept - 1]] if kept else ""
        pair = pair[: other_ends[other - 1]] if other else ""
        more += 1
    return shown(columns, text, pair)


def longest_first(first: int, second: int, over: int) -> tuple[int, int]:
    """Two lengths after taking ``over`` off the longer one and, once they are equal, off both in turn; at least 0."""
    from_longer = min(over, abs(first - second))
    if first > second:
        first -= from_longer
    else:
        second -= from_longer
    rest = over - from_longer
    return max(0, first - rest // 2), max(0, second - (rest + 1) // 2)


def _ends(tokenizer: Any, text: str) -> list[int]:
    """End of each token of a text, in characters."""
    encoded = tokenizer(
        text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True, verbose=False
    )
    return [int(end) for _, end in encoded["offset_mapping"]]
