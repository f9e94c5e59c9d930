"""Models: only what their checksum says, only safetensors, never their own code."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.errors import ModelError
from bench.model.load import build, fetch, load_config, load_tokenizer
from tests.model.folders import change_json, load, source_of

pytestmark = pytest.mark.usefixtures("one_thread")


class TestWeights:
    def test_are_the_file_s_and_the_head_is_fresh_from_the_seed(self, tiny_encoder: Path) -> None:
        kept = load_file(tiny_encoder / "model.safetensors")
        drawn = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            drawn.append(load(source_of(tiny_encoder), 3).state_dict())
        one, again, other = drawn
        body = [name for name in one if name.startswith("bert.")]
        assert len(body) == len(kept)
        for name in body:
            assert torch.equal(one[name], kept[name.removeprefix("bert.")])
        assert one["classifier.weight"].shape == (3, 32)
        assert torch.equal(one["classifier.weight"], again["classifier.weight"])
        assert not torch.equal(one["classifier.weight"], other["classifier.weight"])

    def test_are_fp32_whatever_the_file_holds(self, model: Path) -> None:
        tensors = load_file(model / "model.safetensors")
        half = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
        save_file(half, model / "model.safetensors", metadata={"format": "pt"})
        assert {p.dtype for p in load(source_of(model), 3).parameters()} == {torch.float32}

    def test_of_another_checksum_are_refused_before_they_are_read(self, model: Path) -> None:
        good = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
        load(source_of(model, sha256=good), 3)
        (model / "model.safetensors").write_bytes(b"no safetensors at all")
        other = source_of(model, sha256=good, name="other")
        with pytest.raises(ModelError, match=f"has sha256 .*, expected {good}; it is not loaded"):
            fetch(other)

    def test_with_a_checksum_and_no_file(self, model: Path) -> None:
        (model / "model.safetensors").unlink()
        with pytest.raises(ModelError, match="cannot be read"):
            fetch(source_of(model, sha256="00"))

    def test_that_lack_tensors_of_the_body_are_refused(self, model: Path) -> None:
        tensors = load_file(model / "model.safetensors")
        lost = sorted(name for name in tensors if "attention" in name)[:2]
        save_file(
            {n: t for n, t in tensors.items() if n not in lost}, model / "model.safetensors", metadata={"format": "pt"}
        )
        with pytest.raises(ModelError, match=f"lacks weights for 2 tensors, first bert.{lost[0]}"):
            load(source_of(model), 3)

    def test_without_a_pooler_are_accepted(self, model: Path) -> None:
        tensors = load_file(model / "model.safetensors")
        body = {name: tensor for name, tensor in tensors.items() if "pooler" not in name}
        save_file(body, model / "model.safetensors", metadata={"format": "pt"})
        assert load(source_of(model), 3).num_labels == 3

    def test_of_other_shapes_are_refused(self, model: Path) -> None:
        change_json(model / "config.json", intermediate_size=48)
        with pytest.raises(ModelError, match="cannot be loaded"):
            load(source_of(model), 3)

    def test_random_needs_no_file_and_follows_the_seed(self, model: Path) -> None:
        (model / "model.safetensors").unlink()
        found = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            found.append(torch.cat([p.flatten() for p in load(source_of(model, weights="random"), 3).parameters()]))
        assert torch.equal(found[0], found[1])
        assert not torch.equal(found[0], found[2])

    def test_pickle_beside_an_unrelated_safetensors_is_not_loaded(self, model: Path) -> None:
        torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
        (model / "model.safetensors").rename(model / "adapter.safetensors")
        with pytest.raises(ModelError):
            load(source_of(model), 3)


class TestConfig:
    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"model_type": "no-such-model"}', b"\xff"])
    def test_that_is_broken_is_named(self, content: bytes, model: Path) -> None:
        (model / "config.json").write_bytes(content)
        with pytest.raises(ModelError, match=r"model m: .*config\.json"):
            load_config(source_of(model), model, 2)

    def test_builds_on_meta_without_memory(self, tiny_encoder: Path) -> None:
        with torch.device("meta"):
            model = build(load_config(source_of(tiny_encoder), tiny_encoder, 2))
        assert {p.device.type for p in model.parameters()} == {"meta"}


class TestTokenizer:
    def test_that_is_missing(self, model: Path) -> None:
        for path in model.glob("tokenizer*"):
            path.unlink()
        with pytest.raises(ModelError, match="no tokenizer"):
            load_tokenizer(source_of(model), model)


def test_hub_that_cannot_be_reached_names_the_way_out() -> None:
    away = source_of(Path()).model_copy(update={"folder": None, "hub_id": "owner/name", "revision": "abc"})
    with pytest.raises(
        ModelError, match=r"cannot be reached on the hub: tried owner/name at revision abc.*\[models\.m\]"
    ):
        fetch(away)
