"""Tokens and texts that each expert gets more often than other experts do.

Both are ranked by lift: the share of the choices of a token (or text) that go to the expert, over the share of all
choices that go to it. Only lifts above 1 are listed.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.method import Examples, Insight

from .association import count_choices, share_and_lift
from .observe import Observed
from .random_router import BESIDE, caption_of, highest_lift
from .values import Value, columns, number, one_line, visible

MIN_COUNT = 10
MIN_TOKENS = 5
MAX_TOKENS_LISTED = 15
MAX_TEXTS_LISTED = 5
MAX_CHARACTERS = 300


def preferred_tokens(observed: Observed, examples: Examples) -> Insight | None:
    """A table of the tokens with the highest lift for each layer and expert; None if there are none."""
    ids, kinds, seen = np.unique(observed.token_ids, return_inverse=True, return_counts=True)
    allowed = (seen >= MIN_COUNT) & ~np.isin(ids, list(examples.special_ids))

    def rows() -> Iterator[tuple[Value, ...]]:
        for layer in observed.layers:
            counts = count_choices(kinds, layer.chosen, len(ids), observed.num_experts)
            random = highest_lift(kinds, layer.random_chosen, len(ids), observed.num_experts)
            for expert, rank, kind, share, lift in _ranked(counts, seen, allowed, MAX_TOKENS_LISTED):
                token = visible(examples.token(int(ids[kind])))
                yield layer.name, expert, rank, token, int(seen[kind]), share, lift, *random.beside(lift, kind)

    table = columns(("layer", "expert", "rank", "token", "count", "share", "lift", *BESIDE), rows())
    if not table["layer"]:
        return None
    return Insight(
        name="preferred_tokens",
        title="Tokens that each expert is sent more often than others",
        caption=f"For each expert, up to {MAX_TOKENS_LISTED} tokens with the highest lift, if above 1: the share of "
        "the token's choices that go to the expert, over the share of all choices that go to it. Listed are tokens "
        f"that occur at least {MIN_COUNT} times, {int(allowed.sum()):,} of {len(ids):,} different ones in "
        f"n = {len(observed.token_ids):,} tokens of {len(examples.texts):,} texts of the {examples.split} split; "
        "special tokens are left out. Of equal lifts the more frequent token comes first. "
        f"{caption_of('the highest lift of the token')}",
        columns=table,
    )


def preferred_examples(observed: Observed, examples: Examples, counts: NDArray[np.int64]) -> Insight | None:
    """A table of the texts with the highest lift for each layer and expert; None if there are none.

    Args:
        observed: routing of M texts.
        examples: the M texts.
        counts: choices of each text by layer and expert, [M, R, E].
    """
    seen = np.bincount(observed.text_of_token, minlength=len(examples.texts))
    allowed = seen >= MIN_TOKENS

    def rows() -> Iterator[tuple[Value, ...]]:
        for place, layer in enumerate(observed.layers):
            random = highest_lift(observed.text_of_token, layer.random_chosen, len(seen), observed.num_experts)
            for expert, rank, text, share, lift in _ranked(counts[:, place], seen, allowed, MAX_TEXTS_LISTED):
                label = visible(observed.label_names[observed.labels[text]])
                shown = one_line(examples.texts[text], MAX_CHARACTERS)
                numbers = share, lift, *random.beside(lift, text)
                yield layer.name, expert, rank, examples.rows[text], shown, label, *numbers

    table = columns(("layer", "expert", "rank", "row", "text", "class", "share", "lift", *BESIDE), rows())
    if not table["layer"]:
        return None
    return Insight(
        name="preferred_examples",
        title="Texts that are sent to each expert more than others",
        caption=f"For each expert, up to {MAX_TEXTS_LISTED} texts with the highest lift, if above 1: the share of the "
        "text's choices that go to the expert, over the share of all choices that go to it. Listed are texts of at "
        f"least {MIN_TOKENS} tokens, special ones counted: {int(allowed.sum()):,} of n = {len(examples.texts):,} texts "
        f"of the {examples.split} split, cut at {MAX_CHARACTERS} characters; row counts the split's texts from 0. Of "
        f"equal lifts the longer text comes first. {caption_of('the highest lift of the text')}",
        columns=table,
    )


def _ranked(
    counts: NDArray[np.int64], seen: NDArray[np.int64], allowed: NDArray[np.bool_], limit: int
) -> Iterator[tuple[int, int, int, float | None, float | None]]:
    """Expert, rank from 1, group, share and lift of each expert's first ``limit`` groups.

    Args:
        counts: choices by group and expert, [G, E].
        seen: tokens of each group, [G]; equal lifts are ordered by more tokens, then by lower group.
        allowed: whether each group is ranked, [G].
        limit: maximum number of groups per expert.
    """
    shares, lifts = share_and_lift(counts)
    for expert in range(counts.shape[1]):
        groups = np.flatnonzero(allowed & (lifts[:, expert] > 1))
        order = np.lexsort((groups, -seen[groups], -lifts[groups, expert]))[:limit]
        for rank, group in enumerate(groups[order].tolist(), start=1):
            yield expert, rank, group, number(shares[group, expert]), number(lifts[group, expert])
