"""Duplicate, conflicting and empty texts of a dataset."""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Texts(Protocol):
    """Texts of one split, see ``bench.data.texts.Split``."""

    @property
    def texts(self) -> list[str]:
        """The texts, or the first of each pair."""

    @property
    def pairs(self) -> list[str] | None:
        """The second of each pair; None for single texts."""

    @property
    def labels(self) -> list[int]:
        """Class index of each text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Texts that are equal after normalising blanks, case and Unicode form (NFKC); an empty text equals no other.

    Attributes:
        empty: positions by split of blank texts; for pairs, where either text is blank.
        repeated: positions by split of texts that equal an earlier text of the same split.
        in_train: positions by split (validation and test) of texts that are also in train.
        conflicting: positions by split of texts that equal a text, of any split, with another label.
    """

    empty: dict[str, list[int]]
    repeated: dict[str, list[int]]
    in_train: dict[str, list[int]]
    conflicting: dict[str, list[int]]


def normal_form(text: str) -> str:
    """The text in case-folded NFKC form, with single blanks and none around it."""
    if text.isascii():
        return " ".join(text.lower().split())
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def key_of(text: str, pair: str | None = None) -> bytes | None:
    """A 16-byte key that equal texts share; None for an empty text."""
    parts = [normal_form(part) for part in ((text,) if pair is None else (text, pair))]
    if not all(parts):
        return None
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def keys_of(texts: Sequence[str], pairs: Sequence[str] | None) -> list[bytes | None]:
    """The key of each text or pair."""
    if pairs is None:
        return [key_of(text) for text in texts]
    return [key_of(text, pair) for text, pair in zip(texts, pairs, strict=True)]


def find(splits: Mapping[str, Texts]) -> Duplicates:
    """Find duplicates within and across splits; one of them must be train."""
    keys = {name: keys_of(split.texts, split.pairs) for name, split in splits.items()}
    labels_of: dict[bytes, set[int]] = {}
    for name, split in splits.items():
        for key, label in zip(keys[name], split.labels, strict=True):
            if key is not None:
                labels_of.setdefault(key, set()).add(label)
    ambiguous = {key for key, labels in labels_of.items() if len(labels) > 1}
    train = set(keys["train"])
    return Duplicates(
        empty={name: [at for at, key in enumerate(found) if key is None] for name, found in keys.items()},
        repeated={name: _repeated(found) for name, found in keys.items()},
        in_train={name: _within(found, train) for name, found in keys.items() if name != "train"},
        conflicting={name: _within(found, ambiguous) for name, found in keys.items()},
    )


def _within(keys: Sequence[bytes | None], known: set[bytes] | set[bytes | None]) -> list[int]:
    return [at for at, key in enumerate(keys) if key is not None and key in known]


def _repeated(keys: Sequence[bytes | None]) -> list[int]:
    seen: set[bytes] = set()
    found = []
    for at, key in enumerate(keys):
        if key in seen:
            found.append(at)
        elif key is not None:
            seen.add(key)
    return found
