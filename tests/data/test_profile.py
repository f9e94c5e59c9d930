"""Filler texts with the number, lengths and label frequencies of a profile."""

import hashlib
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

from bench.data.profile import FILLER, generate
from bench.errors import DataError
from bench.study.datasets import PERCENTS, LengthProfile
from tests.support import ROOT

WORDS = tuple(range(3, 3 + len(PERCENTS)))


def profile(**changes: Any) -> LengthProfile:
    values: dict[str, Any] = {"label_counts": (30, 70), "words": WORDS, "tokens_per_word": 1.3}
    return LengthProfile(**values | changes)


class TestGenerate:
    def test_labels_are_as_many_as_recorded_and_mixed(self) -> None:
        texts, labels = generate(profile(), "train")
        assert len(texts) == len(labels) == 100
        assert Counter(labels) == {0: 30, 1: 70}
        assert labels != sorted(labels)

    def test_a_label_may_be_absent(self) -> None:
        assert Counter(generate(profile(label_counts=(0, 2, 1)), "test")[1]) == {1: 2, 2: 1}

    def test_lengths_follow_the_quantiles(self) -> None:
        recorded = (4, *range(10, 200, 10), 250, 300, 320, 400, 2000)
        texts, _ = generate(profile(label_counts=(500, 500), words=recorded), "train")
        lengths = [len(text.split()) for text in texts]
        middle = np.array(PERCENTS[:-2])
        assert np.quantile(lengths, middle / 100) == pytest.approx(recorded[:-2], rel=0.03, abs=1)
        assert recorded[-2] < max(lengths) < recorded[-1]
        assert lengths != sorted(lengths)

    def test_words_are_filler_and_commas_make_the_tokens(self) -> None:
        texts, _ = generate(profile(label_counts=(2000, 2000)), "train")
        words = [word for text in texts for word in text.split(" ")]
        assert {word.removesuffix(",") for word in words} == set(FILLER)
        assert sum(word.endswith(",") for word in words) / len(words) == pytest.approx(0.3, abs=0.01)
        bare, _ = generate(profile(tokens_per_word=1), "train")
        assert "," not in "".join(bare)

    def test_is_the_same_in_every_process_and_another_in_every_split(self) -> None:
        code = (
            "from tests.data.test_profile import profile, generate, hash_of\n"
            "print(hash_of(generate(profile(), 'validation')))"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == hash_of(generate(profile(), "validation"))
        assert len({hash_of(generate(profile(), split)) for split in ("train", "validation", "test")}) == 3

    def test_a_large_split_is_quick(self) -> None:
        start = time.process_time()  # of the processor, so that a busy machine does not fail the test
        texts, _ = generate(profile(label_counts=(12_500, 12_500), words=(230,) * len(PERCENTS)), "train")
        seconds = time.process_time() - start
        assert sum(len(text.split()) for text in texts) == 25_000 * 230
        assert seconds < 8, "a second or two"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label_counts": ()}, r"label_counts must name at least one text, got \(\)"),
        ({"label_counts": (0, 0)}, "label_counts must name at least one text"),
        ({"label_counts": (3, -1)}, "label_counts must name at least one text"),
        ({"words": (1, 2)}, f"words must hold {len(PERCENTS)} quantiles, got 2"),
        ({"words": (0, *WORDS[1:])}, "words must start at 1 or above and never decrease"),
        ({"words": WORDS[::-1]}, "words must start at 1 or above and never decrease"),
        ({"tokens_per_word": 0.9}, r"tokens_per_word must be from 1 to 2, got 0\.9"),
        ({"tokens_per_word": 2.5}, "tokens_per_word must be from 1 to 2"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        profile(**changes)


def hash_of(rows: tuple[list[str], list[int]]) -> str:
    return hashlib.sha256(repr(rows).encode()).hexdigest()
