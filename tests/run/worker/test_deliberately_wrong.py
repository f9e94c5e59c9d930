"""Cells and harnesses that are wrong on purpose, each through a whole worker: the stamp finds what is wrong."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from bench.data.batches import Batch
from bench.measure import memory
from bench.measure.host_limits import status_bytes
from bench.record.record import Check
from bench.train.loop import StepLog
from tests.support import TEST_ROWS, WORDS, run_cell, small_study, write_plugin, write_texts

pytestmark = pytest.mark.usefixtures("one_thread")
#: Texts of many lengths, so that batches are padded.
ROWS = [(f"a {'very ' * (number % 5)}{word} film", label) for number in range(12) for word, label in WORDS]
#: Checks that no load of this machine can change.
SETTLED = {
    "FLOP counters agree", "same seed, same loss", "tokens of training", "tokens of inference", "peaks restarted",
    "padding changes no score",
}  # fmt: skip
STEPS = 24
Measure = Callable[..., dict[str, Check]]


@pytest.fixture
def measure(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Measure:
    """Checks of one cell, by name, with a method that runs these statements in ``adapt`` and has these members."""
    monkeypatch.setattr("bench.measure.matmul.CPU_SIZE", 256)

    def of(adapt: str = "pass", extra: str = "") -> dict[str, Check]:
        texts = write_texts(tmp_path / "reviews", train=ROWS, test=TEST_ROWS)
        train = {"epochs": 4, "max_steps": STEPS, "batch_size": 4, "precision": "fp32", "timing_warmup_steps": 1}
        content = small_study(tiny_encoder, texts, methods=["special"], train=train)
        plugin = write_plugin(tmp_path, "special", adapt, extra)
        record = run_cell(content, tmp_path, plugin)
        assert record.status == "ok", record.failure
        assert "memory" not in record.unknown, record.unknown
        return {check.name: check for check in record.checks}

    return of


def test_a_right_one_is_not_suspected(measure: Measure) -> None:
    found = measure()
    assert {name: found[name].verdict for name in SETTLED} == dict.fromkeys(SETTLED, "valid")


def test_an_adapter_that_is_not_attached(measure: Measure) -> None:
    """It says what its adapter would cost, and leaves the model as it is."""
    claims = """
    def closed_form_flops(self, architecture, task):
        return architecture.forward_flops(task.max_length) + 2 * task.max_length * 32 * 8
"""
    check = measure(extra=claims)["FLOP counters agree"]
    assert check.verdict == "suspect"
    assert "6,144 FLOPs" in check.found
    assert "never attached" in check.found


def test_a_loss_that_no_seed_settles(measure: Measure) -> None:
    draws = """import random
        model.classifier.register_forward_hook(lambda _, __, scores: scores * (1 + random.SystemRandom().random()))"""
    assert measure(draws)["same seed, same loss"].verdict == "suspect"


def test_padding_that_is_read(measure: Measure) -> None:
    reads = """model.bert.pooler.register_forward_pre_hook(lambda _, states: (states[0].mean(1, keepdim=True),))"""
    check = measure(reads)["padding changes no score"]
    assert check.verdict == "suspect"
    assert "padding moves the scores of 5 texts by" in check.found


MERGES = """
    def prepare_inference(self, model):
        model.classifier.weight.data {change}
        return model
"""


@pytest.mark.parametrize(("change", "verdict"), [("*= 1", "valid"), ("*= 1.01", "suspect"), ("[:] = 0", "suspect")])
def test_a_merge_that_changes_what_a_model_says(change: str, verdict: str, measure: Measure) -> None:
    found = measure(extra=MERGES.format(change=change))
    assert found["merging changes no score"].verdict == verdict
    assert found["padding changes no score"].verdict == "valid"


def test_a_model_that_cannot_be_asked_before_it_is_merged(measure: Measure) -> None:
    merged = """
    def prepare_inference(self, model):
        self.prepared = True
        return model

    def after_step(self, model, step):
        if step == 23:
            model.register_forward_pre_hook(self.asked)

    def asked(self, model, given):
        if not model.training and not hasattr(self, "prepared"):
            raise RuntimeError("not prepared")
"""
    check = measure(extra=merged)["merging changes no score"]
    assert (check.verdict, check.found) == ("unknown", "RuntimeError: not prepared")


def test_padding_that_is_counted(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    def count(log: StepLog, batch: Batch) -> None:
        log.samples.append(len(batch.indices))
        log.tokens.append(batch.padded_tokens)
        log.padded_tokens.append(batch.padded_tokens)

    monkeypatch.setattr(StepLog, "count", count)
    found = measure()
    assert (found["tokens of training"].verdict, found["tokens of inference"].verdict) == ("suspect", "suspect")


@pytest.mark.skipif(not status_bytes(), reason="no /proc: the host's peak is unknown here")
def test_a_peak_that_holds_what_came_before(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading or adapting needs much, and the harness does not restart the peak."""
    monkeypatch.setattr(memory, "restart_peaks", lambda device: True)
    check = measure("import torch; torch.ones(64 * 2**18)")["peaks restarted"]
    assert check.verdict == "suspect"


def test_memory_that_was_never_there(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness reports the peak of a moment at which there was no model yet."""
    first: list[int] = []
    read = memory.read_peaks

    def too_early(device: torch.device, host_restarted: bool) -> memory.Peaks:
        found = read(device, host_restarted)
        first.append(found.host_bytes or 0)
        return memory.Peaks(first[0] - 64 * 2**20, None, None)

    monkeypatch.setattr(memory, "read_peaks", too_early)
    found = measure()
    assert found["train memory accounted for"].verdict == "suspect"
    assert found["inference memory accounted for"].verdict == "suspect"


@pytest.mark.timed
def test_steps_that_become_slower(measure: Measure) -> None:
    slower = """
    def after_step(self, model, step):
        time.sleep(0.002 * step)
"""
    assert measure(extra=slower)["stationary training"].verdict == "suspect"


@pytest.fixture
def number_file(tmp_path: Path) -> Iterator[Path]:
    """Where a process that a plugin started leaves its number; it is ended afterwards."""
    path = tmp_path / "number"
    yield path
    for number in path.read_text(encoding="ascii").split() if path.exists() else ():
        with suppress(ProcessLookupError):
            os.kill(int(number), signal.SIGKILL)
            os.waitpid(int(number), 0)


@pytest.mark.timed
def test_a_method_that_computes_elsewhere(measure: Measure, number_file: Path) -> None:
    """What a process of its own computes takes time from no step and is in no count; it is load beside the worker."""
    spawns = f"""
        if not next(model.parameters()).is_meta:
            arguments = [{sys.executable!r}, "-c", "while True: pass"]
            started = os.posix_spawn({sys.executable!r}, arguments, os.environ)
            with Path({str(number_file)!r}).open("a", encoding="ascii") as file:
                file.write(f"{{started}}\\n")"""
    waits = """
    def after_step(self, model, step):
        time.sleep(0.02)
"""
    check = measure(spawns, waits)["other load"]
    assert check.verdict == "suspect"
