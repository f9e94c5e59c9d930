"""The label that an answer in plain words names.

Case, punctuation, underscores and blanks make no difference; only whole words count. The answer names

1. the label whose words it begins with, the longest of them: ``Negative. The film ...``;
2. else the one label whose words stand anywhere in it: ``I would say negative``. The words of a longer label are not
   also those of a shorter one inside it: ``it is very negative`` names ``very negative`` and not ``negative``;
3. else none: it names no label, or several.

Nothing is understood: ``not positive`` names ``positive``. Scripts that put no blanks between words count a run of
letters as one word.
"""

import re
import unicodedata
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> tuple[str, ...]:
    """The words of a text as they are compared: letters and digits, without case."""
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def parse(answer: str, label_words: Sequence[str]) -> int | None:
    """Index of the label that an answer names by the rule of this module, or None.

    Args:
        answer: what the model wrote.
        label_words: the answer for each class, by index; no two with the same words.
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
