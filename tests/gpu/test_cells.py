"""Whole cells on the made-up GPU: which calls in which order, and what a record says; no measured value."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.gpu import figure
from tests.gpu.card import CONTEXT_BYTES, MIB, Call
from tests.gpu.cells import CASES, METHODS, TRAIN, write_place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the first test waits for all cells
STEPS = TRAIN["max_steps"]
TRAINING, FINISH, BEGIN = (
    "bench/train/loop.py:train", "bench/run/worker/phases.py:Phases.finish", "bench/run/worker/phases.py:Phases._begin",
)  # fmt: skip
BATCH = "bench/data/batches.py:Batch.to"
SNAPSHOT = "bench/run/worker/validation.py:Snapshots.keep"
ENERGY = "nvmlDeviceGetTotalEnergyConsumption"


@dataclass(frozen=True)
class Ran:
    """A cell that was run.

    Attributes:
        record: of it.
        calls: what the GPU was asked for it, in order.
    """

    record: dict[str, Any]
    calls: list[Call]

    def within(self, function: str, without: str = "") -> list[Call]:
        return [call for call in self.calls if function in call.stack and without not in call.stack]

    @property
    def verdicts(self) -> dict[str, str]:
        return {check["name"]: check["verdict"] for check in self.record["checks"]}


class Place:
    """All cases, each run once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def cells(self, case: str) -> dict[tuple[str, str], Ran]:
        """By model and method."""
        found = {}
        for path in sorted((self.folder / "cuda" / case / "cells").iterdir()):
            record = json.loads((path / "record.json").read_text(encoding="utf-8"))
            calls = json.loads((path / "calls.json").read_text(encoding="utf-8"))
            key = (record["cell"]["model"]["name"], record["cell"]["method"]["name"])
            found[key] = Ran(record, [Call(call["name"], call["detail"], tuple(call["stack"])) for call in calls])
        return found

    def cell(self, case: str, method: str | None = None) -> Ran:
        """The cell of a case that has one, or that of a method of the encoder."""
        cells = self.cells(case)
        (found,) = [ran for key, ran in cells.items() if method in (None, key[1])]
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Both devices side by side, each in a process of its own: a GPU is made up before torch is put to use."""
    folder = write_place(tmp_path_factory.mktemp("gpu"))
    for process in [figure.start(folder, device) for device in ("cpu", "cuda")]:
        said, _ = process.communicate()
        assert process.returncode == 0, said[-4000:]
    return Place(folder)


def names(calls: Sequence[Call], *wanted: str) -> list[str]:
    return [call.name for call in calls if call.name in wanted]


@pytest.mark.parametrize("case", [case for case in CASES if not CASES[case].card.fault])
def test_every_cell_is_ok(case: str, place: Place) -> None:
    cells = place.cells(case)
    assert len(cells) == len(CASES[case].methods) * len(CASES[case].models)
    for key, ran in cells.items():
        assert ran.record["status"] == "ok", (key, ran.record["failure"])
        assert "memory" not in ran.record["unknown"], (key, ran.record["unknown"])
        assert ran.record["machine"]["gpu"] == CASES[case].card.name
        assert ran.verdicts["same seed, same loss"] == "valid" if ran.record["training"] else True


@pytest.mark.parametrize(
    ("case", "precision"), [("encoders", "bf16"), ("older", "fp32"), ("half", "fp16"), ("silent", "bf16")]
)
def test_precision_is_what_the_card_has(case: str, precision: str, place: Place) -> None:
    assert {ran.record["precision"] for ran in place.cells(case).values()} == {precision}


class TestMemory:
    @pytest.mark.parametrize("method", METHODS)
    def test_every_phase_has_peaks_and_energy(self, method: str, place: Place) -> None:
        record = place.cell("encoders", method).record
        for phase in record["phases"]:
            # How busy the GPU was is not told of a phase that is shorter than the driver's sample.
            may_be_null = {"peak_host_bytes"} | ({"gpu_busy_fraction"} if phase["seconds"] < 1 else set())
            missing = [name for name, value in phase.items() if value is None and name not in may_be_null]
            assert missing == [], phase["name"]
        assert record["peak_kind"] == "cuda_allocated"
        assert record["peak_train_bytes"] >= record["peak_inference_bytes"] > 0

    @pytest.mark.parametrize("method", METHODS)
    def test_the_breakdown_knows_both_workspaces_and_the_context(self, method: str, place: Place) -> None:
        ran = place.cell("encoders", method)
        breakdowns = {breakdown["of"]: breakdown for breakdown in ran.record["memory"]}
        assert breakdowns.keys() == {"train", "inference"}
        assert "host memory" in ran.record["unknown"]["memory.load"]
        for breakdown in breakdowns.values():
            assert 2 * 32 * MIB <= breakdown["workspace_bytes"] < 3 * 32 * MIB
            assert breakdown["cuda_context_bytes"] == CONTEXT_BYTES
            assert abs(breakdown["unattributed_bytes"]) < 0.05 * breakdown["workspace_bytes"]

    def test_peaks_restart_and_are_read_when_the_device_is_done(self, place: Place) -> None:
        for (_, method), ran in place.cells("encoders").items():
            before = {"reset_peak_memory_stats": 0, "max_memory_allocated": 0}
            for earlier, call in zip(ran.calls, ran.calls[1:], strict=False):
                if call.name in before:
                    before[call.name] += 1
                    assert earlier.name == "synchronize", (method, call)
            assert before["reset_peak_memory_stats"] == before["max_memory_allocated"] >= len(ran.record["phases"])

    def test_a_phase_begins_with_its_peaks_and_then_reads_the_counters(self, place: Place) -> None:
        calls = place.cell("encoders", "lora").calls
        wanted = (
            "synchronize", "reset_peak_memory_stats", "max_memory_allocated", ENERGY, "nvmlDeviceGetViolationStatus",
        )  # fmt: skip
        of_begin = names([call for call in calls if BEGIN in call.stack], *wanted)
        of_finish = names([call for call in calls if FINISH in call.stack], *wanted)
        first = of_begin[: of_begin.index("synchronize", 1)]
        assert list(dict.fromkeys(first)) == ["synchronize", "reset_peak_memory_stats", ENERGY, wanted[-1]]
        first = of_finish[: of_finish.index("synchronize", 1)]
        assert list(dict.fromkeys(first)) == ["synchronize", "max_memory_allocated", wanted[-1], ENERGY]
        elsewhere = [call.stack for call in calls if call.name == ENERGY and not {BEGIN, FINISH} & set(call.stack)]
        amid = {"bench/measure/energy.py:EnergyMeter.look", "bench/run/worker/phases.py:Phases.aside"}
        once = [stack for stack in elsewhere if not amid & set(stack)]
        assert len(once) == 1  # whether it answers at all

    def test_points_amid_a_training_are_no_part_of_it(self, place: Place) -> None:
        record = place.cell("chosen").record
        assert record["status"] == "ok", record["failure"]
        training = record["training"]
        assert len(training["validation"]) == 2
        best = max(point["macro_f1"] for point in training["validation"])
        assert record["validation_macro_f1"] == best
        assert [phase["name"] for phase in record["phases"]].count("train") == 1

    def test_paged_state_leaves_the_peak_of_training_unknown(self, place: Place) -> None:
        record = place.cell("paged").record
        assert record["peak_train_bytes"] is None
        assert "paged" in record["unknown"]["peak_train_bytes"]
        assert [breakdown["of"] for breakdown in record["memory"]] == ["inference"]


#: peft makes the mask of its virtual tokens on the host, in each forward pass.
OF_PEFT = {"p_tuning": ("copy host to device", "bench/model/load.py:class_logits")}


class TestSteps:
    def test_an_event_ends_each_step_and_is_read_at_the_end(self, place: Place) -> None:
        calls = place.cell("older").within(TRAINING)
        told = names(calls, "event.record", "event.elapsed_time")
        count = told.index("event.elapsed_time")
        assert told[count:] == ["event.elapsed_time"] * STEPS
        assert count == 1 + STEPS + 1  # the start, each step, and once more where warm-up ended
        last = max(number for number, call in enumerate(calls) if call.name == "event.record")
        assert "synchronize" in names(calls[last:], "synchronize")

    def test_the_end_of_warm_up_is_told_by_steps_that_the_device_has_ended(self, place: Place) -> None:
        calls = place.cell("partly").within("bench/measure/clock.py:StepClock.ended_seconds")
        assert names(calls, "event.query", "event.elapsed_time")[:2] == ["event.query"] * 2
        assert "event.elapsed_time" in names(calls, "event.elapsed_time")
        assert names(calls, "synchronize", "wait") == []

    @pytest.mark.parametrize("case", ["encoders", "older", "silent", "half", "asked"])
    def test_nothing_waits_for_the_device_within_a_step(self, case: str, place: Place) -> None:
        for key, ran in place.cells(case).items():
            waits = [call for call in ran.within(TRAINING, without=SNAPSHOT) if call.name == "wait"]
            found = [told for call in waits if (told := (call.detail, call.stack[0])) != OF_PEFT.get(key[1])]
            assert found == ([("tolist", TRAINING)] if ran.record["training"] else []), key

    @pytest.mark.parametrize("case", ["encoders", "older", "silent", "half", "asked"])
    def test_batches_come_from_pinned_memory(self, case: str, place: Place) -> None:
        for key, ran in place.cells(case).items():
            copies = [call.detail for call in ran.within(BATCH) if call.name == "copy" and TRAINING in call.stack]
            assert set(copies) <= {"host to device, pinned, non-blocking"}, key
            assert len(copies) >= (2 * STEPS if ran.record["training"] else 0)


def test_the_gpu_that_is_named_is_measured_and_no_other(place: Place) -> None:
    ran = place.cell("second")
    assert [call for call in ran.calls if call.name == "event.record" and call.detail] == []
    for call in ran.calls:
        if "memory" in call.name or call.name == "synchronize":
            assert call.detail in ("cuda:1", "None"), call
    assert all(breakdown["cuda_context_bytes"] == CONTEXT_BYTES for breakdown in ran.record["memory"])
    assert min(phase["peak_cuda_allocated_bytes"] for phase in ran.record["phases"][2:]) > 0
    for earlier, call in zip(ran.calls, ran.calls[1:], strict=False):
        assert call.name != "event.elapsed_time" or earlier.name in (call.name, "synchronize")


class TestFailures:
    @pytest.mark.parametrize(
        ("case", "phase"),
        [
            ("full when moved", "adapt"), ("full in training", "warm-up"), ("full in a backward pass", "warm-up"),
            ("full in inference", "inference"),
        ],
    )  # fmt: skip
    def test_a_full_card_is_a_row(self, case: str, phase: str, place: Place) -> None:
        ran = place.cell(case)
        assert "fault" in names(ran.calls, "fault")
        assert (ran.record["status"], ran.record["failure"]["phase"]) == ("oom", phase), ran.record["failure"]

    def test_a_smaller_batch_is_run_where_that_is_asked_for(self, place: Place) -> None:
        record = place.cell("smaller").record
        assert record["status"] == "ok", record["failure"]
        assert (record["study_batch_size"], record["cell"]["train"]["batch_size"]) == (TRAIN["batch_size"], 2)

    def test_no_room_for_the_large_matmul_costs_that_reading_alone(self, place: Place) -> None:
        ran = place.cell("full when calibrated")
        assert "fault" in names(ran.calls, "fault")
        assert ran.record["status"] == "ok", ran.record["failure"]
        readings = ran.record["matmul_readings_flops_per_second"]
        assert list(readings) == ["calibrate", "train", "inference"]
        assert readings["calibrate"] is None
        assert "out of memory" in ran.record["unknown"]["matmul_readings_flops_per_second.calibrate"]
        assert ran.record["matmul_flops_per_second"] == max(readings["train"], readings["inference"])

    def test_a_card_that_is_lost_leaves_a_record(self, place: Place) -> None:
        record = place.cell("lost").record
        assert (record["status"], record["failure"]["phase"]) == ("error", "warm-up")
        assert record["precision"] == "bf16"
        assert record["peak_inference_bytes"] is None


class TestDriver:
    def test_one_that_does_not_answer(self, place: Place) -> None:
        ran = place.cell("silent")
        assert {phase["energy_joules"] for phase in ran.record["phases"]} == {None}
        reason = "the driver does not answer by NVML"
        unknown = ran.record["unknown"]
        assert unknown["training.speed.energy_joules_per_sample"] == reason
        assert unknown["memory.cuda_context_bytes"] == reason
        assert {breakdown["cuda_context_bytes"] for breakdown in ran.record["memory"]} == {None}
        assert (ran.verdicts["throttling"], ran.verdicts["other processes on the GPU"]) == ("unknown", "unknown")

    def test_one_that_does_not_tell_everything(self, place: Place) -> None:
        ran = place.cell("partly")
        assert "Not Supported" in ran.record["unknown"]["training.speed.energy_joules_per_sample"]
        assert ran.verdicts["throttling"] == "valid"

    def test_an_instance_of_a_divided_card(self, place: Place) -> None:
        ran = place.cell("instance")
        assert "MIG" in ran.record["unknown"]["training.speed.energy_joules_per_sample"]
        assert ran.verdicts["throttling"] == "unknown"
        assert all(breakdown["cuda_context_bytes"] == CONTEXT_BYTES for breakdown in ran.record["memory"])

    @pytest.mark.parametrize("case", ["older", "paged"], ids=["that computes", "that draws"])
    def test_another_process_on_the_card(self, case: str, place: Place) -> None:
        assert place.cell(case).verdicts["other processes on the GPU"] == "suspect"
        assert place.cell("encoders", "lora").verdicts["other processes on the GPU"] == "valid"


def test_the_doctor_describes_the_card(place: Place) -> None:
    told = json.loads((place.folder / "cuda.json").read_text())
    assert "NVIDIA Made Up, 80.0 GB, compute capability 9.0, GPU-" in told["gpu 0"]
    assert (told["device auto"], told["precision auto"]) == ("GPU 0 (NVIDIA Made Up) of 1", "bf16")
    assert told["nvml"] == "answers, driver 590.01"
    assert "works on cuda:0" in told["bitsandbytes"]
    assert "the GPUs that torch sees are 0 (NVIDIA Made Up)" in told["refused"]


def test_quantised_weights_stay_quantised(place: Place) -> None:
    for (model, method), ran in place.cells("asked").items():
        counts = ran.record["parameters"]
        assert (counts["logical_params"] > counts["total_params"]) == (model == "four"), (model, method)
        assert ran.record["generation"] is not None
        assert {breakdown["of"] for breakdown in ran.record["memory"]} >= {"load", "inference"}


def test_most_of_what_runs_on_a_gpu_alone_is_run(place: Place) -> None:
    found = figure.figure(place.folder)
    assert found.share >= figure.LEAST, found.text()
