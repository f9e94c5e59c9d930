"""Models: only what their checksum says, only safetensors, never their own code."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from bench.errors import ModelError
from bench.model.load import build, fetch, load_config, load_tokenizer
from bench.model.weights import load_model
from bench.study.models import ModelSource

pytestmark = pytest.mark.usefixtures("one_thread")


def source(folder: Path, **facts: Any) -> ModelSource:
    common: dict[str, Any] = {"name": "m", "label": "m", "kind": "encoder", "weights": "pretrained", "fingerprint": "f"}
    return ModelSource.model_validate(common | {"folder": str(folder)} | facts)


def load(given: ModelSource, num_labels: int = 3) -> nn.Module:
    folder = fetch(given)
    assert folder is not None
    return load_model(given, folder, load_config(given, folder, num_labels), torch.float32, torch.device("cpu"))


@pytest.fixture
def copy(tiny_encoder: Path, tmp_path: Path) -> Path:
    """A model folder that a test may break."""
    return Path(shutil.copytree(tiny_encoder, tmp_path / "a model"))


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


class TestWeights:
    def test_are_the_file_s_and_the_head_is_fresh_from_the_seed(self, tiny_encoder: Path) -> None:
        kept = load_file(tiny_encoder / "model.safetensors")
        torch.manual_seed(1)
        one = load(source(tiny_encoder)).state_dict()
        torch.manual_seed(1)
        again = load(source(tiny_encoder)).state_dict()
        torch.manual_seed(2)
        other = load(source(tiny_encoder)).state_dict()
        body = [name for name in one if name.startswith("bert.")]
        assert len(body) == len(kept)
        for name in body:
            assert torch.equal(one[name], kept[name.removeprefix("bert.")])
        assert one["classifier.weight"].shape == (3, 32)
        assert torch.equal(one["classifier.weight"], again["classifier.weight"])
        assert not torch.equal(one["classifier.weight"], other["classifier.weight"])

    def test_are_fp32_whatever_the_file_holds(self, copy: Path) -> None:
        tensors = load_file(copy / "model.safetensors")
        half = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
        save_file(half, copy / "model.safetensors", metadata={"format": "pt"})
        assert {p.dtype for p in load(source(copy)).parameters()} == {torch.float32}

    def test_of_another_checksum_are_refused_before_they_are_read(self, copy: Path) -> None:
        good = hashlib.sha256((copy / "model.safetensors").read_bytes()).hexdigest()
        load(source(copy, sha256=good))
        (copy / "model.safetensors").write_bytes(b"no safetensors at all")
        other = source(copy, sha256=good, name="other")
        with pytest.raises(ModelError, match=f"has sha256 .*, expected {good}; it is not loaded"):
            fetch(other)

    def test_with_a_checksum_and_no_file(self, copy: Path) -> None:
        (copy / "model.safetensors").unlink()
        with pytest.raises(ModelError, match="cannot be read"):
            fetch(source(copy, sha256="00"))

    def test_that_lack_tensors_of_the_body_are_refused(self, copy: Path) -> None:
        tensors = load_file(copy / "model.safetensors")
        lost = sorted(name for name in tensors if "attention" in name)[:2]
        save_file(
            {n: t for n, t in tensors.items() if n not in lost}, copy / "model.safetensors", metadata={"format": "pt"}
        )
        with pytest.raises(ModelError, match=f"lacks weights for 2 tensors, first bert.{lost[0]}"):
            load(source(copy))

    def test_without_a_pooler_are_accepted(self, copy: Path) -> None:
        tensors = load_file(copy / "model.safetensors")
        body = {name: tensor for name, tensor in tensors.items() if "pooler" not in name}
        save_file(body, copy / "model.safetensors", metadata={"format": "pt"})
        assert load(source(copy)).num_labels == 3

    def test_of_other_shapes_are_refused(self, copy: Path) -> None:
        edit_json(copy / "config.json", intermediate_size=48)
        with pytest.raises(ModelError, match="cannot be loaded"):
            load(source(copy))

    @pytest.mark.parametrize("content", [b"", b"not safetensors", b"\xff" * 100])
    def test_that_are_broken(self, content: bytes, copy: Path) -> None:
        (copy / "model.safetensors").write_bytes(content)
        with pytest.raises(ModelError, match="cannot be loaded"):
            load(source(copy))

    def test_random_needs_no_file_and_follows_the_seed(self, copy: Path) -> None:
        (copy / "model.safetensors").unlink()
        found = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            found.append(torch.cat([p.flatten() for p in load(source(copy, weights="random")).parameters()]))
        assert torch.equal(found[0], found[1])
        assert not torch.equal(found[0], found[2])

    def test_pickle_is_refused(self, copy: Path) -> None:
        torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
        (copy / "model.safetensors").unlink()
        with pytest.raises(ModelError, match="pickled weights are never loaded"):
            load(source(copy))

    def test_pickle_beside_an_unrelated_safetensors_is_not_loaded(self, copy: Path) -> None:
        torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
        (copy / "model.safetensors").rename(copy / "adapter.safetensors")
        with pytest.raises(ModelError):
            load(source(copy))


class TestOwnCode:
    @pytest.fixture
    def trap(self, copy: Path, tmp_path: Path) -> Path:
        """The file that exists once the model's own code has run."""
        (copy / "own.py").write_text(
            f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n"
            "from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast\n"
            "class Own(BertConfig): pass\nclass Model(BertForSequenceClassification): pass\n"
            "class Tokenizer(PreTrainedTokenizerFast): pass\n"
        )
        auto = {"AutoConfig": "own.Own", "AutoModelForSequenceClassification": "own.Model"}
        edit_json(copy / "config.json", auto_map=auto)
        edit_json(copy / "tokenizer_config.json", auto_map={"AutoTokenizer": [None, "own.Tokenizer"]})
        return tmp_path / "ran"

    def test_of_a_known_architecture_is_left_alone(self, copy: Path, trap: Path) -> None:
        load(source(copy))
        load(source(copy, weights="random"))
        load_tokenizer(source(copy), copy)
        assert not trap.exists()

    def test_of_an_unknown_architecture_is_an_error(self, copy: Path, trap: Path) -> None:
        edit_json(copy / "config.json", model_type="own")
        with pytest.raises(ModelError, match=r"config\.json: "):
            load(source(copy))
        assert not trap.exists()

    def test_of_an_unknown_tokenizer_is_not_run(self, copy: Path, trap: Path) -> None:
        edit_json(copy / "tokenizer_config.json", tokenizer_class="Tokenizer")
        edit_json(copy / "config.json", model_type="own")
        with pytest.raises(ModelError, match="no tokenizer"):
            load_tokenizer(source(copy), copy)
        assert not trap.exists()


class TestConfig:
    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"model_type": "no-such-model"}', b"\xff"])
    def test_that_is_broken_is_named(self, content: bytes, copy: Path) -> None:
        (copy / "config.json").write_bytes(content)
        with pytest.raises(ModelError, match=r"model m: .*config\.json"):
            load_config(source(copy), copy, 2)

    def test_builds_on_meta_without_memory(self, tiny_encoder: Path) -> None:
        with torch.device("meta"):
            model = build(load_config(source(tiny_encoder), tiny_encoder, 2))
        assert {p.device.type for p in model.parameters()} == {"meta"}


class TestTokenizer:
    def test_pads(self, tiny_encoder: Path) -> None:
        assert load_tokenizer(source(tiny_encoder), tiny_encoder).pad_token_id == 0

    def test_that_is_missing(self, copy: Path) -> None:
        for path in copy.glob("tokenizer*"):
            path.unlink()
        with pytest.raises(ModelError, match="no tokenizer"):
            load_tokenizer(source(copy), copy)

    @pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
    def test_that_is_broken(self, content: bytes, copy: Path) -> None:
        (copy / "tokenizer.json").write_bytes(content)
        with pytest.raises(ModelError, match="no tokenizer"):
            load_tokenizer(source(copy), copy)


def test_hub_that_cannot_be_reached_names_the_way_out() -> None:
    away = source(Path()).model_copy(update={"folder": None, "hub_id": "owner/name", "revision": "abc"})
    with pytest.raises(
        ModelError, match=r"cannot be reached on the hub: tried owner/name at revision abc.*\[models\.m\]"
    ):
        fetch(away)
