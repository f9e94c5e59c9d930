"""Process-wide settings, which a method must not change."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sklearn  # noqa: F401 - its first import sets variables of the environment, which is not a method's doing
import torch


class Setting(NamedTuple):
    """A setting: functions that read and restore it."""

    read: Callable[[], Any]
    write: Callable[[Any], object]


def _write_environment(values: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(values)


def _write_cudnn(name: str) -> Callable[[Any], object]:
    return lambda value: setattr(torch.backends.cudnn, name, value)


def _write_deterministic(values: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(values[0], warn_only=values[1])


SETTINGS: dict[str, Setting] = {
    "torch's number of threads": Setting(torch.get_num_threads, torch.set_num_threads),
    "torch's default dtype": Setting(torch.get_default_dtype, torch.set_default_dtype),
    "torch's default device": Setting(torch.get_default_device, torch.set_default_device),
    "torch's gradient mode": Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's float32 matmul precision": Setting(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "torch's deterministic algorithms": Setting(
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        _write_deterministic,
    ),
    "torch's anomaly detection": Setting(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "cudnn.benchmark": Setting(lambda: torch.backends.cudnn.benchmark, _write_cudnn("benchmark")),
    "cudnn.deterministic": Setting(lambda: torch.backends.cudnn.deterministic, _write_cudnn("deterministic")),
    "the working folder": Setting(Path.cwd, os.chdir),
    "the environment": Setting(lambda: dict(os.environ), _write_environment),
}


def changed_settings(before: dict[str, Any]) -> list[str]:
    """The settings that differ from ``before``, with the values if they are short."""
    changes = []
    for name, now in read_settings().items():
        if now != before[name]:
            values = f" from {before[name]} to {now}"
            changes.append(name if len(values) > 80 else f"{name}{values}")
    return changes


def read_settings() -> dict[str, Any]:
    """The value of every setting, by name."""
    return {name: setting.read() for name, setting in SETTINGS.items()}


@contextmanager
def kept_settings() -> Iterator[dict[str, Any]]:
    """Restore every setting at the end, so that plugin code in one check does not affect the next; yields them."""
    before = read_settings()
    try:
        yield before
    finally:
        for name, now in read_settings().items():
            if now != before[name]:
                SETTINGS[name].write(before[name])
