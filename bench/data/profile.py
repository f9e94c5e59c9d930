"""Filler texts with the lengths of a real dataset, for studies that measure only resources.

The cost of a model with random weights depends on the length of its texts and not on their content. If the real texts
are not available, a recorded profile of their lengths gives texts of the same cost: common words, drawn at random.
Texts and labels are meaningless, so quality measured on them means nothing.
"""

import numpy as np

from bench.study.datasets import PERCENTS, LengthProfile, SplitName

SPLIT_SEEDS: dict[SplitName, int] = {"train": 0, "validation": 1, "test": 2}


#: Words that are one token in any vocabulary that covers English, as is the comma that may follow one.
FILLER = (
    "the", "of", "and", "in", "a", "to", "with", "at", "by", "from", "on", "for", "as", "that", "this", "it",
    "day", "time", "year", "week", "hour", "place", "house", "street", "city", "room", "door", "table", "book",
    "paper", "name", "number", "line", "side", "part", "point", "group", "hand", "water", "road", "field", "work",
    "was", "had", "were", "said", "made", "came",
)  # fmt: skip


def generate(profile: LengthProfile, split: SplitName) -> tuple[list[str], list[int]]:
    """Filler texts and labels with the number, lengths and label frequencies of a profile.

    Lengths are spread evenly over the quantiles, with linear interpolation, so that they follow the profile without
    sampling noise. Commas raise the average number of tokens per word above one. The same profile and split give the
    same rows in every process.
    """
    rng = np.random.default_rng(SPLIT_SEEDS[split])
    labels = rng.permutation(np.repeat(np.arange(len(profile.label_counts)), profile.label_counts))
    percents = (np.arange(len(labels)) + 0.5) * 100 / len(labels)
    lengths = rng.permutation(np.rint(np.interp(percents, PERCENTS, profile.words)).astype(np.int64))
    ends = np.cumsum(lengths)
    chosen = rng.integers(len(FILLER), size=int(ends[-1]))
    chosen[rng.random(len(chosen)) < profile.tokens_per_word - 1] += len(FILLER)
    vocabulary = [*FILLER, *(f"{word}," for word in FILLER)]
    words = [vocabulary[index] for index in chosen.tolist()]
    texts = [" ".join(words[start:end]) for start, end in zip((ends - lengths).tolist(), ends.tolist(), strict=True)]
    return texts, labels.tolist()
