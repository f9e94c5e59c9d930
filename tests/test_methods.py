"""Every method found, held to the contract: a new file in methods/ is tested by being there."""

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from bench import registry
from bench.errors import PluginError, UnsupportedError
from bench.measure import parameters
from bench.method import Method, Task
from bench.study import ModelKind

pytestmark = pytest.mark.usefixtures("one_thread")
FOUND = registry.find()
TASK = Task(labels=("anger", "joy", "sadness"), max_length=32, kind="encoder")
#: Options whose other values build something else.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "bitfit": [{"train_head": False}],
    "lora": [{"r": 3, "alpha": 5, "target_modules": ["query", "dense"]}, {"merge": False}],
    "p_tuning": [{"reparameterization": kind, "num_virtual_tokens": 7} for kind in ("none", "mlp", "lstm")],
}
CASES = [(name, options) for name in FOUND for options in [{}, *VARIANTS.get(name, [])]]
every_case = pytest.mark.parametrize(
    ("name", "options"), CASES, ids=[f"{name}-{'-'.join(map(str, given.values()))}" for name, given in CASES]
)
every_method = pytest.mark.parametrize("name", FOUND)


def method_of(name: str, options: dict[str, Any] | None = None) -> Method:
    method = registry.load(name, FOUND[name].path)
    return method(registry.options(name, method, options or {}))


def encoder(folder: Path, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)  # type: ignore[no-any-return]


def moved(model: nn.Module) -> nn.Module:
    """The model with every trainable weight changed, as after a training."""
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model


def logits(model: nn.Module) -> torch.Tensor:
    ids = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
    with torch.no_grad():
        return model.eval()(input_ids=ids, attention_mask=(ids > 0).long()).logits  # type: ignore[no-any-return]


@every_case
def test_meta_build_has_the_counts_of_the_real_one(name: str, options: dict[str, Any], tiny_encoder: Path) -> None:
    real = method_of(name, options).adapt(encoder(tiny_encoder), TASK)
    config = AutoConfig.from_pretrained(tiny_encoder, num_labels=3)
    with torch.device("meta"):
        twin = method_of(name, options).adapt(AutoModelForSequenceClassification.from_config(config), TASK)
    assert parameters.count(twin) == parameters.count(real)


@every_case
def test_saved_and_loaded_gives_the_same_logits(
    name: str, options: dict[str, Any], tiny_encoder: Path, tmp_path: Path
) -> None:
    method = method_of(name, options)
    fresh = method_of(name, options)
    tuned = moved(method.adapt(encoder(tiny_encoder), TASK))
    wanted = logits(tuned)
    if not method.trains:
        return
    method.save(tuned, tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".safetensors" for path in files)
    assert [path.name for path in files if path.suffix in (".bin", ".pt", ".pth", ".pkl", ".pickle")] == []
    start = fresh.adapt(encoder(tiny_encoder), TASK)
    assert not torch.allclose(logits(start), wanted, atol=1e-3)
    torch.testing.assert_close(logits(fresh.load(start, tmp_path)), wanted, atol=1e-6, rtol=0)


@every_case
def test_prepared_for_inference_the_logits_stay(name: str, options: dict[str, Any], tiny_encoder: Path) -> None:
    method = method_of(name, options)
    tuned = moved(method.adapt(encoder(tiny_encoder), TASK))
    wanted = logits(tuned)
    torch.testing.assert_close(logits(method.prepare_inference(tuned)), wanted, atol=1e-4, rtol=0)


@every_case
def test_optimizer_gets_every_trainable_weight_once(name: str, options: dict[str, Any], tiny_encoder: Path) -> None:
    method = method_of(name, options)
    model = method.adapt(encoder(tiny_encoder), TASK)
    grouped = [id(parameter) for group in method.parameter_groups(model) for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters() if parameter.requires_grad)
    if method.trains:
        assert grouped
    for group in method.parameter_groups(model):
        assert all(parameter.ndim >= 2 for parameter in group["params"]) or group["weight_decay"] == 0


@every_case
def test_gradient_reaches_every_trainable_weight(name: str, options: dict[str, Any], tiny_encoder: Path) -> None:
    method = method_of(name, options)
    if not method.trains:
        return
    model = moved(method.adapt(encoder(tiny_encoder), TASK)).train()
    ids = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 9, 10, 3], [2, 11, 12, 13, 3]])
    scores = model(input_ids=ids, attention_mask=None).logits
    nn.functional.cross_entropy(scores, torch.tensor([0, 1, 2])).backward()
    assert [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@every_method
def test_supports_what_adapt_takes(name: str) -> None:
    supported = [kind for kind in get_args(ModelKind) if registry.load(name, FOUND[name].path).supports(kind)]
    assert supported
    assert set(supported) <= set(get_args(ModelKind))


@every_method
def test_has_a_label_and_documented_options(name: str) -> None:
    method = registry.load(name, FOUND[name].path)
    assert method.label.strip() == method.label != ""
    assert method.__doc__
    for field in method.options_class.model_fields.values():
        assert field.description
        assert not field.is_required()


def test_labels_are_told_apart() -> None:
    labels = [registry.load(name, plugin.path).label for name, plugin in FOUND.items()]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {"learning_rate": 0}) for name in FOUND),
        *((name, {"no_such_option": 1}) for name in FOUND),
        ("lora", {"r": 0}),
        ("lora", {"r": 1.5}),
        ("lora", {"alpha": 0}),
        ("lora", {"dropout": 1}),
        ("lora", {"target_modules": []}),
        ("p_tuning", {"num_virtual_tokens": 0}),
        ("p_tuning", {"reparameterization": "gru"}),
        ("p_tuning", {"hidden_size": 0}),
        ("bitfit", {"train_head": "perhaps"}),
    ],
)
def test_option_out_of_range_is_refused_by_name(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=rf"methods\.{name}\.options: {next(iter(options))}"):
        method_of(name, options)


class TestFullFineTuning:
    def test_trains_all(self, tiny_encoder: Path) -> None:
        counted = parameters.count(method_of("full_ft").adapt(encoder(tiny_encoder).requires_grad_(False), TASK))
        assert counted.trainable_params == counted.total_params


class TestBitFit:
    @pytest.mark.parametrize("train_head", [True, False])
    def test_trains_biases_and_the_head_if_asked(self, train_head: bool, tiny_encoder: Path) -> None:
        model = method_of("bitfit", {"train_head": train_head}).adapt(encoder(tiny_encoder), TASK)
        for name, parameter in model.named_parameters():
            wanted = name.endswith(".bias") or (train_head and name == "classifier.weight")
            assert parameter.requires_grad == wanted, name

    def test_model_without_biases_is_unsupported(self) -> None:
        model = nn.Module()
        model.body, model.classifier = nn.Linear(2, 2, bias=False), nn.Linear(2, 2)
        with pytest.raises(UnsupportedError, match="no bias terms"):
            method_of("bitfit").adapt(model, TASK)


class TestLoRA:
    def test_starts_as_the_plain_model(self, tiny_encoder: Path) -> None:
        plain = encoder(tiny_encoder)
        wanted = logits(plain)
        torch.testing.assert_close(logits(method_of("lora").adapt(plain, TASK)), wanted)

    def test_merged_is_the_plain_architecture(self, tiny_encoder: Path) -> None:
        method = method_of("lora")
        merged = method.prepare_inference(moved(method.adapt(encoder(tiny_encoder), TASK)))
        total = parameters.count(encoder(tiny_encoder)).total_params
        assert parameters.count(merged).total_params == total

    def test_targets_that_are_not_there_are_unsupported(self, tiny_encoder: Path) -> None:
        with pytest.raises(UnsupportedError, match="set target_modules"):
            method_of("lora", {"target_modules": ["no_such_layer"]}).adapt(encoder(tiny_encoder), TASK)


class TestPTuning:
    @pytest.mark.parametrize(("length", "tokens"), [(141, 20), (160, 1)])
    def test_more_positions_than_the_model_has_are_unsupported(
        self, length: int, tokens: int, tiny_encoder: Path
    ) -> None:
        task = Task(labels=TASK.labels, max_length=length, kind="encoder")
        with pytest.raises(UnsupportedError, match=r"lower data\.max_length or num_virtual_tokens"):
            method_of("p_tuning", {"num_virtual_tokens": tokens}).adapt(encoder(tiny_encoder), task)

    @pytest.mark.parametrize("kind", ["bert", "roberta"])
    def test_the_longest_text_it_accepts_fits(self, kind: str) -> None:
        common = {"vocab_size": 30, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "num_labels": 3}
        config = AutoConfig.for_model(kind, num_hidden_layers=1, max_position_embeddings=30, **common)
        for length in range(20, 31):
            model = AutoModelForSequenceClassification.from_config(config)
            task = Task(labels=TASK.labels, max_length=length, kind="encoder")
            try:
                adapted = method_of("p_tuning", {"num_virtual_tokens": 3}).adapt(model, task)
            except UnsupportedError:
                continue
            ids = torch.full((1, length), 5)
            assert adapted(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.shape == (1, 3)
