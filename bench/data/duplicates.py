"""Texts that a dataset holds more than once, and texts that say nothing, counted."""

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
        """The second of each pair; None where the texts are single."""

    @property
    def labels(self) -> list[int]:
        """Class index of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Which texts are equal once blanks, case and Unicode form (NFKC) are normalised; empty ones are equal to none.

    Attributes:
        empty: positions by split of texts that are nothing but blanks; of a pair, where either one is.
        repeated: positions by split of texts that an earlier one of the same split equals.
        in_train: positions by split, validation and test, of texts that train has too.
        conflicting: positions by split of texts that equal one, of any split, with another label.
    """

    empty: dict[str, list[int]]
    repeated: dict[str, list[int]]
    in_train: dict[str, list[int]]
    conflicting: dict[str, list[int]]


def normal_form(text: str) -> str:
    """A text with case folded, in Unicode's form NFKC, with single blanks and none around it."""
    if text.isascii():
        return " ".join(text.lower().split())
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def key_of(text: str, pair: str | None = None) -> bytes | None:
    """What equal texts share, 16 bytes; None of an empty one."""
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
    """Look at the texts of all splits, train among them."""
    keys = {name: keys_of(split.texts, split.pairs) for name, split in splits.items()}
    labels_of: dict[bytes, set[int]] = {}
    for name, split in splits.items():
        for key, label in zip(keys[name], split.labels, strict=True):
            if key is not None:
                labels_of.setdefault(key, set()).add(label)
    torn = {key for key, labels in labels_of.items() if len(labels) > 1}
    train = set(keys["train"])
    return Duplicates(
        empty={name: [at for at, key in enumerate(found) if key is None] for name, found in keys.items()},
        repeated={name: _repeated(found) for name, found in keys.items()},
        in_train={name: _within(found, train) for name, found in keys.items() if name != "train"},
        conflicting={name: _within(found, torn) for name, found in keys.items()},
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
