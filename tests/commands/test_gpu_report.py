"""What ``tunebench doctor`` says of GPUs, by what there is."""

import pytest

from bench.commands import gpu_report
from bench.commands.gpu_report import GpuReport, device_lines, lines
from bench.errors import RequestError
from bench.measure.devices import Found, Gpu

H200 = Gpu(index=0, name="NVIDIA H200", uuid="GPU-1b2c", memory_bytes=141 * 10**9, capability=(9, 0))
T4 = Gpu(index=1, name="Tesla T4", uuid=None, memory_bytes=16 * 10**9, capability=(7, 5))
MIG = Gpu(index=0, name="NVIDIA A100 MIG 1g.5gb", uuid="MIG-77", memory_bytes=5 * 10**9, capability=(8, 0))


def said(found: Found, driver: str | None = None) -> dict[str, str]:
    return lines(GpuReport(found=found, driver=driver, quantization="0.50.2, works on cpu"))


def test_gpus_are_listed_and_the_first_is_taken() -> None:
    found = said(Found(gpus=(H200, T4)), driver="580.65")
    assert found == {
        "gpu 0": "NVIDIA H200, 141.0 GB, compute capability 9.0, GPU-1b2c, no MIG instance",
        "gpu 1": "Tesla T4, 16.0 GB, compute capability 7.5, uuid unknown, no MIG instance",
        "device auto": "GPU 0 (NVIDIA H200) of 2", "precision auto": "bf16", "nvml": "answers, driver 580.65",
        "bitsandbytes": "0.50.2, works on cpu",
    }  # fmt: skip


def test_a_gpu_without_bf16() -> None:
    assert said(Found(gpus=(T4.model_copy(update={"index": 0}),)))["precision auto"] == "fp32 (no native bf16)"


def test_a_mig_instance_is_said_to_be_one() -> None:
    assert said(Found(gpus=(MIG,)))["gpu 0"].endswith("MIG-77, a MIG instance")


def test_the_cpu_and_why() -> None:
    found = said(Found(absent="torch is built for CUDA but sees no GPU", nvml="NVML Shared Library Not Found"))
    assert found["device auto"] == "CPU: torch is built for CUDA but sees no GPU"
    assert found["nvml"] == "does not answer: NVML Shared Library Not Found"


def test_what_is_refused_has_no_precision() -> None:
    found = said(Found(unused="torch sees an AMD GPU with ROCm"))
    assert found["device auto"].startswith('refused: device = "auto", but torch sees an AMD GPU with ROCm')
    assert "precision auto" not in found


def test_a_process_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(module: str) -> str:
        raise RequestError("it ended with code 1")

    monkeypatch.setattr(gpu_report, "probe", fail)
    assert device_lines() == {"device auto": "refused: it ended with code 1"}
