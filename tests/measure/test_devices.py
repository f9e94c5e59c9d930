"""The GPU that a study's ``device`` selects among the accelerators of a machine."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.errors import StudyError
from bench.measure import devices
from bench.measure.devices import Found, Gpu, choose, gpu_at, index_of, look
from bench.measure.machine import device_for, has_bf16


def gpu(index: int = 0, name: str = "NVIDIA H200", capability: tuple[int, int] = (9, 0)) -> Gpu:
    return Gpu(index=index, name=name, uuid=f"GPU-{index}", memory_bytes=141 * 10**9, capability=capability)


TWO = Found(gpus=(gpu(0), gpu(1, "NVIDIA L4")))
NONE = Found(absent="torch is built for CUDA but sees no GPU")
BROKEN = Found(unused="there is a GPU, but CUDA does not start: the driver is too old")


@pytest.mark.parametrize(
    ("wanted", "found", "index"),
    [
        ("cpu", TWO, None), ("cpu", BROKEN, None), ("auto", TWO, 0), ("auto", NONE, None), ("cuda", TWO, 0),
        ("cuda:0", TWO, 0), ("cuda:1", TWO, 1),
    ],
)  # fmt: skip
def test_the_gpu_that_is_meant(wanted: str, found: Found, index: int | None) -> None:
    chosen = choose(wanted, found)
    assert (None if chosen is None else chosen.index) == index


@pytest.mark.parametrize(
    ("wanted", "found", "words"),
    [
        ("auto", BROKEN, ['device = "auto", but there is a GPU', "too old", 'device = "cpu" measures on the CPU']),
        ("cuda", NONE, ['device = "cuda", but torch sees no CUDA device', "sees no GPU", '"auto" or "cpu"']),
        ("cuda:1", BROKEN, ['device = "cuda:1"', "the driver is too old"]),
        ("cuda:2", TWO, ['device = "cuda:2"', "0 (NVIDIA H200), 1 (NVIDIA L4)", "choose one of them"]),
    ],
)
def test_what_is_not_there_is_refused(wanted: str, found: Found, words: list[str]) -> None:
    with pytest.raises(StudyError) as caught:
        choose(wanted, found)
    assert [word for word in words if word not in str(caught.value)] == []


def test_index_of() -> None:
    assert [index_of(text) for text in ("auto", "cpu", "cuda", "cuda:0", "cuda:12")] == [0, 0, 0, 0, 12]


@pytest.mark.parametrize(("capability", "native"), [((7, 5), False), ((8, 0), True), ((8, 9), True), ((12, 0), True)])
def test_bf16_by_compute_capability(capability: tuple[int, int], native: bool) -> None:
    assert has_bf16(capability) is native


@pytest.mark.parametrize(
    ("facts", "visible", "uuid", "is_mig"),
    [
        ({"uuid": "1b2c", "name": "NVIDIA H200"}, None, "GPU-1b2c", False),
        ({"uuid": "1b2c", "name": "NVIDIA A100-SXM4-40GB MIG 1g.5gb"}, None, "MIG-1b2c", True),
        ({"uuid": "1b2c", "name": "NVIDIA A100-SXM4-40GB MIG 1g.5gb"}, "MIG-77", "MIG-77", True),
        ({"name": "no id"}, None, None, False),
    ],
)
def test_the_id_by_which_the_driver_knows_a_gpu(
    facts: dict[str, Any], visible: str | None, uuid: str | None, is_mig: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = SimpleNamespace(total_memory=10**9, major=8, minor=0, **facts)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: told)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = gpu_at(3)
    assert (found.index, found.uuid, found.is_mig, found.capability) == (3, uuid, is_mig, (8, 0))


@pytest.mark.skipif(torch.accelerator.current_accelerator() is not None, reason="torch is built for an accelerator")
class TestABuildForCpus:
    def test_it_has_no_gpu_and_says_why(self) -> None:
        assert look() == Found(absent="this build of torch supports only CPUs")
        assert device_for("auto") == torch.device("cpu")

    def test_a_gpu_is_refused(self) -> None:
        with pytest.raises(StudyError, match="supports only CPUs"):
            device_for("cuda:1")


def test_the_cpu_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Found:
        raise AssertionError("nothing is to be asked")

    monkeypatch.setattr("bench.measure.machine.look", fail)
    assert device_for("cpu") == torch.device("cpu")


def test_a_gpu_but_the_first_becomes_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    current: list[int] = []
    monkeypatch.setattr("bench.measure.machine.look", lambda: TWO)
    monkeypatch.setattr(torch.accelerator, "set_device_index", current.append)
    assert device_for("cuda:1") == torch.device("cuda", 1)
    assert current == [1]


def test_a_driver_that_does_not_answer_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    pynvml = SimpleNamespace(NVMLError=OSError, nvmlInit=lambda: (_ for _ in ()).throw(OSError("Driver Not Loaded")))
    monkeypatch.setitem(__import__("sys").modules, "pynvml", pynvml)
    assert devices.driver_version() is None
