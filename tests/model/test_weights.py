"""Causal models with weights: drawn from the seed or read, whole or quantised, and updated by LoRA."""

import gc
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

from bench.data.batches import Batch
from bench.errors import ModelError
from bench.measure.parameters import count
from bench.method import Method, Task
from bench.model.load import load_config
from bench.model.quantization import allow_cpu_layout, is_quantized, quantization_tensors, quantize_linear_layers
from bench.model.random_weights import random_causal
from bench.model.weights import load_model, skeleton
from bench.run.worker.preflight import _check_quantization as check_quantization
from bench.study.models import ModelSource
from bench.study.settings import TrainSettings
from bench.train.evaluate import for_inference
from bench.train.loop import TrainStep, autocast
from bench.train.stored_weights import store_frozen_weights_as
from tests.model import folders
from tests.model.folders import source_of
from tests.plan.test_memory import allocated_bytes, held_bytes, model_tensors
from tests.train.support import shipped

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # peft: a merged weight is rounded to few bits once more.
    pytest.mark.filterwarnings("ignore:Merge lora module to:UserWarning"),
]
CPU = torch.device("cpu")
FAMILIES = ("llama", "mistral", "qwen2", "gemma")
IDS = torch.arange(18).view(2, 9) * 7 + 5
TASK = Task(labels=("negative", "positive"), max_length=16, kind="causal")
#: Root mean square of what quantising may change in logits, as a share of theirs: as measured here, and a third more.
ROUNDING = {4: 0.33, 8: 0.04, 16: 0.014}
BITS = pytest.mark.parametrize("bits", [4, 8, 16])


def config(family: str, **changes: Any) -> PretrainedConfig:
    sizes: dict[str, Any] = {
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "intermediate_size": 128, "vocab_size": 300, "max_position_embeddings": 128, "initializer_range": 0.1,
    }  # fmt: skip
    if family == "gemma":
        sizes["head_dim"] = 16
    return AutoConfig.for_model(family, **(sizes | changes))


def source(folder: Path, bits: int, **facts: Any) -> ModelSource:
    return source_of(folder, kind="causal", bits=bits, **facts)


def random_model(family: str, bits: int, seed: int = 0, dtype: torch.dtype = torch.bfloat16, **changes: Any) -> Any:
    torch.manual_seed(seed)
    return random_causal(config(family, **changes), dtype, bits, CPU)


def load(folder: Path, bits: int, dtype: torch.dtype = torch.bfloat16) -> Any:
    given = source(folder, bits)
    return load_model(given, folder, load_config(given, folder, len(TASK.labels)), dtype, CPU)


@torch.no_grad()
def logits(model: nn.Module) -> Tensor:
    return model.eval()(input_ids=IDS, use_cache=False).logits.float()  # type: ignore[no-any-return]


def apart(one: Tensor, other: Tensor) -> float:
    """Root mean square of the difference, as a share of the second's."""
    return float((one - other).square().mean().sqrt() / other.square().mean().sqrt())


def linear_layers(model: nn.Module) -> dict[str, Any]:
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama with weights in fp32."""
    path = tmp_path_factory.mktemp("models") / "llama"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config("llama")).save_pretrained(path)
    return path


@pytest.mark.parametrize("family", FAMILIES)
class TestRandomWeights:
    @BITS
    def test_come_from_the_seed_alone(self, family: str, bits: int) -> None:
        first, again, other = (logits(random_model(family, bits, seed)) for seed in (0, 0, 1))
        assert first.isfinite().all()
        assert first.std() > 0
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    @BITS
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
    def test_are_all_there_and_as_many_as_planned(self, family: str, bits: int, dtype: torch.dtype) -> None:
        model = random_model(family, bits, dtype=dtype)
        assert {tensor.device.type for tensor in (*model.parameters(), *model.buffers())} == {"cpu"}
        assert {p.dtype for p in model.parameters() if not is_quantized(p)} == {dtype}
        frequencies = {name: buffer for name, buffer in model.named_buffers() if "inv_freq" in name}
        assert frequencies
        assert {buffer.dtype for buffer in frequencies.values()} == {torch.float32}
        whole = AutoModelForCausalLM.from_config(config(family))
        for name, buffer in whole.named_buffers():
            assert torch.equal(model.get_buffer(name).float(), buffer.to(model.get_buffer(name).dtype).float())
        meta = skeleton(source(Path(), bits, weights="random"), config(family), dtype)
        # In 8 bits a skeleton stays whole, so what its layers could train is not frozen as yet.
        assert count(model.requires_grad_(False)) == count(meta.requires_grad_(False))
        assert count(model).logical_params == count(whole).total_params

    def test_have_the_spread_that_the_architecture_names(self, family: str) -> None:
        model = random_model(family, 16, dtype=torch.float32, attention_bias=True)
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                assert parameter.std().item() == pytest.approx(0.1, rel=0.1), name
                assert parameter.mean().item() == pytest.approx(0, abs=0.01), name
            else:
                assert set(parameter.tolist()) == ({0.0} if name.endswith("bias") else {1.0}), name

    @BITS
    def test_of_the_head_are_those_of_the_embeddings_where_tied(self, family: str, bits: int) -> None:
        model = random_model(family, bits, tie_word_embeddings=True)
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
        apart_model = random_model(family, bits, tie_word_embeddings=False)
        embeddings = model.get_input_embeddings().weight
        assert apart_model.get_output_embeddings().weight is not apart_model.get_input_embeddings().weight
        assert count(apart_model).total_params - count(model).total_params == embeddings.numel()

    def test_in_4_bits_are_nf4_quantised_twice_and_the_head_is_not(self, family: str) -> None:
        from bitsandbytes.nn.modules import Linear4bit

        layers = linear_layers(random_model(family, 4))
        head = layers.pop("lm_head")
        assert (type(head), head.weight.dtype) == (nn.Linear, torch.bfloat16)
        assert len(layers) == 2 * 7
        for name, layer in layers.items():
            state = layer.weight.quant_state
            assert type(layer) is Linear4bit, name
            assert (state.quant_type, state.blocksize, state.nested) == ("nf4", 64, True), name
            assert (state.dtype, layer.compute_dtype) == (torch.bfloat16, torch.bfloat16), name
            assert layer.weight.numel() == layer.in_features * layer.out_features // 2, name
            assert (layer.bias is not None) == (family == "qwen2" and name[-6:] in ("q_proj", "k_proj", "v_proj")), name

    def test_in_8_bits_are_bytes_and_the_head_is_not(self, family: str) -> None:
        from bitsandbytes.nn.modules import Linear8bitLt

        layers = linear_layers(random_model(family, 8))
        assert type(layers.pop("lm_head")) is nn.Linear
        assert {type(layer) for layer in layers.values()} == {Linear8bitLt}
        assert {layer.weight.dtype for layer in layers.values()} == {torch.int8}


@pytest.mark.parametrize("bits", [4, 8])
def test_no_more_than_one_layer_is_held_whole_while_a_model_is_built(bits: int) -> None:
    wide = config("llama", hidden_size=512, num_hidden_layers=6, intermediate_size=1408, vocab_size=500)
    made: list[nn.Module] = []
    random_causal(config("llama"), torch.bfloat16, bits, CPU)  # code books, made once in a process
    peak = allocated_bytes(lambda: made.append(random_causal(wide, torch.bfloat16, bits, CPU)))
    final = held_bytes(model_tensors(made[0]))
    whole = 2 * count(made[0]).logical_params
    largest = nn.Linear(512, 1408, bias=False, dtype=torch.bfloat16)
    quantising = allocated_bytes(partial(quantize_linear_layers, nn.Sequential(largest), torch.bfloat16, bits))
    assert peak <= 1.01 * (final + 2 * 512 * 1408 + quantising)
    assert peak < whole, "more than a model in 16 bits"


class TestReadWeights:
    @BITS
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
    def test_say_what_the_file_s_do_but_for_rounding(self, folder: Path, bits: int, dtype: torch.dtype) -> None:
        original = logits(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32))
        model = load(folder, bits, dtype)
        difference = apart(logits(model), original)
        if bits == 16 and dtype == torch.float32:
            assert difference == 0
        else:
            assert 0 < difference < ROUNDING[bits]
        assert {p.dtype for p in model.parameters() if not is_quantized(p)} == {dtype}
        quantised = [p for p in model.parameters() if is_quantized(p)]
        assert len(quantised) == (0 if bits == 16 else 2 * 7)
        assert not any(p.requires_grad for p in quantised)
        assert not any(hasattr(module, "_hf_hook") for module in model.modules()), "a hook would cost time in each call"
        given = source(folder, bits)
        meta = skeleton(given, load_config(given, folder, 2), dtype)
        assert count(model.requires_grad_(False)) == count(meta.requires_grad_(False))

    @BITS
    @pytest.mark.parametrize("lost", ["whole", "a row"])
    def test_that_a_file_lacks_are_not_made_up(self, folder: Path, tmp_path: Path, bits: int, lost: str) -> None:
        name, weights = "model.layers.1.mlp.up_proj.weight", load_file(folder / "model.safetensors")
        removed = weights.pop(name)
        said = rf"{tmp_path} lacks weights for 1 tensors, first .*layers\.1\.mlp\.up"
        if lost == "a row":
            weights[name] = removed[:-1].clone()
            said = r"1 tensors, first .*up_proj.weight: \(127, 64\) instead of \(128"
        (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
        save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ModelError, match=said):
            load(tmp_path, bits)

    @pytest.mark.parametrize(("bits", "quantiser"), [(4, "quantize_4bit"), (8, "int8_vectorwise_quant")])
    def test_for_which_memory_runs_out_as_they_are_quantised(
        self, folder: Path, bits: int, quantiser: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from bitsandbytes import functional

        def raising(error: Exception) -> None:
            def quantise(*_: Any, **__: Any) -> None:
                raise error

            monkeypatch.setattr(functional, quantiser, quantise)

        raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
        with pytest.raises(torch.OutOfMemoryError, match=r"Tried to allocate 2\.00 GiB"):
            load(folder, bits)
        raising(ValueError("no such kernel"))
        with pytest.raises(ModelError, match="model m: cannot be loaded: ValueError: no such kernel"):
            load(folder, bits)

    @pytest.mark.parametrize("bits", [4, 8])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
    def test_are_quantised_as_transformers_does(self, folder: Path, bits: int, dtype: torch.dtype) -> None:
        theirs = load(folder, bits, dtype)
        ours = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        quantize_linear_layers(ours, dtype, bits)
        allow_cpu_layout(ours, False)  # as in what was loaded
        others = linear_layers(theirs)
        assert linear_layers(ours).keys() == others.keys()
        for name, layer in linear_layers(ours).items():
            assert type(layer) is type(others[name]), name
            assert torch.equal(layer.weight, others[name].weight), name
            pairs = zip(quantization_tensors(layer.weight), quantization_tensors(others[name].weight), strict=True)
            assert all(torch.equal(one, other) for one, other in pairs), name
        assert torch.equal(logits(ours), logits(theirs))


def lora(**options: Any) -> Method:
    return shipped("lora", **{"target_modules": "all-linear", "r": 16} | options)


def batch() -> Batch:
    mask = torch.ones_like(IDS)
    mask[0, :2] = 0
    return Batch(IDS, mask, IDS[:, -2:].clone(), np.arange(2), int(mask.sum()))


def trained(folder: Path, bits: int, method: Method, before: Callable[[nn.Module], object] = lambda _: None) -> Any:
    """After three steps at a high learning rate."""
    torch.manual_seed(0)
    model = method.adapt(load(folder, bits), TASK)
    store_frozen_weights_as(model, torch.bfloat16)
    before(model)
    step = TrainStep(model.train(), method, 3, TrainSettings(), autocast(CPU, torch.bfloat16), "causal")
    losses = [float(step(batch())) for _ in range(3)]
    assert losses[-1] < losses[0]
    return model


@BITS
class TestLoRA:
    def test_trains_its_adapters_alone(self, folder: Path, bits: int) -> None:
        kept: dict[str, Tensor] = {}

        def keep(model: nn.Module) -> None:
            trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
            assert len(trainable) == 2 * 2 * 7
            assert all("lora_" in name and p.dtype == torch.float32 for name, p in trainable.items())
            kept.update({name: p.detach().clone() for name, p in model.named_parameters()})

        model = trained(folder, bits, lora(learning_rate=0.01), keep)
        for name, parameter in model.named_parameters():
            assert torch.equal(parameter, kept[name]) == ("lora_" not in name), name

    def test_trains_alike_after_a_prediction(self, folder: Path, bits: int) -> None:
        """The layout that bitsandbytes predicts with on a CPU knows no gradients."""
        method = lora(learning_rate=0.01)
        plain, asked = trained(folder, bits, method), trained(folder, bits, method, logits)
        others = dict(asked.named_parameters())
        assert all(torch.equal(parameter, others[name]) for name, parameter in plain.named_parameters())

    def test_merged_says_what_it_said_unmerged_but_for_rounding(self, folder: Path, bits: int) -> None:
        method = lora(learning_rate=0.03, merge=True)
        plain = logits(load(folder, bits))
        unmerged = logits(trained(folder, bits, method))
        assert apart(unmerged, plain) > 2 * ROUNDING[bits], "an update that rounding could hide would show nothing"
        model = method.prepare_inference(trained(folder, bits, method))
        assert not any("lora_" in name for name, _ in model.named_parameters())
        assert apart(logits(model), unmerged) < ROUNDING[bits]

    def test_is_merged_by_itself_where_that_rounds_nothing_away(self, folder: Path, bits: int) -> None:
        """Rounded to 4 bits once more, 98 % of an update of 1 % of the weights' norm were gone."""
        method = lora()
        model = method.prepare_inference(trained(folder, bits, method))
        assert any("lora_" in name for name, _ in model.named_parameters()) == (bits in (4, 8))

    def test_saved_is_an_adapter_that_peft_reads(self, folder: Path, tmp_path: Path, bits: int) -> None:
        method = lora(learning_rate=0.01)
        model = trained(folder, bits, method)
        method.save(model, tmp_path)
        again = PeftModel.from_pretrained(load(folder, bits), str(tmp_path))
        assert torch.equal(logits(again), logits(model))


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma", "gpt2"])
@pytest.mark.parametrize("targets", [("lm_head",), ("q_proj", "lm_head"), ("embed_tokens",)], ids="+".join)
def test_an_update_of_a_tied_weight_is_merged_into_one_of_its_two_places(family: str, targets: tuple[str, ...]) -> None:
    if family == "gpt2":
        targets = tuple({"q_proj": "c_attn", "embed_tokens": "wte"}.get(name, name) for name in targets)
    changes: dict[str, Any] = {"activation_function": "relu"} if family == "gpt2" else {}
    torch.manual_seed(0)
    whole: Any = AutoModelForCausalLM.from_config(config(family, tie_word_embeddings=True, **changes))
    before = count(whole.requires_grad_(False)).total_params
    embeddings = whole.get_input_embeddings().weight
    assert whole.get_output_embeddings().weight is embeddings
    method = lora(target_modules=list(targets), r=4)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fan_in_fan_out is set", UserWarning)  # of GPT-2, by peft
        model = method.adapt(whole, TASK)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(0, 0.3)
    kept = embeddings.detach().clone()
    unmerged = logits(model)
    merged: Any = method.prepare_inference(model)
    assert apart(logits(merged), unmerged) < 1e-4
    assert count(merged).total_params == before + embeddings.numel()
    assert not merged.config.tie_word_embeddings
    ends = [merged.get_input_embeddings(), merged.get_output_embeddings()]
    changed, other = ends if targets[-1] in ("embed_tokens", "wte") else ends[::-1]
    assert torch.equal(other.weight, kept)
    assert not torch.equal(changed.weight, kept)


def test_weights_that_nothing_shares_are_not_copied() -> None:
    model: Any = AutoModelForCausalLM.from_config(config("llama", tie_word_embeddings=True))
    before = count(model).total_params
    method = lora(target_modules=["q_proj"])
    merged: Any = method.prepare_inference(method.adapt(model, TASK))
    assert count(merged).total_params == before
    assert merged.get_output_embeddings().weight is merged.get_input_embeddings().weight


def test_4_bits_are_laid_out_for_the_cpu_s_kernel_once_they_are_trained_no_more(folder: Path) -> None:
    from bitsandbytes.functional import has_avx512bf16

    def laid_out(model: nn.Module) -> set[bool]:
        logits(model)
        states: list[Any] = [p.quant_state for p in model.parameters() if hasattr(p, "quant_state")]
        return {getattr(state, "packing_format_for_cpu", False) for state in states}

    model = load(folder, 4)
    before = logits(model)
    assert laid_out(model) == {False}
    model = for_inference(model, torch.bfloat16, CPU)
    assert laid_out(model) == {has_avx512bf16()}
    assert apart(logits(model), before) < ROUNDING[16]


def test_a_weight_in_that_layout_keeps_no_scales_of_scales() -> None:
    weight = nn.Parameter(torch.zeros(4))
    scales, book = torch.ones(2), torch.ones(16)
    weight.quant_state = SimpleNamespace(absmax=scales, code=book, offset=None)  # type: ignore[attr-defined]
    found = quantization_tensors(weight)
    assert [id(tensor) for tensor in found] == [id(scales), id(book)]


MAPS = Path("/proc/self/maps")


@pytest.mark.skipif(not MAPS.exists(), reason="no /proc")
@BITS
def test_weights_are_no_pages_of_their_file(folder: Path, bits: int) -> None:
    """Such pages would count as resident once they are read, and until the last tensor of the file is gone."""
    gc.collect()  # what other tests read and let go
    model = load(folder, bits, torch.float32)  # as in the file, so that nothing is converted
    assert str(folder / "model.safetensors") not in MAPS.read_text(encoding="utf-8")
    assert torch.isfinite(logits(model)).all()


@pytest.mark.skipif(not MAPS.exists(), reason="no /proc")
def test_an_encoder_s_neither(tiny_encoder: Path) -> None:
    gc.collect()
    read = folders.load(source_of(tiny_encoder))
    assert str(tiny_encoder / "model.safetensors") not in MAPS.read_text(encoding="utf-8")
    saved = load_file(tiny_encoder / "model.safetensors")
    body = read.get_submodule("bert").state_dict()
    assert all(torch.equal(body[name], tensor) for name, tensor in saved.items())


def test_bits_that_the_library_cannot_hold_on_the_device_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ModuleType("bitsandbytes")
    vars(library).update(__version__="0.49", supported_torch_devices={"cuda"})
    monkeypatch.setitem(sys.modules, "bitsandbytes", library)
    cell: Any = SimpleNamespace(device="cpu", model=source(Path(), 8))
    with pytest.raises(
        ModelError, match=r"0\.49 has no operators of 8 bits for cpu; .* set bits = 16 in \[models\.m\]"
    ):
        check_quantization(cell)
