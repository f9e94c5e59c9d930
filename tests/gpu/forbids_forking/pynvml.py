"""NVML as it answers where the made-up GPUs are."""

import os


class NVMLError(Exception):
    """What NVML raises."""


def nvmlInit() -> None:  # noqa: N802
    """Begin."""


def nvmlShutdown() -> None:  # noqa: N802
    """End."""


def nvmlDeviceGetCount() -> int:  # noqa: N802
    """GPUs there are, hidden or not."""
    return int(os.environ.get("MADE_UP_GPUS", "1"))


def nvmlSystemGetDriverVersion() -> str:  # noqa: N802
    """Of all GPUs."""
    return "580.65"


def nvmlDeviceGetHandleByIndex(index: int) -> None:  # noqa: N802
    """None of a GPU that is made up: its driver tells nothing of single ones."""
    raise NVMLError(f"no handle of GPU {index}")


def nvmlDeviceGetHandleByUUID(uuid: str) -> None:  # noqa: N802
    """None likewise."""
    raise NVMLError(f"no handle of {uuid}")
