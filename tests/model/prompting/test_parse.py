"""Parsing of the label that an answer names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.model.prompting.parse import parse, words
from tests.model.prompting.support import FIVE

LABELS = st.lists(
    st.sampled_from(["joy", "very good", "good", "not good", "2", "1 star", "no"]), min_size=2, unique=True
)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("positive", "positive"), ("Positive.", "positive"), ("**VERY_positive**\n", "very positive"),
        ("Negative. The film drags, though the end is positive.", "negative"), ("I would say negative", "negative"),
        ("it is very negative", "very negative"), ("it is very negative, yes: Very negative", "very negative"),
        ("very negative or negative", "very negative"), ("Is it negative, or very negative?", None),
        ("either positive or negative", None), ("positively", None), ("nonneutral", None), ("", None), ("?!", None),
        ("very", None), ("not positive", "positive"),
    ],
)  # fmt: skip
def test_the_rule_on_examples(answer: str, label: str | None) -> None:
    assert parse(answer, FIVE) == (None if label is None else FIVE.index(label))


def test_characters_that_look_alike_are_alike() -> None:
    assert parse("The answer: TRE\u0300S BIEN!", ("mal", "tr\u00e8s bien")) == 1
    assert parse("\uff2a\uff4f\uff59", ("sadness", "joy")) == 1
    assert parse("积极。", ("消极", "积极")) == 1


@given(LABELS, st.data())
def test_a_label_names_itself_however_it_is_decorated(labels: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(labels) - 1))
    marks = st.text("\"'*_.,:;!?()[]{}<>#-\n\t ", max_size=4)
    label = data.draw(st.sampled_from([str.upper, str.lower, str.title]))(labels[index])
    blank = data.draw(st.sampled_from([" ", "_", "-", "  "]))
    assert parse(data.draw(marks) + label.replace(" ", blank) + data.draw(marks), labels) == index


@given(LABELS, st.data())
def test_a_label_among_other_words_is_found(labels: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(labels) - 1))
    other = st.lists(st.sampled_from(["well", "goodness", "joyful", "stars", "12"]), min_size=1).map(" ".join)
    assert parse(f"{data.draw(other)} {labels[index]} {data.draw(other)}", labels) == index


@given(LABELS, st.data())
def test_two_labels_in_the_middle_are_none(labels: list[str], data: st.DataObject) -> None:
    first, second = data.draw(st.permutations(range(len(labels))))[:2]
    assert parse(f"well {labels[first]} ; well {labels[second]}", labels) is None


@given(st.text(), st.lists(st.text(min_size=1), min_size=2, unique_by=words))
def test_the_order_of_labels_means_nothing(answer: str, labels: list[str]) -> None:
    found, turned = parse(answer, labels), parse(answer, labels[::-1])
    assert (None if found is None else labels[found]) == (None if turned is None else labels[::-1][turned])
