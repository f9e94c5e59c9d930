"""Stratified samples, and the splits of a dataset that comes as one file."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def stratified(labels: Sequence[int], count: int, rng: np.random.Generator) -> list[int]:
    """Indices of a random sample in which each class keeps its share to within one row."""
    array = np.asarray(labels)
    order = rng.permutation(len(array))
    shares = _shares(np.bincount(array), count)
    by_class = (order[array[order] == label][:share] for label, share in enumerate(shares))
    return sorted(np.concatenate(list(by_class)).tolist())


def _shares(sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Divide ``count`` in proportion to the sizes, each share to within one."""
    quotas = sizes * count / sizes.sum()
    shares: NDArray[np.int64] = np.floor(quotas).astype(int)
    # The remainder goes to the classes that rounding down reduced the most.
    shares[np.argsort(shares - quotas, kind="stable")[: count - shares.sum()]] += 1
    return shares


def stratified_splits(
    keys: Sequence[bytes], labels: Sequence[int], test_fraction: float, validation_fraction: float, seed: int
) -> dict[str, list[int]]:
    """Divide texts into train, validation and test: stratified, with equal texts in the same split.

    The result depends only on the texts and the seed, by a hash: neither the order of rows nor the version of a library
    changes it.

    Args:
        keys: key of each text; equal texts have equal keys.
        labels: class index of each text; a group of equal texts has the class of its first one.
        test_fraction: share of the groups for test.
        validation_fraction: share of the remaining groups for validation.
        seed: seed of the hash.

    Returns:
        Sorted indices by split. Each class has a group in train, and one in test if it has at least two groups.
    """
    groups: dict[bytes, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    of_class: list[list[bytes]] = [[] for _ in range(max(labels) + 1)]
    for key, members in groups.items():
        of_class[labels[members[0]]].append(key)
    sizes = np.array([len(held) for held in of_class])
    test = _shares(sizes, round(sizes.sum() * test_fraction))
    test = np.clip(test, np.minimum(1, sizes - 1), sizes - 1).clip(0)
    rest = sizes - test
    validation = np.minimum(_shares(rest, round(rest.sum() * validation_fraction)), rest - 1).clip(0)
    splits: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for held, in_test, in_validation in zip(of_class, test, validation, strict=True):
        ordered = sorted(held, key=lambda key: hashlib.sha256(b"%d " % seed + key).digest())
        ends = (0, in_test, in_test + in_validation, len(ordered))
        for split, start, end in zip(("test", "validation", "train"), ends, ends[1:], strict=False):
            splits[split] += [index for key in ordered[start:end] for index in groups[key]]
    return {split: sorted(indices) for split, indices in splits.items()}
