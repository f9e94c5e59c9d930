"""Predicted peaks, held against what the allocator is asked for in real steps."""

import dataclasses
import gc
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.data.batches import Batch
from bench.measure.allocations import AllocationTracker
from bench.measure.machine import computes_bf16
from bench.method import Method, Task, registry
from bench.model.config import config_from
from bench.model.cpu_layers import replace_dropout
from bench.model.load import build
from bench.model.prompting.score import LabelScorer
from bench.model.quantization import quantization_tensors, quantize_linear_layers, settle
from bench.plan.memory import ANSWER_TOKENS, ASSUMED_CAPABILITY, BARE_PROMPT, matmul_workspace_bytes
from bench.plan.plan import Plan
from bench.plan.row import PlanRow
from bench.study.cell import Cell
from bench.study.request import Request
from bench.study.study import Study
from bench.train.evaluate import predict as class_scores
from bench.train.loop import DTYPES, TrainStep, autocast
from bench.train.memory import inside_cpu
from bench.train.stored_weights import enable_gradient_checkpointing, store_weights
from tests.known import known

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
FOUND = registry.find()
TOLERANCE = 0.05
WARMUP_STEPS = 2
MIB = 2**20
LABELS = ("negative", "positive", "neither")
BERT: dict[str, Any] = {
    "model_type": "bert", "architectures": ["BertForSequenceClassification"], "vocab_size": 1500, "hidden_size": 128,
    "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 512, "max_position_embeddings": 128,
    "pad_token_id": 0,
}  # fmt: skip
ROBERTA = BERT | {
    "model_type": "roberta", "architectures": ["RobertaForSequenceClassification"], "pad_token_id": 1,
    "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip
ROBERTA_BASE = ROBERTA | {
    "vocab_size": 50265, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072, "max_position_embeddings": 514,
}  # fmt: skip
LLAMA = BERT | {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_key_value_heads": 2, "intermediate_size": 384,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of a study, and what is planned for it."""

    cell: Cell
    row: PlanRow
    content: dict[str, Any]

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[known(self.row.precision)]

    def method(self) -> Method:
        method = registry.load(self.cell.method.plugin, FOUND[self.cell.method.plugin].path)
        return method(registry.options(self.cell.method.name, method, self.cell.method.given))

    def model(self, method: Method) -> nn.Module:
        """Adapted, with weights."""
        torch.manual_seed(0)
        kind = self.cell.model.kind
        dtype = torch.float32 if kind == "encoder" else self.dtype
        model = build(config_from(self.content, 3, "test"), kind, dtype, self.cell.model.attention)
        if self.cell.model.bits == 4:
            quantize_linear_layers(model, self.dtype)
            for module in model.modules():
                if hasattr(module, "support_avx512bf16_for_cpu"):  # else the weights are laid out anew for inference
                    vars(module)["support_avx512bf16_for_cpu"] = False
        return method.adapt(model, Task(labels=LABELS, max_length=self.cell.data.max_length, kind=kind))

    def batch(self, device: torch.device = CPU) -> Batch:
        """Full sequences but for one token, so that there is a mask."""
        ids = torch.randint(5, 100, (self.cell.train.batch_size, self.cell.data.max_length), device=device)
        mask = torch.ones_like(ids)
        mask[0, -1] = 0
        tokens = ANSWER_TOKENS if self.cell.train.loss_tokens == "answer" else ids.shape[1] - 1
        shape = (len(ids),) if self.cell.model.kind == "encoder" else (len(ids), tokens)
        labels = torch.zeros(shape, dtype=torch.int64, device=device)
        return Batch(ids, mask, labels, np.arange(len(ids)), int(mask.sum()))


def planned(
    folder: Path,
    config: dict[str, Any],
    plugin: str,
    precision: str = "fp32",
    device: str = "cpu",
    options: dict[str, Any] | None = None,
    length: int = 64,
    bits: int | None = None,
    checkpointing: bool = False,
    attention: str | None = None,
    **train: Any,
) -> Case:
    """The case of a study of one cell, at batch 8; ``train`` holds more of its settings."""
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    content = {
        "name": "memory",
        "device": device,
        "baselines": False, "grid": [{"datasets": ["texts"], "models": ["model"], "methods": ["row"]}],
        "data": {"max_length": length},
        "train": {
            "batch_size": 8, "inference_batch_size": 8, "precision": precision,
            "gradient_checkpointing": checkpointing, **train,
        },
        "datasets": {"texts": {"hub_id": "nobody/nothing", "labels": LABELS}},
        "models": {"model": {"path": str(folder), "weights": "random", "bits": bits, "attention": attention}},
        "methods": {"row": {"plugin": plugin, "options": options or {}}},
    }  # fmt: skip
    plan = Plan(Request(study=Study.model_validate_json(json.dumps(content)).in_folder(folder)))
    row = plan.row(plan.cells[0])
    assert row.unsupported is None, row.unsupported
    return Case(plan.cells[0], row, config)


def held_bytes(tensors: Iterable[Tensor]) -> int:
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values())


def model_tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()
    for parameter in model.parameters():
        yield from quantization_tensors(parameter)


def batch_tensors(batch: Batch) -> list[Tensor]:
    return [batch.input_ids, cast(Tensor, batch.attention_mask), batch.labels]


def allocated_bytes(work: Callable[[], object]) -> int:
    """The highest that the sum of all that is allocated, less what is freed, comes to; by PyTorch's profiler."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    events = cast(Any, profiler.profiler).kineto_results.events()
    changes = sorted((e.start_ns(), i, e.nbytes()) for i, e in enumerate(events) if e.name() == "[memory]")
    return int(np.cumsum([size for _, _, size in changes]).max())


def measured(case: Case, change: Callable[[nn.Module], None]) -> tuple[int, int]:
    """Peak bytes of a real training step and of a real prediction on the CPU, as a worker takes them."""
    method, cell = case.method(), case.cell
    model = case.model(method)
    change(model)
    if cell.train.gradient_checkpointing:
        enable_gradient_checkpointing(model)
    if cell.model.kind == "causal":
        settle(model, CPU)
    store_weights(model, case.dtype, cell.train.weights_storage)
    replace_dropout(model)
    model.train()
    batch = case.batch()
    step = TrainStep(
        model, method, 10, cell.train, autocast(CPU, case.dtype, cell.train.weights_storage), cell.model.kind
    )
    for _ in range(WARMUP_STEPS):
        step(batch)
    state = [held for values in step.optimizer.state.values() for held in values.values() if isinstance(held, Tensor)]
    training = held_bytes([*model_tensors(model), *batch_tensors(batch), *state])
    training += allocated_bytes(partial(step, batch))
    del step, state

    model = method.prepare_inference(model).requires_grad_(False).to(case.dtype)
    work = partial(scores_of_encoder if cell.model.kind == "encoder" else scores, model, batch)
    work()
    inference = held_bytes([*model_tensors(model), *batch_tensors(batch)]) + allocated_bytes(work)
    return training, inference


def scores_of_encoder(model: nn.Module, batch: Batch) -> None:
    class_scores(model, [batch], len(LABELS), CPU, torch.float32, lambda *_: None)


@torch.inference_mode()
def scores(model: nn.Module, batch: Batch) -> None:
    """As a worker does, with something before the text, and more labels than the plan's."""
    prefix = 1
    mask = None if batch.attention_mask is None else batch.attention_mask[:, prefix:].flip(1)
    asked = dataclasses.replace(BARE_PROMPT, prefix_ids=(7,) * prefix, label_ids=((8,), (9,), (10,)))
    rows = Batch(batch.input_ids[:, prefix:], mask, batch.labels, batch.indices, batch.tokens)
    LabelScorer(model.eval(), asked).scores(rows)


def hold_against(case: Case, change: Callable[[nn.Module], None] = lambda model: None) -> None:
    """Assert that what is planned is what is measured, on a model that is changed first."""
    training, inference = measured(case, change)
    assert case.row.train_memory is not None
    assert case.row.inference_memory is not None
    assert case.row.train_memory.peak_bytes == pytest.approx(training, rel=TOLERANCE)
    assert case.row.inference_memory.peak_bytes == pytest.approx(inference, rel=TOLERANCE)


@pytest.fixture(params=["fp32", "bf16"])
def precision(request: pytest.FixtureRequest) -> str:
    if request.param == "bf16" and not computes_bf16(CPU):
        pytest.skip("this machine computes no bf16")
    return str(request.param)


@pytest.mark.parametrize("checkpointing", [False, True])
class TestAgainstRealSteps:
    @pytest.mark.parametrize(
        ("config", "plugin", "options"),
        [
            (ROBERTA, "full_ft", {}), (BERT, "bitfit", {}), (ROBERTA, "lora", {}),
            (BERT, "p_tuning", {"reparameterization": "mlp"}), (ROBERTA, "p_tuning", {"reparameterization": "none"}),
        ],
        ids=["full_ft", "bitfit", "lora", "p_tuning mlp", "p_tuning none"],
    )  # fmt: skip
    def test_of_an_encoder(
        self, tmp_path: Path, config: dict[str, Any], plugin: str, options: dict[str, Any], precision: str,
        checkpointing: bool,
    ) -> None:  # fmt: skip
        hold_against(planned(tmp_path, config, plugin, precision, options=options, checkpointing=checkpointing))

    @pytest.mark.parametrize("options", [{}, {"num_experts": 3, "layers": "every:1"}], ids=["default", "in parts"])
    def test_of_experts_with_even_shares(
        self, tmp_path: Path, options: dict[str, Any], precision: str, checkpointing: bool
    ) -> None:
        case = planned(tmp_path, BERT, "moe", precision, options=options, checkpointing=checkpointing)
        hold_against(case, send_evenly)

    # peft: a merged weight is rounded to 4 bits once more.
    @pytest.mark.filterwarnings("ignore:Merge lora module to 4-bit:UserWarning")
    @pytest.mark.parametrize("merge", [True, False])
    def test_of_a_causal_model_in_4_bits(
        self, tmp_path: Path, precision: str, checkpointing: bool, merge: bool
    ) -> None:
        options = {"merge": merge, "target_modules": "all-linear"}
        hold_against(planned(tmp_path, LLAMA, "lora", precision, options=options, bits=4, checkpointing=checkpointing))


class TestOtherWaysToTrain:
    """What a training may do otherwise, held against real steps too."""

    @pytest.mark.parametrize(
        "train",
        [
            {"optimizer": "adamw_foreach"}, {"optimizer": "adamw_8bit"}, {"gradient_accumulation_steps": 4},
            {"weights_storage": "mixed"}, {"weights_storage": "true"},
        ],
        ids=lambda train: "-".join(map(str, next(iter(train.items())))),
    )  # fmt: skip
    @pytest.mark.parametrize("plugin", ["full_ft", "lora"])
    def test_of_an_encoder(self, tmp_path: Path, plugin: str, train: dict[str, Any], precision: str) -> None:
        hold_against(planned(tmp_path, ROBERTA, plugin, precision, **train))

    @pytest.mark.parametrize("plugin", ["full_ft", "lora"])
    @pytest.mark.parametrize(
        ("config", "given"), [(ROBERTA, {"attention": "eager"}), (LLAMA, {"bits": 16, "loss_tokens": "all"})],
        ids=["eager attention", "a causal model that learns every token"],
    )  # fmt: skip
    def test_of_models(
        self, tmp_path: Path, config: dict[str, Any], plugin: str, precision: str, given: dict[str, Any]
    ) -> None:
        hold_against(planned(tmp_path, config, plugin, precision, **given))

    def test_fp16(self, tmp_path: Path) -> None:
        hold_against(planned(tmp_path, ROBERTA, "lora", "fp16"))


def send_evenly(model: nn.Module) -> None:
    """Each expert gets as many tokens as any: who gets how many in a real run, no plan can know."""
    layers: list[Any] = [module for module in model.modules() if type(module).__name__ == "SparseExperts"]
    assert layers
    for layer in layers:
        layer.router.register_forward_hook(by_turns)


def by_turns(router: nn.Module, tokens: tuple[Tensor], routing: Any) -> Any:
    chosen = torch.arange(routing.chosen.numel()).view_as(routing.chosen) % routing.logits.shape[-1]
    return routing._replace(chosen=chosen)


@pytest.mark.parametrize(
    "work",
    [torch.add, torch.sub, torch.mul, torch.div, Tensor.add_, Tensor.mul_, lambda wide, narrow: wide[:, :1] * narrow],
)
def test_what_arithmetic_converts_within_itself(work: Callable[[Tensor, Tensor], object]) -> None:
    wide, narrow = torch.ones(100, 64), torch.ones(100, 64, dtype=torch.bfloat16)
    tracker = AllocationTracker(inside=inside_cpu)
    tracker.hold([wide, narrow], "weights")
    with tracker:
        work(wide, narrow)
    assert tracker.peak["workspace"] == allocated_bytes(lambda: work(wide, narrow)) > 0


class TestBreakdown:
    def test_training_in_full_holds_four_times_the_weights(self, tmp_path: Path) -> None:
        case = planned(tmp_path, ROBERTA, "full_ft", checkpointing=True)
        breakdown, weights = case.row.train_memory, 4 * cast(int, case.row.total_params)
        assert breakdown is not None
        # Position and token type ids are buffers: 2 x 128 int64. A step is counted in fp32 for each parameter.
        parameters = len(list(case.model(case.method()).parameters()))
        assert breakdown.weights_bytes == weights + 2 * 128 * 8
        assert breakdown.optimizer_state_bytes == 2 * weights + 4 * parameters

    def test_no_gradient_and_no_state_is_kept_of_frozen_weights(self, tmp_path: Path) -> None:
        case = planned(tmp_path, ROBERTA, "lora")
        breakdown = known(case.row.train_memory)
        trained = 4 * cast(int, case.row.trainable_params)
        assert 2 * trained < breakdown.optimizer_state_bytes < 2.01 * trained
        assert breakdown.gradients_bytes <= trained

    def test_checkpointing_saves_activations_and_nothing_else(self, tmp_path: Path) -> None:
        kept, again = (planned(tmp_path, BERT, "bitfit", checkpointing=c).row.train_memory for c in (False, True))
        assert kept is not None
        assert again is not None
        assert again.weights_bytes == kept.weights_bytes
        assert again.optimizer_state_bytes == kept.optimizer_state_bytes
        assert again.activations_bytes < kept.activations_bytes / 4

    def test_inference_has_neither_gradients_nor_state(self, tmp_path: Path) -> None:
        breakdown = known(planned(tmp_path, BERT, "full_ft").row.inference_memory)
        assert (breakdown.gradients_bytes, breakdown.optimizer_state_bytes, breakdown.workspace_bytes) == (0, 0, 0)

    def test_attention_on_cuda_keeps_the_mask_and_no_scores(self, tmp_path: Path) -> None:
        """What grows with the square of the length: on a CPU scores, on CUDA each layer's mask, which heads share."""
        squares = {}
        for device in ("cpu", "cuda"):
            short, long = (
                planned(tmp_path, BERT, "full_ft", device=device, length=n).row.train_memory for n in (64, 128)
            )
            assert short is not None
            assert long is not None
            squares[device] = (long.activations_bytes - 2 * short.activations_bytes) / (128**2 - 2 * 64**2)
        batch, layers, heads, fp32 = 8, 2, 4, 4
        assert squares["cuda"] == pytest.approx(batch * layers * fp32, rel=0.15)  # the model's own mask comes on top
        assert squares["cpu"] > batch * layers * heads * fp32

    def test_cuda_holds_a_workspace_for_each_thread_that_multiplies(self, tmp_path: Path) -> None:
        """Hopper's is 32 MiB (PyTorch's CUDA notes on CUBLAS_WORKSPACE_CONFIG), others' 8 MiB and 128 KiB."""
        breakdown = known(planned(tmp_path, BERT, "full_ft", device="cuda").row.inference_memory)
        assert (
            breakdown.workspace_bytes
            == matmul_workspace_bytes(ASSUMED_CAPABILITY, trains=True)
            == 2 * (8192 + 128) * 1024
        )
        assert matmul_workspace_bytes((9, 0), trains=True) == 2 * 32 * MIB
        assert matmul_workspace_bytes((9, 0), trains=False) == 32 * MIB
        assert breakdown.weights_bytes % 512 == 0

    def test_experts_on_cuda_are_computed_in_grouped_matmuls(self, tmp_path: Path) -> None:
        """All rows at once: 1024 of them by an inner width of 2 x 512, in bf16, and its activated half."""
        breakdown = known(planned(tmp_path, BERT, "moe", "bf16", device="cuda").row.inference_memory)
        assert breakdown.activations_bytes > 1024 * 3 * 512 * 2


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("plugin", ["full_ft", "lora"])
def test_peak_of_a_real_step_on_cuda(tmp_path: Path, plugin: str) -> None:
    case = planned(tmp_path, ROBERTA_BASE, plugin, "bf16", device="cuda", length=128)
    device = torch.device("cuda", 0)
    gc.collect()  # what another test left would be freed amid what is measured
    torch._C._cuda_clearCublasWorkspaces()  # it is made anew within what is measured
    before = torch.cuda.memory_allocated(device)
    method = case.method()
    model = case.model(method)
    store_weights(model, case.dtype)
    model = model.to(device).train()
    batch = case.batch(device)
    step = TrainStep(model, method, 10, case.cell.train, autocast(device, case.dtype))
    for _ in range(WARMUP_STEPS):
        step(batch)
    torch.cuda.reset_peak_memory_stats(device)
    step(batch)
    peak = torch.cuda.max_memory_allocated(device) - before
    assert case.row.train_memory is not None
    assert case.row.train_memory.peak_bytes == pytest.approx(peak, rel=TOLERANCE)
