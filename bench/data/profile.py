"""Filler texts as long as those of a real dataset, for studies that measure resources alone.

What a model with random weights costs depends on how long its texts are and not on what they say. Where the real texts
are not at hand, a recorded profile of their lengths makes texts that cost the same: common words, drawn blindly. They
are filler. They mean nothing, their labels follow from nothing, and no quality may be read off them.
"""

import numpy as np

from bench.study.datasets import PERCENTS, LengthProfile, SplitName

SPLIT_SEEDS: dict[SplitName, int] = {"train": 0, "validation": 1, "test": 2}


#: Each is one token wherever English has been seen, and so is the comma that may follow it.
FILLER = (
    "the", "of", "and", "in", "a", "to", "with", "at", "by", "from", "on", "for", "as", "that", "this", "it",
    "day", "time", "year", "week", "hour", "place", "house", "street", "city", "room", "door", "table", "book",
    "paper", "name", "number", "line", "side", "part", "point", "group", "hand", "water", "road", "field", "work",
    "was", "had", "were", "said", "made", "came",
)  # fmt: skip


def generate(profile: LengthProfile, split: SplitName) -> tuple[list[str], list[int]]:
    """Filler texts and their labels: as many, as long and with labels as frequent as the profile says.

    The lengths are spread evenly over the quantiles, with straight lines between them, so that they follow the profile
    without the luck of a draw. A word of more than one token on average is had by commas. The same profile and split
    give the same rows in every process.
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
