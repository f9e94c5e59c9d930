"""CUDA is started by no process that others are forked from, though there is a GPU and libraries would start it.

The GPU is made up, see ``forbids_forking/sitecustomize.py``: it is on the path of the processes that are tested here,
and a process that was forked after CUDA was started is refused as torch refuses it.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.measure.devices import Found
from tests.support import (
    COMMAND,
    COMMAND_SECONDS,
    ROOT,
    TEST_ROWS,
    TRAIN_ROWS,
    environment,
    records,
    small_study,
    write_plugin,
    write_study,
    write_texts,
)

pytestmark = pytest.mark.slow
STUB = Path(__file__).parent / "forbids_forking"
METHODS = ["full_ft", "lora", "p_tuning", "moe"]


@dataclass(frozen=True)
class Seen:
    """What a command did on a machine with made-up GPUs.

    Attributes:
        code: exit code.
        said: what it printed, on either stream.
        parent: its process.
        started: processes that started CUDA, with who asked in them.
        refused: who asked in a process that was forked too late.
    """

    code: int
    said: str
    parent: int
    started: dict[int, str]
    refused: list[str]

    def is_safe(self) -> bool:
        """The command's own process left CUDA alone, and no fork came too late."""
        return self.parent not in self.started and not self.refused and "re-initialize CUDA" not in self.said


@dataclass(frozen=True)
class Machine:
    """A folder in which commands see made-up GPUs."""

    folder: Path
    study: Path

    def run(self, *command: object, **changes: str) -> Seen:
        """A command of Python."""
        log = self.folder / "cuda.log"
        log.unlink(missing_ok=True)
        log.touch()
        path = os.pathsep.join(map(str, (STUB, ROOT, self.folder)))
        process = subprocess.Popen(
            [str(part) for part in command], cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment(PYTHONPATH=path, MADE_UP_LOG=str(log), **changes),
        )  # fmt: skip
        said, _ = process.communicate(timeout=COMMAND_SECONDS)
        events = [line.split(" ", 2) for line in log.read_text().splitlines()]
        return Seen(
            process.returncode, said, process.pid, {int(pid): by for event, pid, by in events if event == "started"},
            [by for event, _, by in events if event == "refused"],
        )  # fmt: skip

    def tunebench(self, *arguments: object, **changes: str) -> Seen:
        """``tunebench ARGUMENTS``."""
        return self.run(*COMMAND, *arguments, **changes)

    def study_on(self, device: str, methods: list[str]) -> Path:
        """The small study on another device."""
        content = small_study(self.folder / "encoder", self.folder / "reviews", methods=methods, device=device)
        content["train"]["precision"] = "auto"
        content["name"] = f"on_{device.replace(':', '_')}"
        return write_study(self.folder / f"{content['name']}.toml", content)


@pytest.fixture(scope="module")
def machine(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    folder = tmp_path_factory.mktemp("machine")
    (folder / "encoder").symlink_to(tiny_encoder)
    texts = write_texts(folder / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    content = small_study(tiny_encoder, texts, methods=METHODS)
    content["train"]["keep_artifact"] = True
    return Machine(folder, write_study(folder / "small.toml", content))


@pytest.fixture(scope="module")
def finished(machine: Machine) -> tuple[Machine, Seen]:
    """A study that computes on the CPU of a machine with a GPU, run to its end."""
    return machine, machine.tunebench("run", machine.study)


def test_the_stub_refuses_what_torch_refuses(machine: Machine) -> None:
    code = "import os, torch; torch.cuda.get_device_name(); os.fork() or torch.cuda.get_device_name()"
    seen = machine.run(sys.executable, "-c", code)
    assert list(seen.started) == [seen.parent]
    assert len(seen.refused) == 1
    assert not seen.is_safe()


def test_what_is_preloaded_leaves_cuda_alone(machine: Machine) -> None:
    code = """
import sys
from bench.run.preload import MODULES, Order, preload
preload(Order(modules=MODULES, progress="progress.json"))
assert "peft" in sys.modules and "bitsandbytes" not in sys.modules
open("preloaded", "w").write(open("cuda.log").read())
from peft.tuners.lora import Linear4bit, Linear8bitLt
import bitsandbytes, peft.helpers
assert peft.helpers.bnb.functional is bitsandbytes.functional
"""
    seen = machine.run(sys.executable, "-c", code)
    assert (seen.code, (machine.folder / "preloaded").read_text()) == (0, ""), seen
    assert list(seen.started) == [seen.parent], "bitsandbytes is imported, and starts CUDA, when it is used"


class TestRun:
    def test_a_study_on_the_cpu(self, finished: tuple[Machine, Seen]) -> None:
        machine, seen = finished
        assert seen.code == 0, seen.said
        assert seen.is_safe(), seen
        assert any("bitsandbytes" in by for by in seen.started.values()), "in the worker that needed it"
        assert {record["status"] for record in records(machine.folder / "runs" / "small").values()} == {"ok"}

    def test_workers_get_past_the_fork(self, machine: Machine) -> None:
        """They start CUDA, and fail only for want of a real GPU."""
        seen = machine.tunebench("run", machine.study_on("cuda:1", ["full_ft", "lora"]), MADE_UP_GPUS="2")
        assert seen.is_safe(), seen
        in_workers = [by for by in seen.started.values() if "bench/run/worker/work.py" in by]
        assert len(in_workers) == 2, seen
        cells = list((machine.folder / "runs" / "on_cuda_1" / "cells").iterdir())
        assert len(cells) == 2
        for cell in cells:
            assert "re-initialize CUDA" not in (cell / "stderr.txt").read_text()

    def test_a_gpu_that_is_not_there(self, machine: Machine) -> None:
        seen = machine.tunebench("run", machine.study_on("cuda:3", ["full_ft"]), MADE_UP_GPUS="2")
        assert seen.code == 2
        assert "0 (Made-up GPU 0), 1 (Made-up GPU 1); choose one of them" in seen.said
        assert seen.is_safe(), seen


@pytest.mark.parametrize(
    ("changes", "unused", "absent"),
    [
        ({"MADE_UP_BUILD": "xpu"}, "an accelerator of the kind XPU", None),
        ({"MADE_UP_BUILD": "hip"}, "an AMD GPU with ROCm", None),
        ({"MADE_UP_DRIVER": "The NVIDIA driver is too old"}, "does not start: The NVIDIA driver is too old", None),
        ({"CUDA_VISIBLE_DEVICES": "7"}, "does not start: No CUDA GPUs are available", None),
        ({"CUDA_VISIBLE_DEVICES": ""}, None, "CUDA_VISIBLE_DEVICES= hides every GPU"),
        ({"MADE_UP_GPUS": "0"}, None, "torch is built for CUDA but sees no GPU"),
    ],
)
def test_what_is_found(machine: Machine, changes: dict[str, str], unused: str | None, absent: str | None) -> None:
    seen = machine.run(sys.executable, "-m", "bench.measure.devices", **changes)
    found = Found.model_validate_json(seen.said.splitlines()[-1])
    assert found.gpus == ()
    assert (unused or "") in (found.unused or "")
    assert (found.unused is None, found.absent) == (unused is None, absent)


class TestPlan:
    def test_auto_is_the_gpu_and_another_process_asks_it(self, machine: Machine) -> None:
        seen = machine.tunebench("plan", machine.study_on("auto", METHODS), "--format", "json")
        assert seen.code == 0, seen.said
        assert seen.is_safe(), seen
        assert ["bench/measure/devices.py" in by for by in seen.started.values()] == [True], "no fork starts CUDA"
        rows = json.loads(seen.said[seen.said.index("{") :])["rows"]
        assert {(row["device"], row["precision"]) for row in rows} == {("cuda", "bf16")}
        assert [row["unsupported"] for row in rows] == [None] * len(METHODS)

    def test_a_plugin_that_starts_cuda_when_it_is_imported(self, machine: Machine) -> None:
        plugin = write_plugin(machine.folder / "plugins", "needs_gpu")
        plugin.write_text(f"{plugin.read_text()}\nimport torch\n\nCAPABILITY = torch.cuda.get_device_capability()\n")
        study = machine.study_on("auto", ["full_ft", "needs_gpu"])
        seen = machine.tunebench("plan", study, "--plugin", plugin, "--format", "json")
        assert (seen.code, seen.refused) == (0, []), seen
        rows = json.loads(seen.said[seen.said.index("{") :])["rows"]
        assert [row["unsupported"] for row in rows] == [None, None]

    def test_audit(self, machine: Machine) -> None:
        (machine.folder / "mine.csv").write_text(
            "dataset,model,method,trainable_params\nreviews,tiny,full_ft,1\nreviews,tiny,lora,1\n"
        )
        seen = machine.tunebench(
            "audit", "mine.csv", "--study", machine.study_on("auto", ["full_ft", "lora"]), "--summary"
        )
        assert seen.code == 0, seen.said
        assert seen.is_safe(), seen


class TestOtherVerbs:
    """Verbs that read records alone import no torch, see tests/test_architecture.py."""

    def test_check_imports_methods(self, machine: Machine) -> None:
        seen = machine.tunebench("check", "lora")
        assert seen.is_safe(), seen
        assert "Traceback" not in seen.said

    def test_explain_reads_a_run(self, finished: tuple[Machine, Seen]) -> None:
        machine, _ = finished
        seen = machine.tunebench("explain", "runs/small", "reviews__tiny__moe", "a good film")
        assert seen.code == 0, seen.said
        assert seen.is_safe(), seen
        assert seen.started == {}

    def test_doctor_lists_gpus(self, machine: Machine) -> None:
        seen = machine.tunebench("doctor", MADE_UP_GPUS="2")
        assert seen.is_safe(), seen
        assert "gpu 1: Made-up GPU 1, 80.0 GB, compute capability 9.0, GPU-00000000" in seen.said
        assert (
            "device auto: GPU 0 (Made-up GPU 0) of 2\nprecision auto: bf16\nnvml: answers, driver 580.65" in seen.said
        )
        assert "bitsandbytes: does not work on cuda:0: " in seen.said, "there is nothing behind this GPU"
