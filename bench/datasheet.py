"""What the catalog records of a dataset beside where it lies: how long its texts are, and how to ask for a label."""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from typing import Any

from bench.data.profile import GENERATOR_VERSION, LengthProfile, SplitName
from bench.errors import DataError
from bench.sources import DatasetSource, catalog

_SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@cache
def length_profiles(name: str) -> dict[SplitName, LengthProfile]:
    """The recorded lengths of a catalog dataset's texts, by split.

    Raises:
        DataError: none are recorded under that name.
    """
    entries = catalog("datasets")
    table = entries.get(name, {}).get("length_profile")
    if table is None:
        known = ", ".join(other for other, entry in entries.items() if "length_profile" in entry)
        raise DataError(
            f"dataset {name}: the catalog records no lengths of its texts, so no filler texts can stand in for them "
            f"(it does of: {known}); give --data-root DIR, or take one of these"
        )
    return {
        split: LengthProfile(
            label_counts=tuple(entries[name][f"{split}_label_counts"]),
            words=tuple(table[split]),
            tokens_per_word=table["tokens_per_word"],
        )
        for split in _SPLITS
        if split in table
    }


def profile_dataset(name: str) -> DatasetSource:
    """Filler texts as long as those of a catalog dataset, for a study that measures resources alone.

    Raises:
        DataError: the catalog has no such dataset, or does not record its lengths.
    """
    profiles = length_profiles(name)
    entry = catalog("datasets")[name]
    recorded = json.dumps({split: asdict(profile) for split, profile in profiles.items()}, sort_keys=True)
    return DatasetSource(
        name=name, label=f"{entry['label']} (filler text)", kind="profile", labels=tuple(entry["labels"]),
        fingerprint=f"profile generator {GENERATOR_VERSION}, {hashlib.sha256(recorded.encode()).hexdigest()}",
    )  # fmt: skip


def known_prompt(source: DatasetSource) -> dict[str, Any]:
    """The prompt settings that the catalog has for a dataset; empty where the dataset is none of the catalog's.

    A hub dataset is known by its id; a folder by its name, if its labels are the catalog's too: the label words stand
    for these and no others.
    """
    entries = catalog("datasets")
    if source.kind == "hub":
        at = (source.hub_id, source.hub_config)
        known = (e for e in entries.values() if "hub_id" in e and (e["hub_id"], e.get("hub_config")) == at)
        entry = next(known, {})
        same = source.labels in (None, tuple(entry.get("labels", ())))
    else:
        entry = entries.get(source.name, {})
        same = source.kind in ("synthetic", "profile") or source.labels == tuple(entry.get("labels", ()))
    return dict(entry["prompt"]) if same and "prompt" in entry else {}
