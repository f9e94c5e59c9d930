"""Parsing of the label that a generated answer names.

Case, punctuation, underscores and blanks are ignored; only whole words count. The answer names

1. the label whose words it begins with, the longest if there are several: ``Negative. The film ...``;
2. otherwise the only label whose words occur anywhere in it: ``I would say negative``. The words of a longer label do
   not also count for a shorter one: ``it is very negative`` names ``very negative`` and not ``negative``;
3. otherwise none: it names no label, or several.

The meaning is not analysed: ``not positive`` names ``positive``. In scripts without blanks between words, a run of
letters is one word.
"""

import re
import unicodedata
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> tuple[str, ...]:
    """Words of a text for comparison: letters and digits, case-folded."""
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def parse(answer: str, label_words: Sequence[str]) -> int | None:
    """Index of the label that an answer names by the rules of this module, or None.

    Args:
        answer: generated text.
        label_words: answer for each class, by index; no two have the same words.
    """
    said = words(answer)
    labels = sorted(
        ((words(label), index) for index, label in enumerate(label_words)), key=lambda label: -len(label[0])
    )
    named: set[int] = set()
    place = 0
    while place < len(said):
        found = next(((label, index) for label, index in labels if label and said[place:][: len(label)] == label), None)
        if found is None:
            place += 1
            continue
        if place == 0:
            return found[1]
        named.add(found[1])
        place += len(found[0])
    return named.pop() if len(named) == 1 else None
