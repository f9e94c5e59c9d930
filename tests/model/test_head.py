"""Heads of checkpoints, and layers that a checkpoint lacks."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from bench.errors import ModelError
from bench.measure.parameters import count
from bench.method import Task, fresh_layers, registry
from bench.model.head import class_order
from bench.model.load import load_config
from bench.model.weights import load_model, skeleton
from bench.run.worker.artifact import tidy
from bench.study.entries import ModelEntry
from bench.study.models import ModelSource, resolve_model
from bench.study.study import Grid, Study
from tests.model.folders import source_of
from tests.train.support import shipped

pytestmark = pytest.mark.usefixtures("one_thread")
LABELS = ("negative", "positive")
TASK = Task(labels=LABELS, max_length=12, kind="encoder")
CPU = torch.device("cpu")
IDS = torch.arange(5, 29).view(3, 8)


def load(given: ModelSource, labels: tuple[str, ...] = LABELS, seed: int = 0) -> Any:
    folder = Path(str(given.folder))
    torch.manual_seed(seed)
    return load_model(given, folder, load_config(given, folder, len(labels)), torch.float32, CPU, labels).eval()


def scores(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits  # type: ignore[no-any-return]


def write_headed(encoder: Path, to: Path, names: tuple[str, ...], pooler: bool = True) -> Path:
    """A checkpoint with a head for these classes."""
    torch.manual_seed(5)
    model: Any = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=len(names))
    model.config.id2label = dict(enumerate(names))
    with torch.no_grad():
        model.classifier.bias.copy_(torch.arange(len(names)) + 1.0)
    state = {name: tensor for name, tensor in model.state_dict().items() if pooler or "pooler" not in name}
    model.save_pretrained(to, state_dict=state)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(to)
    return to


class TestFresh:
    def test_is_drawn_from_the_seed_though_the_checkpoint_has_one(self, tiny_encoder: Path, tmp_path: Path) -> None:
        folder = write_headed(tiny_encoder, tmp_path / "m", ("a", "b"))
        one, again, other = (load(source_of(folder), seed=seed) for seed in (1, 1, 2))
        assert torch.equal(one.classifier.weight, again.classifier.weight)
        assert not torch.equal(one.classifier.weight, other.classifier.weight)
        assert one.classifier.bias.tolist() == [0, 0]
        assert one.classifier.weight.std().item() == pytest.approx(0.02, rel=0.4)
        kept = AutoModelForSequenceClassification.from_pretrained(folder).bert.state_dict()
        assert all(torch.equal(tensor, kept[name]) for name, tensor in one.bert.state_dict().items())

    def test_may_have_another_size_than_the_checkpoint_s(self, tiny_encoder: Path, tmp_path: Path) -> None:
        folder = write_headed(tiny_encoder, tmp_path / "m", ("a", "b", "c"))
        one, again = (load(source_of(folder), seed=1) for _ in range(2))
        assert one.classifier.weight.shape == (2, 32)
        assert torch.equal(one.classifier.weight, again.classifier.weight)


class TestOfTheCheckpoint:
    def test_is_read(self, tiny_encoder: Path, tmp_path: Path) -> None:
        folder = write_headed(tiny_encoder, tmp_path / "m", ("LABEL_0", "LABEL_1"))
        kept: Any = AutoModelForSequenceClassification.from_pretrained(folder)
        for seed in (0, 1):
            assert torch.equal(scores(load(source_of(folder, head="checkpoint"), seed=seed)), scores(kept))

    def test_has_its_classes_matched_by_name(self, tiny_encoder: Path, tmp_path: Path) -> None:
        folder = write_headed(tiny_encoder, tmp_path / "m", (" Positive", "NEGATIVE"))
        kept: Any = AutoModelForSequenceClassification.from_pretrained(folder)
        found = scores(load(source_of(folder, head="checkpoint")))
        assert torch.equal(found, scores(kept)[:, [1, 0]])

    def test_of_other_classes_is_refused(self, tiny_encoder: Path, tmp_path: Path) -> None:
        folder = write_headed(tiny_encoder, tmp_path / "m", ("a", "b", "c"))
        with pytest.raises(ModelError, match=r"another size: .* of the task need .*; set head = \"fresh\""):
            load(source_of(folder, head="checkpoint"))
        with pytest.raises(ModelError, match="has no classification head, it lacks classifier"):
            load(source_of(tiny_encoder, head="checkpoint"))

    @pytest.mark.parametrize(
        ("named", "order"),
        [
            (None, [0, 1, 2]),
            ({"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, [0, 1, 2]),
            ({"2": "neutral", "0": "positive", "1": "negative"}, [1, 2, 0]),
        ],
    )
    def test_order(self, named: Any, order: list[int]) -> None:
        assert class_order(named, ("negative", "neutral", "positive"), "m", "do") == order

    @pytest.mark.parametrize("named", [{"0": "negative", "1": "joy"}, {"0": "negative", "1": "negative"}])
    def test_that_shares_some_names_is_refused(self, named: dict[str, str]) -> None:
        with pytest.raises(ModelError, match=r"m names the classes negative, .* all names must match, or none; do"):
            class_order(named, LABELS, "m", "do")


class TestOption:
    def resolved(self, **entry: Any) -> ModelSource:
        content = {"grid": [Grid(datasets=("x",), models=("m",))], "models": {"m": entry}}
        return resolve_model("m", Study.model_validate({"name": "s"} | content))

    def test_is_in_the_source(self, tiny_encoder: Path, folder_of_causal: Path) -> None:
        assert self.resolved(path=str(tiny_encoder)).head == "fresh"
        assert self.resolved(path=str(tiny_encoder), head="checkpoint").head == "checkpoint"
        assert self.resolved(base="roberta-base", head="checkpoint").head == "checkpoint"
        with pytest.raises(ModelError, match='head = "checkpoint" is for encoders, but this model is causal'):
            self.resolved(path=str(folder_of_causal), head="checkpoint")

    @pytest.mark.parametrize("other", [{"weights": "random"}, {"kind": "causal"}])
    def test_needs_an_encoder_with_weights(self, other: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match='head = "checkpoint" needs an encoder with pretrained weights'):
            ModelEntry.model_validate({"path": "x", "head": "checkpoint"} | other)

    @pytest.fixture
    def folder_of_causal(self, tiny_encoder: Path, tmp_path: Path) -> Path:
        content = json.loads((tiny_encoder / "config.json").read_text()) | {"architectures": ["BertLMHeadModel"]}
        (tmp_path / "config.json").write_text(json.dumps(content))
        (tmp_path / "model.safetensors").write_bytes((tiny_encoder / "model.safetensors").read_bytes())
        return tmp_path


TRAINING = [
    name for name, plugin in sorted(registry.find().items())
    if not plugin.is_baseline and (method := registry.load(name, plugin.path)).trains and method.supports("encoder")
]  # fmt: skip


@pytest.mark.parametrize("name", TRAINING)
class TestLayersThatTheCheckpointLacks:
    """What is kept of an adapted model gives the same scores under any seed."""

    def test_are_kept(self, name: str, tiny_encoder: Path, tmp_path: Path) -> None:
        given = source_of(write_headed(tiny_encoder, tmp_path / "m", ("a", "b"), pooler=False))
        method, base = shipped(name), load(given, seed=1)
        assert fresh_layers(base) == ("bert.pooler.dense",)
        model = method.adapt(base, TASK)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter), alpha=0.1)
        wanted = scores(model)
        (tmp_path / "kept").mkdir()
        method.save(model, tmp_path / "kept")
        tidy(tmp_path / "kept", given)
        for seed in (2, 3):
            again = shipped(name)
            torch.testing.assert_close(
                scores(again.load(again.adapt(load(given, seed=seed), TASK), tmp_path / "kept")), wanted
            )

    def test_are_as_many_on_meta(self, name: str, tiny_encoder: Path, tmp_path: Path) -> None:
        for pooler in (True, False):
            folder = write_headed(tiny_encoder, tmp_path / f"m{pooler}", ("a", "b"), pooler)
            given = source_of(folder)
            meta = skeleton(given, load_config(given, folder, 2), torch.float32)
            with torch.device("meta"):
                adapted = shipped(name).adapt(meta, TASK)
            assert count(adapted) == count(shipped(name).adapt(load(given), TASK))
