"""Synthetic tasks: the same rows everywhere, no text in two splits, labels that follow from the words."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import combinations
from typing import get_args

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from bench.data import synthetic
from bench.data.synthetic import (
    TASKS,
    WORDS_MAX,
    CleanRow,
    SplitName,
    SyntheticTask,
    clean_rows,
    generate,
    generator_version,
    split_of,
)
from bench.data.synthetic_vocabulary import EMOTION_WORDS, NEGATORS, POLARITY_WORDS
from bench.errors import DataError, UnknownNameError

SPLITS: tuple[SplitName, ...] = get_args(SplitName)

# sha256 of the first 50 training rows of generator version 1. A change here is a change of the data: raise
# generator_version in the catalog, then pin the new digests.
PINNED = {
    "synthetic_polarity": "3e64f89b6c51845205f9e99b6910c40a2d4e74306d8d3e43d391d8b1932852c0",
    "synthetic_emotion": "d0340d8d6dc3b791f13d7760d21c67f0626650bf03e2ac0a9e01f4145efb7dd6",
    "synthetic_stars": "4f7979390808a2d28ce076e13d630f810948c84997d650c56bba07be80ce2569",
}

PRINT_DIGESTS = """
import hashlib, json
from bench.data.synthetic import TASKS, generate
def digest(task):
    texts, labels = generate(task, "train")
    return hashlib.sha256(json.dumps([texts[:50], labels[:50]]).encode()).hexdigest()
print(json.dumps({name: digest(task) for name, task in TASKS.items()}))
"""

each_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


def _digest(task: SyntheticTask) -> str:
    texts, labels = generate(task, "train")
    return hashlib.sha256(json.dumps([texts[:50], labels[:50]]).encode()).hexdigest()


def _all_clean(task: SyntheticTask) -> list[CleanRow]:
    return [row for split in SPLITS for row in clean_rows(task, split)]


def _labels_of_phrases(task: SyntheticTask) -> dict[str, set[int]]:
    """Every phrase the grammar has for a task, with the labels it is listed under."""
    found: dict[str, set[int]] = {}
    for label, kinds in enumerate(synthetic._grammar(task.name).phrases):
        for phrases in kinds.values():
            for phrase in phrases:
                found.setdefault(phrase, set()).add(label)
    return found


def test_the_rows_are_the_pinned_ones():
    assert {name: (task.name, len(task.labels), generator_version(name)) for name, task in TASKS.items()} == {
        name: (name, count, 1) for name, count in zip(PINNED, (2, 4, 5), strict=True)
    }
    assert {name: _digest(task) for name, task in TASKS.items()} == PINNED


def test_another_process_writes_the_same_rows():
    """String hashing is random per process and must not affect the rows."""
    command = [sys.executable, "-c", PRINT_DIGESTS]
    environment = {"PYTHONHASHSEED": "1", "PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == PINNED


@each_task
def test_seed_split_and_size_change_the_rows_and_repeating_does_not(task):
    first = generate(task, "test")
    assert generate(task, "test") == first
    assert generate(task, "test", seed=1)[0] != first[0]
    assert generate(replace(task, test_rows=60), "test")[0] != first[0][:60]


@each_task
def test_no_text_is_shared_or_repeated(task):
    texts = {split: generate(task, split)[0] for split in SPLITS}
    for split in SPLITS:
        assert len(set(texts[split])) == task.rows(split)
        assert {split_of(text) for text in texts[split]} == {split}
    for one, other in combinations(SPLITS, 2):
        assert not set(texts[one]) & set(texts[other])


@each_task
def test_classes_are_balanced_and_the_stated_fraction_of_labels_is_wrong(task):
    for split in SPLITS:
        clean = clean_rows(task, split)
        counts = Counter(row.label for row in clean)
        assert set(counts) == set(range(len(task.labels)))
        assert max(counts.values()) - min(counts.values()) <= 1
        texts, labels = generate(task, split)
        assert texts == [row.text for row in clean]
        wrong = sum(label != row.label for label, row in zip(labels, clean, strict=True))
        assert wrong == round(task.label_noise_fraction * len(labels))


@each_task
def test_the_label_of_a_short_sentence_is_that_of_the_phrase_in_its_main_clause(task):
    labels_of = _labels_of_phrases(task)
    assert {len(labels) for labels in labels_of.values()} == {1}
    for row in _all_clean(task):
        assert 8 <= len(row.text.split()) <= WORDS_MAX == 25
        assert row.text[0].isupper()
        assert row.text.endswith(".")
        assert "{" not in row.text
        assert labels_of[row.phrase] == {row.label}
        assert row.phrase in row.main
        assert row.main in row.text or row.main[1:] in row.text
        assert row.aside in row.text or row.aside[1:] in row.text


def test_negation_flips_the_polarity_of_every_word():
    labels_of = _labels_of_phrases(TASKS["synthetic_polarity"])
    for strength in (-2, -1, 1, 2):
        for word in POLARITY_WORDS[strength]:
            (plain,) = labels_of[word]
            assert all(labels_of[f"{negator} {word}"] == {1 - plain} for negator in NEGATORS)


@pytest.mark.parametrize(
    ("phrase", "label"),
    [
        ("superb", "very positive"), ("good", "positive"), ("really good", "very positive"),
        ("somewhat superb", "positive"), ("not superb", "negative"), ("not awful", "positive"),
        ("very average", "neutral"), ("neither good nor bad", "neutral"), ("a little dreadful", "negative"),
        ("thoroughly bad", "very negative"), ("not livid but merry", "joy"), ("not merry but livid", "anger"),
        ("livid and not merry", "anger"), ("a little livid but mostly hopeful", "optimism"),
    ],
)  # fmt: skip
def test_the_label_of_a_phrase(phrase, label):
    """The stars follow strength and negation; a negated emotion leaves the other one."""
    task = TASKS["synthetic_emotion" if label in EMOTION_WORDS else "synthetic_stars"]
    assert _labels_of_phrases(task)[phrase] == {task.labels.index(label)}


def _main_clause(text: str) -> str:
    """The main clause of a contrast by the rules of English, written here without the tables."""
    text = text.removesuffix(".")
    for opening in ("Although ", "Even though "):
        if text.startswith(opening):
            return text.split(", ", 1)[1]
    for closing in (", although ", ", even if ", ", for all that "):
        if closing in text:
            return text.split(closing)[0]
    for turn in (", but ", ", yet ", "; all the same, "):
        if turn in text:
            return text.split(turn)[1]
    raise AssertionError(f"no contrast in {text!r}")


@each_task
def test_in_a_contrast_the_main_clause_decides_against_the_other(task):
    labels_of = _labels_of_phrases(task)
    contrasts = [row for row in _all_clean(task) if row.frame == "contrast"]
    assert contrasts
    for row in contrasts:
        assert _main_clause(row.text).lower() == row.main.lower()
        said_aside = max((phrase for phrase in labels_of if phrase in row.aside), key=len)
        assert labels_of[said_aside] != {row.label}


@each_task
def test_an_irrelevant_clause_says_nothing_about_the_label(task):
    """The aside agrees with the label about as often as by chance."""
    labels_of = _labels_of_phrases(task)
    rows = [row for row in clean_rows(task, "train") if row.frame == "irrelevant"]
    agree = 0
    for row in rows:
        said_aside = max((phrase for phrase in labels_of if phrase in row.aside), key=len)
        agree += labels_of[said_aside] == {row.label}
    assert agree / len(rows) == pytest.approx(1 / len(task.labels), abs=0.08)


@each_task
def test_counting_words_beats_the_floor_and_is_far_from_enough(task):
    texts, labels = generate(task, "train")
    test_texts, test_labels = generate(task, "test")
    vectorizer = TfidfVectorizer()
    model = LogisticRegression(max_iter=1000).fit(vectorizer.fit_transform(texts), labels)
    predicted = model.predict(vectorizer.transform(test_texts))
    majority = [Counter(labels).most_common(1)[0][0]] * len(test_labels)
    floor = f1_score(test_labels, majority, average="macro", zero_division=0)
    assert floor + 0.1 < f1_score(test_labels, predicted, average="macro") < 0.9


OUT_OF_RANGE = "synthetic_stars: label_noise_fraction must be at least 0 and below 1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        *(({"label_noise_fraction": fraction}, OUT_OF_RANGE) for fraction in (-0.1, 1.0, float("nan"))),
        *(({f"{split}_rows": 0}, f"{split}_rows must be at least 1, got 0") for split in SPLITS),
    ],
)
def test_a_task_that_cannot_be_is_refused(change, said):
    with pytest.raises(DataError, match=said):
        replace(TASKS["synthetic_stars"], **change)


def test_an_unknown_task_names_the_known_ones():
    task = replace(TASKS["synthetic_stars"], name="synthetic_star")
    with pytest.raises(UnknownNameError, match="did you mean 'synthetic_stars'"):
        generate(task, "test")


def test_running_out_of_sentences_is_an_error_and_not_a_loop(monkeypatch):
    monkeypatch.setattr(synthetic, "split_of", lambda text: "train")
    with pytest.raises(DataError, match="test_rows: the grammar ran out of sentences after 0 of 400"):
        generate(TASKS["synthetic_emotion"], "test")
