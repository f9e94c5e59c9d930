"""Device and precision of a plan, resolved before any process is forked."""

import sys
from pathlib import Path

import pytest
import torch

from bench.errors import RequestError
from bench.measure import gpu_probe, resolved_device
from bench.measure.devices import Found
from bench.measure.resolved_device import ResolvedDevice, resolve_device
from tests.measure.test_devices import BROKEN, NONE, TWO, gpu


@pytest.mark.parametrize("wanted", ["auto", "cuda", "cuda:0"])
def test_a_gpu_that_is_here(wanted: str) -> None:
    found = resolve_device(wanted, TWO)
    assert found == ResolvedDevice(device="cuda", precision_of_auto="bf16", capability=(9, 0), name="NVIDIA H200")


def test_one_without_bf16() -> None:
    found = resolve_device("auto", TWO.model_copy(update={"gpus": (gpu(0, "NVIDIA T4", (7, 5)),)}))
    assert (found.precision("auto"), found.precision("fp16"), found.precision("bf16")) == ("fp32", "fp16", "bf16")


@pytest.mark.parametrize("wanted", ["cuda", "cuda:3"])
@pytest.mark.parametrize("found", [NONE, BROKEN])
def test_a_gpu_that_is_not_here_is_planned_for(wanted: str, found: Found) -> None:
    assert resolve_device(wanted, found) == ResolvedDevice(device="cuda", precision_of_auto="bf16")


def test_the_cpu() -> None:
    cpu = resolve_device("cpu", TWO)
    assert (cpu.device, cpu.capability, cpu.name, resolve_device("auto", NONE)) == ("cpu", None, None, cpu)


@pytest.mark.parametrize(("wanted", "found"), [("auto", BROKEN), ("cuda:2", TWO)])
def test_what_is_refused(wanted: str, found: Found) -> None:
    with pytest.raises(RequestError):
        resolve_device(wanted, found)


def test_no_process_is_asked_for_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(module: str) -> str:
        raise AssertionError(f"{module} is not to be asked")

    monkeypatch.setattr(resolved_device, "probe", fail)
    assert resolve_device("cpu").device == "cpu"
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: None)
    assert (resolve_device("auto").device, resolve_device("cuda").device) == ("cpu", "cuda")


class TestProbe:
    @pytest.fixture
    def module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        return tmp_path / "probed_module.py"

    def test_the_last_line_is_the_answer(self, module: Path) -> None:
        module.write_text("print('a warning')\nprint('42')\n")
        assert gpu_probe.probe("probed_module") == "42"

    @pytest.mark.parametrize("content", ["raise SystemExit('no driver')", "pass"])
    def test_no_answer_is_an_error_with_what_was_said(self, module: Path, content: str) -> None:
        module.write_text(content)
        with pytest.raises(RequestError) as caught:
            gpu_probe.probe("probed_module")
        assert 'set device = "cpu"' in str(caught.value)
        assert ("no driver" in str(caught.value)) is ("driver" in content)

    def test_one_that_hangs_is_given_up(self, module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        module.write_text("import threading\nthreading.Event().wait()\n")
        monkeypatch.setattr(gpu_probe, "SECONDS", 0.2)
        with pytest.raises(RequestError, match=r"did not answer within 0\.2 s"):
            gpu_probe.probe("probed_module")
