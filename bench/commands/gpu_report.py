"""The compute devices of this machine: GPUs, the device that ``auto`` selects, and what works on it.

Run as a program, it prints the report as JSON: ``python -m bench.commands.gpu_report``.
"""

import torch

from bench.errors import RequestError
from bench.measure.devices import Found, Gpu, choose, driver_version, look
from bench.measure.gpu_probe import probe
from bench.measure.resolved_device import resolve_device
from bench.schema import Frozen
from bench.text.display import printable


class GpuReport(Frozen):
    """The devices as found by a process that may initialise CUDA.

    Attributes:
        found: devices other than the CPU.
        driver: version of NVIDIA's driver; None if NVML does not answer.
        quantization: sentence that says whether bitsandbytes works on the device that ``auto`` selects.
    """

    found: Found
    driver: str | None
    quantization: str


def find() -> GpuReport:
    """The report of this machine; this initialises CUDA if there is a GPU."""
    found = look()
    try:
        gpu = choose("auto", found)
    except RequestError:
        gpu = None
    device = torch.device("cpu") if gpu is None else torch.device("cuda", gpu.index)
    return GpuReport(found=found, driver=driver_version(), quantization=_quantization(device))


def _quantization(device: torch.device) -> str:
    try:
        import bitsandbytes
        from bitsandbytes.functional import dequantize_4bit, quantize_4bit

        dequantize_4bit(*quantize_4bit(torch.ones(64, device=device)))
    except Exception as error:  # its native library may raise anything
        first = (str(error).strip() or "no reason given").splitlines()[0]
        return f"does not work on {device}: {type(error).__name__}: {printable(first, 200)}"
    return f"{bitsandbytes.__version__}, works on {device}"


def lines(report: GpuReport) -> dict[str, str]:
    """The report as text: one sentence per name."""
    found = report.found
    shown = {f"gpu {gpu.index}": _described(gpu) for gpu in found.gpus}
    try:
        resolved, gpu = resolve_device("auto", found), choose("auto", found)
    except RequestError as error:
        shown["device auto"] = f"refused: {error}"
    else:
        taken = f"GPU {gpu} of {len(found.gpus)}" if gpu is not None else f"CPU: {found.absent}"
        native = resolved.precision_of_auto == "bf16"
        shown |= {"device auto": taken, "precision auto": "bf16" if native else "fp32 (no native bf16)"}
    nvml = found.nvml or "no driver is installed"
    shown["nvml"] = f"does not answer: {nvml}" if report.driver is None else f"answers, driver {report.driver}"
    return shown | {"bitsandbytes": report.quantization}


def _described(gpu: Gpu) -> str:
    capability = ".".join(map(str, gpu.capability))
    mig = "a MIG instance" if gpu.is_mig else "no MIG instance"
    size = f"{gpu.memory_bytes / 1e9:.1f} GB"
    return f"{gpu.name}, {size}, compute capability {capability}, {gpu.uuid or 'uuid unknown'}, {mig}"


def device_lines() -> dict[str, str]:
    """The report as text, made in another process so that this one does not initialise CUDA."""
    try:
        return lines(GpuReport.model_validate_json(probe("bench.commands.gpu_report")))
    except RequestError as error:
        return {"device auto": f"refused: {error}"}


if __name__ == "__main__":
    print(find().model_dump_json())
