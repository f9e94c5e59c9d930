"""Filler texts as long as those of a real dataset, for studies that measure resources alone.

What a model with random weights costs depends on how long its texts are and not on what they say. Where the real texts
are not at hand, a recorded profile of their lengths makes texts that cost the same: common words, drawn blindly. They
are filler. They mean nothing, their labels follow from nothing, and no quality may be read off them.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.errors import DataError

# Raise it with any change that alters a generated row: results on rows of two versions cannot be compared.
GENERATOR_VERSION = 1

SplitName = Literal["train", "validation", "test"]
SPLIT_SEEDS: dict[SplitName, int] = {"train": 0, "validation": 1, "test": 2}

#: Of the recorded quantiles. The longest few texts are far longer than the rest, so the last steps are narrow: with
#: steps of five to the end, the straight line from 95 to 100 would add a sixth to the words of IMDb.
PERCENTS = (*range(0, 100, 5), 97.5, 99.0, 99.5, 99.9, 100.0)

#: Each is one token wherever English has been seen, and so is the comma that may follow it.
FILLER = (
    "the", "of", "and", "in", "a", "to", "with", "at", "by", "from", "on", "for", "as", "that", "this", "it",
    "day", "time", "year", "week", "hour", "place", "house", "street", "city", "room", "door", "table", "book",
    "paper", "name", "number", "line", "side", "part", "point", "group", "hand", "water", "road", "field", "work",
    "was", "had", "were", "said", "made", "came",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthProfile:
    """How many texts one split has and how long they are.

    Attributes:
        label_counts: texts by label index.
        words: quantiles, at ``PERCENTS``, of the number of words, parted by white space, per text.
        tokens_per_word: mean number of tokens that a word of the real texts is cut into, from 1 to 2.

    Raises:
        DataError: no texts; not one quantile for each of ``PERCENTS``; quantiles that fall, or start below one word; a
            number of tokens out of range.
    """

    label_counts: tuple[int, ...]
    words: tuple[int, ...]
    tokens_per_word: float = 1.0

    def __post_init__(self) -> None:
        if not self.label_counts or min(self.label_counts) < 0 or not any(self.label_counts):
            raise DataError(f"length profile: label_counts must name at least one text, got {self.label_counts}")
        if len(self.words) != len(PERCENTS):
            raise DataError(f"length profile: words must hold {len(PERCENTS)} quantiles, got {len(self.words)}")
        if self.words[0] < 1 or list(self.words) != sorted(self.words):
            raise DataError(f"length profile: words must start at 1 or above and never fall, got {self.words}")
        if not 1 <= self.tokens_per_word <= 2:
            raise DataError(f"length profile: tokens_per_word must be from 1 to 2, got {self.tokens_per_word}")


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
