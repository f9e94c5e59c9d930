"""One cell in a process of its own: cell.json in, record.json out."""

import gc
import json
import random
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bench import registry
from bench.allocator import keep_freed_memory, release_freed_memory
from bench.asking.prefix_cache import AskedModel
from bench.cell import Cell
from bench.data import texts
from bench.dropout import replace_dropout
from bench.errors import DivergedError, ModelError, RunFolderError, UnsupportedError
from bench.evaluate import NO_CLASS, quality
from bench.measure import machine, memory, parameters
from bench.measure.flops import dispatched
from bench.method import Method, Task
from bench.model import fetch, load_config, load_tokenizer
from bench.packing import pack_linear_layers
from bench.quantization import allow_cpu_layout, cast_parameters, settle
from bench.reading import Reading
from bench.record import Data, Failure, Generation, Phase, PhaseName, Record, Speed, Status, Training
from bench.store import CellFolder, read_cell, write_json, write_text
from bench.train import (
    StepLog,
    enable_gradient_checkpointing,
    epoch_batches,
    num_steps,
    speed_facts,
    store_frozen_weights_as,
    train,
)
from bench.weights import load_model, skeleton

PROGRESS_SECONDS = 0.5
INFERENCE_WARMUP_BATCHES = 2
#: What a model wrote, and the class that each answer names.
Answers = tuple[list[str], NDArray[np.int64]]


def run(folder: Path, requested_at: float) -> None:
    """Measure the cell in ``folder`` and write its record; a failure of the cell is a record too.

    Args:
        folder: holds cell.json.
        requested_at: ``time.time()`` when the runner asked for this worker.
    """
    start_seconds = time.time() - requested_at
    prepare_process()
    paths = CellFolder(folder)
    cell = read_cell(paths.cell)
    measurement = _Measurement(cell, paths)
    status: Status = "ok"
    failure = None
    try:
        measurement.measure()
    except Exception as error:  # the border: whatever a plugin or a library raises becomes this cell's row
        traceback.print_exc()
        status = _status(error)
        failure = Failure(phase=measurement.phase, type=type(error).__name__, message=str(error)[:4000])
    # A device that has failed may answer nothing more; what is known so far still makes a record.
    with suppress(Exception) if failure else nullcontext():
        measurement.finish_phase()
    measurement.write_steps()
    record = Record.model_validate(
        {
            "cell_id": cell.id,
            "cell": cell,
            "status": status,
            "failure": failure,
            "started_at": datetime.fromtimestamp(measurement.started, UTC).isoformat(timespec="seconds"),
            "wall_seconds": time.time() - measurement.started,
            "worker_start_seconds": start_seconds,
            "phases": measurement.phases,
            "unknown": measurement.unknown,
            **measurement.facts,
        }
    )
    write_text(paths.record, record.model_dump_json(indent=1) + "\n")


def prepare_process() -> None:
    """Settings that hold for the whole process of a worker."""
    keep_freed_memory()
    gc.freeze()  # what the imports made stays for good; collections before timed stretches need not walk it again


def _status(error: Exception) -> Status:
    if isinstance(error, UnsupportedError):
        return "unsupported"
    text = str(error)
    # PyTorch's CPU allocator and the kernel's refusals come as plain RuntimeErrors that only their text tells apart.
    no_memory = "DefaultCPUAllocator" in text or "not enough memory" in text or "Cannot allocate memory" in text
    return "oom" if isinstance(error, torch.OutOfMemoryError | MemoryError) or no_memory else "error"


class _Measurement:
    """The work on one cell, phase by phase; ``facts`` fills as it goes, so that a failure keeps what was known."""

    def __init__(self, cell: Cell, paths: CellFolder) -> None:
        self.cell = cell
        self.paths = paths
        self.started = time.time()
        self.phase: PhaseName = "load"
        self.phases: list[Phase] = []
        self.facts: dict[str, Any] = {}
        self.unknown: dict[str, str] = {}
        self._phase_open = False
        self._phase_started = 0.0
        self._host_restarted = False
        self._progress_written = 0.0
        self._logs: dict[str, StepLog] = {}
        self.device = machine.device_for(cell.device)
        self.precision = machine.precision_for(cell.train.precision, self.device)
        self.dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32

    def measure(self) -> None:
        """Every phase in turn."""
        cell = self.cell
        self.facts["precision"] = self.precision
        self.facts["machine"] = machine.describe(self.device)
        self.facts["peak_kind"] = "cuda_allocated" if self.device.type == "cuda" else "host_vmhwm"
        seed_generators(cell.seed)
        with self.timed("load"):
            method_class = registry.load_planned(cell.method)
            reading, model = self._load(method_class)
        method = method_class(registry.options(cell.method.name, method_class, cell.method.options))
        task = Task(labels=reading.dataset.labels, max_length=cell.data.max_length, kind=cell.model.kind)
        with self.timed("adapt"):
            model = method.adapt(model, task)
            self.facts["parameters"] = parameters.count(model)
            self._count_flops(method_class, method, task)
            if cell.train.gradient_checkpointing:
                enable_gradient_checkpointing(model)
            if self.dtype != torch.float32:
                store_frozen_weights_as(model, self.dtype)
            if cell.model.kind == "encoder":
                model = model.to(self.device)
            else:  # loaded where it is to be, since quantised weights are best never moved
                settle(model, self.device)
            if reading.prompt is not None:
                AskedModel(model, reading.prompt).check_window(cell.data.max_length)  # before a training, not after it
            if self.device.type == "cpu":
                replace_dropout(model)
            gc.collect()
        if method.trains:
            self._train(model, method, reading)
        else:
            self.unknown["training"] = "nothing is trained"
        with self.timed("save"):
            self._save(model, method)
        with self.timed("evaluate"):
            model = for_inference(method.prepare_inference(model), self.dtype, self.device)
            self._evaluate(model, reading)
        with self.timed("inference"):
            scores = self._infer(model, reading)
        answers = self._generate(model, reading)
        _write_predictions(self.paths, reading.dataset.splits[cell.data.evaluate_split], scores, answers)
        self._peaks()
        self._keep_insights(method, model, task, reading)

    def _load(self, method_class: type[Method]) -> tuple[Reading, nn.Module]:
        cell = self.cell
        dataset = texts.load(cell.dataset, cell.data)
        folder = fetch(cell.model)
        tokenizer = load_tokenizer(cell.model, folder)
        split = cell.data.evaluate_split
        reading = Reading.of(
            cell, dataset, tokenizer, {"train", "validation", split} if method_class.trains else {split}
        )
        self._config = load_config(cell.model, folder, len(dataset.labels))
        model = load_model(cell.model, folder, self._config, self.dtype, self.device)
        self.facts["prompt"] = reading.prompt_record()
        evaluated = reading.tokens[split]
        self.facts["data"] = Data(
            sha256=dataset.sha256,
            rows={name: len(split) for name, split in dataset.splits.items()},
            synthetic=cell.dataset.synthetic,
            validation_carved=dataset.validation_carved,
            labels=dataset.labels,
            tokens_per_sample=reading.tokens_per_sample,
            truncated_fraction=evaluated.truncated / len(evaluated.lengths),
        )
        return reading, model

    def _count_flops(self, method_class: type[Method], method: Method, task: Task) -> None:
        """Build the adapted model once more on meta, where counting costs nothing."""
        twin = skeleton(self.cell.model, self._config, self.dtype)
        with torch.device("meta"):
            twin = method_class(method.options).adapt(twin, task)
        twin_counts = parameters.count(twin)
        if twin_counts != self.facts["parameters"]:
            raise ModelError(
                f"method {self.cell.method.name} adapts a meta build differently: {twin_counts} against "
                f"{self.facts['parameters']}; adapt must not depend on the values of weights"
            )
        self.facts["flops"] = dispatched.count_forward(twin.to("meta"), task.max_length, task.kind)

    def _train(self, model: nn.Module, method: Method, reading: Reading) -> None:
        tokens, labels = reading.tokens["train"], reading.dataset.splits["train"].labels
        settings = self.cell.train
        total = num_steps(len(labels), settings)
        warmup = min(settings.timing_warmup_steps, total)

        def on_step(done: int, of: int) -> None:
            if done == warmup and done < of:
                self.finish_phase()
                self.start_phase("train", release=False)  # inside the loop: what was freed is needed again at once
            self.progress(done, of)

        batches = epoch_batches(tokens, labels, settings, reading.pad_id, self.cell.seed, reading.training_batch)
        self.start_phase("warm-up" if warmup else "train")
        kind = self.cell.model.kind
        log = train(model, method, batches, total, settings, self.device, self.dtype, on_step, kind)
        self.finish_phase()
        self._logs["train"] = log
        tail = log.losses[-max(1, total // 10) :]
        speed = self._speed(log, warmup, settings.batch_size)
        if speed is None:
            self.unknown["training.speed"] = f"all {total} steps were warm-up"
        self.facts["training"] = Training(
            steps=total, samples=sum(log.samples), final_loss=sum(tail) / len(tail), speed=speed
        )

    def _save(self, model: nn.Module, method: Method) -> None:
        if not method.trains:
            self.facts["artifact_bytes"] = 0
            return
        self.paths.artifact.mkdir(exist_ok=True)
        method.save(model, self.paths.artifact)
        files = [path for path in self.paths.artifact.rglob("*") if path.is_file()]
        self.facts["artifact_bytes"] = sum(path.stat().st_size for path in files)
        if not self.cell.train.keep_artifact:
            for path in files:
                path.unlink()

    def _evaluate(self, model: nn.Module, reading: Reading) -> None:
        if "validation" not in reading.tokens or self.cell.data.evaluate_split == "validation":
            self.unknown["validation_macro_f1"] = (
                "nothing is trained"
                if "validation" not in reading.tokens
                else "the validation split is the one evaluated"
            )
            return
        if self._random_weights("validation_macro_f1"):
            return
        labels = reading.dataset.splits["validation"].labels
        scores, _ = reading.predict(model, "validation", self.device, self.progress)
        found = quality(scores.argmax(axis=1), labels, reading.dataset.labels, "validation")
        self.facts["validation_macro_f1"] = found.macro_f1

    def _infer(self, model: nn.Module, reading: Reading) -> NDArray[np.float32]:
        name = self.cell.data.evaluate_split
        scores, log = reading.predict(model, name, self.device, self.progress, INFERENCE_WARMUP_BATCHES)
        self._logs["inference"] = log
        self.facts["inference"] = self._speed(log, 0, self.cell.train.inference_batch_size)
        if not np.isfinite(scores).all():
            raise DivergedError("the model's class scores are not finite numbers")
        if not self._random_weights("quality"):
            labels = reading.dataset.splits[name].labels
            self.facts["quality"] = quality(scores.argmax(axis=1), labels, reading.dataset.labels, name)
        return scores

    def _generate(self, model: nn.Module, reading: Reading) -> Answers | None:
        """Let a causal model write its answers, and parse them; None where nothing is to be written."""
        prompt, name = reading.prompt, self.cell.data.evaluate_split
        if prompt is None or not prompt.settings.generate:
            if prompt is not None:
                self.unknown["generation"] = "prompt.generate is false"
            return None
        with self.timed("generate"):
            answers, named, log = reading.write(model, name, self.device, self.progress)
        self._logs["generation"] = log
        random = self._random_weights("generation.quality")
        labels = reading.dataset.splits[name].labels
        self.facts["generation"] = Generation(
            quality=None if random else quality(named, labels, reading.dataset.labels, name),
            parse_failure_fraction=float((named == NO_CLASS).mean()),
            max_new_tokens=prompt.max_new_tokens,
            speed=self._speed(log, 0, self.cell.train.inference_batch_size),
        )
        return answers, named

    def _keep_insights(self, method: Method, model: nn.Module, task: Task, reading: Reading) -> None:
        """Let a method that has something to show look at evaluated texts; its data go beside the record."""
        if type(method).insights is Method.insights or self._random_weights("insights"):
            return
        with self.timed("insights"):
            try:
                with torch.inference_mode():
                    shown = method.insights(model, task, reading.examples(self.device))
                content = {"parts": [part.model_dump(mode="json") for part in shown.parts]}
                write_json(self.paths.insights, content)
                self.facts["insights"] = json.loads(json.dumps(shown.facts, allow_nan=False))
                self.facts["warnings"] = shown.warnings
            except RunFolderError:
                raise
            except Exception as error:  # a plugin's slip in an extra must not cost the measurement
                traceback.print_exc()
                self.unknown["insights"] = f"{type(error).__name__}: {error}"

    def _random_weights(self, field: str) -> bool:
        if self.cell.model.weights == "random":
            self.unknown[field] = "the model has random weights"
            return True
        return False

    def _speed(self, log: StepLog, skip: int, batch_size: int) -> Speed | None:
        facts = speed_facts(log, skip)
        return None if facts is None else Speed(**facts, batch_size=batch_size)

    def _peaks(self) -> None:
        field = "peak_cuda_allocated_bytes" if self.device.type == "cuda" else "peak_host_bytes"
        groups: dict[str, tuple[PhaseName, ...]] = {
            "peak_train_bytes": ("warm-up", "train"), "peak_inference_bytes": ("inference",),
        }  # fmt: skip
        for key, names in groups.items():
            values = [getattr(phase, field) for phase in self.phases if phase.name in names]
            if values and None not in values:
                self.facts[key] = max(values)
            else:
                self.unknown[key] = (
                    "this kernel does not restart the peak resident set" if values else "nothing is trained"
                )
        if self.cell.train.optimizer == "paged_adamw" and self.facts.pop("peak_train_bytes", None) is not None:
            self.unknown["peak_train_bytes"] = "the optimizer's paged state is outside of what torch allocates"

    @contextmanager
    def timed(self, name: PhaseName) -> Iterator[None]:
        """One phase with its own clock and peaks."""
        self.start_phase(name)
        yield
        self.finish_phase()

    def start_phase(self, name: PhaseName, release: bool = True) -> None:
        """Begin a phase: free memory is released, peaks are restarted, then the clock."""
        self.phase = name
        self.progress(0, 0, force=True)
        if release:
            gc.collect()
            release_freed_memory()
        self._host_restarted = memory.restart_peaks(self.device)
        self._phase_open = True
        self._phase_started = time.perf_counter()

    def finish_phase(self) -> None:
        """End the phase that is open, if one is."""
        if not self._phase_open:
            return
        self._phase_open = False
        peaks = memory.read_peaks(self.device, self._host_restarted)
        self.phases.append(
            Phase(
                name=self.phase,
                seconds=time.perf_counter() - self._phase_started,
                peak_host_bytes=peaks.host_bytes,
                peak_cuda_allocated_bytes=peaks.cuda_allocated_bytes,
                peak_cuda_reserved_bytes=peaks.cuda_reserved_bytes,
            )
        )

    def progress(self, done: int, of: int, force: bool = False) -> None:
        """Tell the runner where this worker is, at most every half second."""
        now = time.monotonic()
        if force or now - self._progress_written >= PROGRESS_SECONDS:
            self._progress_written = now
            # Not synced and not moved: a reader that meets half a line keeps what it knew.
            self.paths.progress.write_text(json.dumps({"phase": self.phase, "done": done, "of": of}), encoding="utf-8")

    def write_steps(self) -> None:
        """Raw samples of every step, as csv."""
        lines = ["pass,step,seconds,samples,tokens,padded_tokens,loss,learning_rate"]
        for name, log in self._logs.items():
            for i, seconds in enumerate(log.seconds):
                loss = f"{log.losses[i]!r},{log.learning_rates[i]!r}" if log.losses else ","
                lines.append(f"{name},{i},{seconds!r},{log.samples[i]},{log.tokens[i]},{log.padded_tokens[i]},{loss}")
        write_text(self.paths.steps, "\n".join(lines) + "\n")


def for_inference(model: nn.Module, dtype: torch.dtype, device: torch.device) -> nn.Module:
    """The model as predictions are made with it: nothing to train, weights in the dtype of the computation."""
    cast_parameters(model.requires_grad_(False), dtype)
    if device.type == "cpu":
        allow_cpu_layout(model, True)
        pack_linear_layers(model)
    return model


def _write_predictions(
    paths: CellFolder, split: texts.Split, scores: NDArray[np.float32], answers: Answers | None
) -> None:
    predicted = scores.argmax(axis=1).tolist()
    rows = zip(split.ids, split.labels, predicted, scores.tolist(), strict=True)
    lines: list[dict[str, Any]] = [{"id": i, "label": y, "prediction": p, "scores": s} for i, y, p, s in rows]
    if answers is not None:
        for line, answer, named in zip(lines, answers[0], answers[1].tolist(), strict=True):
            line |= {"answer": answer, "answer_prediction": None if named == NO_CLASS else named}
    write_text(paths.predictions, "\n".join(map(json.dumps, lines)) + "\n")


def seed_generators(seed: int) -> None:
    """Start every generator of random numbers that a cell may draw from."""
    random.seed(seed)
    np.random.seed(seed)  # libraries and plugins may draw from the global generator
    torch.manual_seed(seed)


def replay(cell_path: Path) -> int:
    """Measure one cell again from its cell.json, into a folder ``replay`` beside it; returns an exit code."""
    folder = cell_path.resolve().parent / "replay"
    folder.mkdir(exist_ok=True)
    write_json(CellFolder(folder).cell, read_cell(cell_path).model_dump(mode="json"))
    run(folder, time.time())
    print(CellFolder(folder).record)
    return 0 if '"status": "ok"' in CellFolder(folder).record.read_text(encoding="utf-8") else 1


if __name__ == "__main__":
    sys.exit(replay(Path(sys.argv[1])))
