"""Cached random weights: bitwise those that are drawn, bounded, rebuilt if damaged, never written by a model."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from filelock import FileLock
from torch import Tensor

from bench.errors import StudyError
from bench.model import random_weights, weight_cache, weight_entries
from bench.model.quantization import quantization_tensors
from bench.model.tensor_file import map_tensors, write_tensors
from bench.model.weight_cache import cached_random_causal
from bench.study.models import ModelSource
from tests.model.folders import source_of
from tests.model.test_weights import BITS, CPU, IDS, config
from tests.plan.test_memory import held_bytes, model_tensors

pytestmark = pytest.mark.usefixtures("one_thread")
BF16 = torch.bfloat16


@pytest.fixture(autouse=True)
def small_models_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_cache, "LEAST_PARAMETERS", 0)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The bits of each model whose weights were drawn."""
    bits: list[int | None] = []
    real = random_weights.draw_weights

    def counted(model: Any, dtype: torch.dtype, of: int | None, device: torch.device) -> None:
        bits.append(of)
        real(model, dtype, of, device)

    monkeypatch.setattr(weight_cache, "draw_weights", counted)
    return bits


def made(bits: int = 4, seed: int = 0, family: str = "llama", **changes: Any) -> Any:
    torch.manual_seed(seed)
    return cached_random_causal(random_source(bits), config(family, **changes), BF16, CPU)


def random_source(bits: int) -> ModelSource:
    return source_of(Path("m"), kind="causal", bits=bits)


def values(model: Any) -> list[tuple[str, torch.dtype, Tensor]]:
    """Every tensor of a model, with the constants of packed ones, as bytes."""
    found = [*model.named_parameters(), *model.named_buffers()]
    found += [(f"{name} constants", each) for name, p in model.named_parameters() for each in quantization_tensors(p)]
    found += [(f"{name} scales", p.SCB) for name, p in model.named_parameters() if getattr(p, "SCB", None) is not None]
    return [(name, tensor.dtype, tensor.detach().reshape(-1).view(torch.uint8).clone()) for name, tensor in found]


def same(one: Any, other: Any) -> bool:
    mine, its = values(one), values(other)
    return [each[:2] for each in mine] == [each[:2] for each in its] and all(
        torch.equal(a[2], b[2]) for a, b in zip(mine, its, strict=True)
    )


def files() -> list[Path]:
    return [entry.path for entry in weight_entries.entries()]


class TestValues:
    @BITS
    @pytest.mark.parametrize("family", ["llama", "qwen2", "gemma"])
    def test_are_bitwise_those_that_are_drawn(self, family: str, bits: int, drawn: list[int | None]) -> None:
        first = made(bits, family=family)
        drawn_next = torch.rand(3)
        again = made(bits, family=family)
        assert torch.equal(torch.rand(3), drawn_next)  # an adapter's first weights are equal too
        assert drawn == [bits]
        assert same(first, again)
        assert [p.requires_grad for p in first.parameters()] == [p.requires_grad for p in again.parameters()]
        with torch.no_grad():
            assert torch.equal(first(IDS).logits, again(IDS).logits)

    def test_of_tied_embeddings_stay_one_tensor(self) -> None:
        for model in (made(tie_word_embeddings=True), made(tie_word_embeddings=True)):
            assert model.lm_head.weight is model.model.embed_tokens.weight

    def test_hold_the_same_memory(self) -> None:
        first, again = made(), made()
        assert held_bytes(model_tensors(first)) == held_bytes(model_tensors(again))

    @pytest.mark.parametrize(
        "changes", [{"seed": 1}, {"bits": 8}, {"num_hidden_layers": 1}, {"initializer_range": 0.2}]
    )
    def test_of_others_have_other_entries(self, changes: dict[str, Any], drawn: list[int | None]) -> None:
        made()
        made(**changes)
        assert len(drawn) == len(files()) == 2

    def test_do_not_depend_on_classes(self, drawn: list[int | None]) -> None:
        made(num_labels=2)
        made(num_labels=5)
        assert len(drawn) == 1

    @BITS
    def test_that_a_model_changes_do_not_reach_the_file(self, bits: int) -> None:
        made(bits)
        (path,) = files()
        before = path.read_bytes()
        again = made(bits)
        with torch.no_grad():
            for parameter in again.parameters():
                parameter.data.fill_(3)
                for constant in quantization_tensors(parameter):
                    constant.fill_(2)
        assert path.read_bytes() == before
        assert not same(again, made(bits))

    def test_of_small_models_are_not_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(weight_cache, "LEAST_PARAMETERS", 10**6)
        made()
        assert files() == []

    def test_that_another_process_builds_are_waited_for(self, drawn: list[int | None]) -> None:
        made()
        (path,) = files()
        aside = path.rename(path.with_name("aside"))
        with FileLock(path.with_suffix(".lock")):
            waiting = threading.Thread(target=made)
            waiting.start()
            waiting.join(1)
            assert waiting.is_alive()
            aside.rename(path)
        waiting.join(60)
        assert not waiting.is_alive()
        assert len(drawn) == 1


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.ones(3)}, path)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [cut, flip, empty, foreign, pipe])
def test_a_damaged_entry_is_rebuilt(
    damage: Callable[[Path], None], drawn: list[int | None], capsys: pytest.CaptureFixture[str]
) -> None:
    first = made()
    (path,) = files()
    whole = path.read_bytes()
    damage(path)
    assert same(first, made())
    assert "cannot be used, so they are built again" in capsys.readouterr().err
    assert len(drawn) == 2
    assert path.read_bytes() == whole


class TestLimit:
    def test_the_least_recently_used_goes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made(seed=0)
        (oldest,) = files()
        size = oldest.stat().st_size
        made(seed=1)
        (second,) = set(files()) - {oldest}
        os.utime(oldest, (1, 1))
        os.utime(second, (2, 2))
        made(seed=0)  # used again
        monkeypatch.setenv(weight_entries.VARIABLE, str(2 * size + 1000))
        made(seed=2)
        assert oldest in files()
        assert second not in files()
        assert len(files()) == 2

    def test_what_is_too_large_is_said(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], drawn: list[int | None]
    ) -> None:
        monkeypatch.setenv(weight_entries.VARIABLE, "1000")
        made()
        made()
        assert len(drawn) == 2
        assert files() == []
        assert "are not kept in" in (said := capsys.readouterr().err)
        assert "may hold 0.0 GB" in said

    def test_is_a_share_of_the_free_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000))
        assert weight_entries.limit_bytes() == 5_000

    @pytest.mark.parametrize("said", ["20GB", "-1", "1e9", "²"])
    def test_must_be_a_whole_number(self, said: str, monkeypatch: pytest.MonkeyPatch, drawn: list[int | None]) -> None:
        monkeypatch.setenv(weight_entries.VARIABLE, said)
        with pytest.raises(StudyError, match="TUNEBENCH_WEIGHTS_BYTES must be a whole number of bytes"):
            made()
        assert drawn == []

    def test_a_full_disk_is_said(
        self, small_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("TUNEBENCH_CACHE", str(small_disk))
        monkeypatch.setattr(weight_entries, "SHARE_OF_DISK", 100)
        made(vocab_size=30_000)
        assert "No space left on device; make room there" in capsys.readouterr().err
        assert files() == []

    def test_a_folder_that_cannot_be_made_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("TUNEBENCH_CACHE", str(tmp_path / "file"))
        made()
        assert "random weights are built again each time" in capsys.readouterr().err


class TestTensorFile:
    def test_gives_back_what_was_written(self, tmp_path: Path) -> None:
        whole = {
            "bf16": torch.randn(3, 5).bfloat16(), "scalar": torch.tensor(2.5), "bytes": torch.arange(7).byte(),
            "half": torch.ones(64).half(), "signed": torch.full((64,), -3, dtype=torch.int8),
        }  # fmt: skip
        whole["again"] = whole["bytes"]
        write_tensors(tmp_path / "a", whole)
        found = map_tensors(tmp_path / "a")
        assert {name: (t.dtype, t.shape) for name, t in found.items()} == {
            name: (t.dtype, t.shape) for name, t in whole.items()
        }
        assert all(torch.equal(found[name], tensor) for name, tensor in whole.items())
        assert found["again"] is found["bytes"]
        assert found["half"].untyped_storage().nbytes() == 128  # a mapping of its own, so its pages can be given back
        assert [path.name for path in tmp_path.iterdir()] == ["a"]

    def test_is_one_that_safetensors_reads(self, tmp_path: Path) -> None:
        from safetensors.torch import load_file

        write_tensors(tmp_path / "a", {"x": torch.arange(6.0).view(2, 3)})
        assert torch.equal(load_file(tmp_path / "a")["x"], torch.arange(6.0).view(2, 3))

    def test_under_another_name_is_refused(self, tmp_path: Path) -> None:
        write_tensors(tmp_path / "a", {"x": torch.ones(3)})
        (tmp_path / "a").rename(tmp_path / "b")
        with pytest.raises(ValueError, match="digest does not match"):
            map_tensors(tmp_path / "b")


class TestDoctor:
    def test_shows_and_clears(self, tunebench: Callable[..., tuple[int, str]]) -> None:
        made()
        said = tunebench("doctor")[1]
        (path,) = files()
        assert f"cached weights: {path.parent}, 1 entry, 0.00 GB of at most" in said
        assert path.name[:16] in said
        code, said = tunebench("doctor", "--clear-weights")
        assert (code, said.split(",")[0]) == (0, "removed 1 entry")
        assert list(path.parent.iterdir()) == []

    def test_does_one_thing_at_a_time(self, tunebench: Callable[..., tuple[int, str]]) -> None:
        code, said = tunebench("doctor", "--clear-weights", "--data", "sst5")
        assert code == 2
        assert "give one of --data, --prompt and --clear-weights" in said
