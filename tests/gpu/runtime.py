"""torch.cuda, torch.accelerator, events and autocast as they answer where there is the made-up GPU."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch

from tests.gpu.card import CONTEXT_BYTES, Gpu, Memory

#: Events that the device is behind the host.
LAG = 2
Patch = Callable[[Any, str, Any], None]


def uuid(index: int) -> str:
    """Of a GPU, without what it begins with in NVML."""
    return f"1b2c3d4e-0000-4000-8000-{index:012}"


class Runtime:
    """Answers for the GPU that is in use, which changes from cell to cell."""

    gpu: Gpu

    def _asked(self, name: str, detail: object = "") -> Gpu:
        self.gpu.note(name, detail)
        return self.gpu

    def _memory(self, name: str, device: object) -> Memory:
        self.gpu.note(name, device)
        return self.gpu.memory if self.gpu.is_meant(device) else Memory()

    def _begun(self, name: str, detail: object = "") -> Gpu:
        self.gpu.begin()
        return self._asked(name, detail)

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return self.gpu.initialized

    def init(self) -> None:
        self.gpu.begin()

    def device_count(self) -> int:
        return self.gpu.card.index + 1

    def current_device(self) -> int:
        self.gpu.begin()
        return self.gpu.current

    def set_device(self, device: object) -> None:
        self._begun("set_device", device).current = self.gpu.index_of(device)

    def synchronize(self, device: object = None) -> None:
        self._begun("synchronize", device)
        if self.gpu.is_meant(device):
            self.gpu.wait()

    def memory_allocated(self, device: object = None) -> int:
        return self._memory("memory_allocated", device).allocated

    def max_memory_allocated(self, device: object = None) -> int:
        return self._memory("max_memory_allocated", device).peak_allocated

    def memory_reserved(self, device: object = None) -> int:
        return self._memory("memory_reserved", device).reserved

    def max_memory_reserved(self, device: object = None) -> int:
        return self._memory("max_memory_reserved", device).peak_reserved

    def memory_stats(self, device: object = None) -> dict[str, int]:
        memory = self._memory("memory_stats", device)
        return memory.stats() if self.gpu.initialized else {}

    def reset_peak_memory_stats(self, device: object = None) -> None:
        if not self.gpu.initialized:
            raise RuntimeError("Invalid device argument 0: did you call init?")
        self._memory("reset_peak_memory_stats", device).restart_peaks()

    def reset_peaks_if_begun(self, device: object = None) -> None:
        if self.gpu.initialized:
            self.reset_peak_memory_stats(device)

    def empty_cache(self) -> None:
        if self.gpu.initialized:
            self._asked("empty_cache").memory.empty_cache()

    def mem_get_info(self, device: object = None) -> tuple[int, int]:
        total = self._begun("mem_get_info", device).card.memory_bytes
        return total - CONTEXT_BYTES - self._memory("mem_get_info", device).reserved, total

    def get_device_name(self, device: object = None) -> str:
        return self._begun("get_device_name", device).card.name

    def get_device_capability(self, device: object = None) -> tuple[int, int]:
        return self._begun("get_device_capability", device).card.capability

    def get_device_properties(self, device: object = None) -> SimpleNamespace:
        card = self._begun("get_device_properties", device).card
        major, minor = card.capability
        return SimpleNamespace(
            name=card.name, major=major, minor=minor, total_memory=card.memory_bytes, multi_processor_count=132,
            uuid=uuid(self.gpu.index_of(device)),
        )  # fmt: skip

    def is_bf16_supported(self, including_emulation: bool = True) -> bool:
        return including_emulation or self.gpu.card.capability >= (8, 0)

    def is_current_stream_capturing(self) -> bool:
        return False

    def get_rng_state(self, device: object = "cuda") -> torch.Tensor:
        self._begun("get_rng_state", device)
        return torch.get_rng_state()

    def set_rng_state(self, new_state: torch.Tensor, device: object = "cuda") -> None:
        del new_state  # random numbers of the device are drawn from the host's generator, which has its own state
        self._begun("set_rng_state", device)

    def manual_seed(self, seed: int) -> None:
        self._asked("manual_seed", seed)

    manual_seed_all = manual_seed

    @contextmanager
    def device(self, device: object) -> Iterator[None]:
        before, self.gpu.current = self.gpu.current, self.gpu.index_of(device)
        yield
        self.gpu.current = before

    def current_stream(self, device: object = None) -> SimpleNamespace:
        return SimpleNamespace(is_made_up=self.gpu.is_meant(device), is_capturing=lambda: False)

    def current_accelerator(self, check_available: bool = False) -> torch.device:
        return torch.device("cuda")

    def event(self, device: object = None, *, enable_timing: bool = False, **_: Any) -> "Event":
        del device
        return Event(self.gpu, enable_timing)

    def cuda_event(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> "Event":
        del blocking, interprocess
        return Event(self.gpu, enable_timing)


class Event:
    """A mark in the device's queue, which is a few of them long."""

    def __init__(self, gpu: Gpu, enable_timing: bool) -> None:
        self._gpu, self._timing = gpu, enable_timing
        self._at: float | None = None
        self.done = False

    def record(self, stream: SimpleNamespace | None = None) -> None:
        self._gpu.begin()
        on_idle = not (self._gpu.is_meant(None) if stream is None else stream.is_made_up)
        self._gpu.note("event.record", "on an idle GPU" if on_idle else "")
        self._at, self.done = time.perf_counter(), on_idle
        if on_idle:
            return
        self._gpu.queued.append(self)
        while len(self._gpu.queued) > LAG:
            self._gpu.queued.pop(0).done = True

    def query(self) -> bool:
        self._gpu.note("event.query")
        return self.done or self._at is None

    def synchronize(self) -> None:
        self._gpu.note("event.synchronize")
        while self in self._gpu.queued:
            self._gpu.queued.pop(0).done = True

    def wait(self, stream: object = None) -> None:
        del stream

    def elapsed_time(self, end: "Event") -> float:
        """Milliseconds."""
        self._gpu.note("event.elapsed_time")
        if not (self._timing and end._timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._at is None or end._at is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        if not (self.done and end.done):
            raise ValueError("Both events must be completed before calculating elapsed time.")
        return (end._at - self._at) * 1e3


OF_BOTH = (
    "is_available", "device_count", "synchronize", "memory_allocated", "max_memory_allocated", "memory_reserved",
    "max_memory_reserved", "memory_stats", "empty_cache",
)  # fmt: skip
OF_CUDA = (
    "is_initialized", "init", "current_device", "set_device", "reset_peak_memory_stats", "mem_get_info",
    "get_device_name", "get_device_capability", "get_device_properties", "is_bf16_supported",
    "is_current_stream_capturing", "get_rng_state", "set_rng_state", "manual_seed", "manual_seed_all", "device",
    "current_stream",
)  # fmt: skip


def install(runtime: Runtime, patch: Patch) -> None:
    """Put the answers in place of torch's own.

    Args:
        runtime: with the answers.
        patch: sets an attribute of a module.
    """
    for name in (*OF_BOTH, *OF_CUDA):
        patch(torch.cuda, name, getattr(runtime, name))
    for name in (*OF_BOTH, "current_accelerator", "current_stream"):
        patch(torch.accelerator, name, getattr(runtime, name))
    accelerator = {
        "reset_peak_memory_stats": runtime.reset_peaks_if_begun, "current_device_index": runtime.current_device,
        "set_device_index": runtime.set_device, "get_memory_info": runtime.mem_get_info, "device_index": runtime.device,
    }  # fmt: skip
    for name, answer in accelerator.items():
        patch(torch.accelerator, name, answer)
    patch(torch.cuda, "Event", runtime.cuda_event)
    patch(torch, "Event", runtime.event)
    patch(torch._C, "_cuda_clearCublasWorkspaces", lambda: runtime.gpu.memory.clear_workspaces())
    _install_autocast(patch)


def _install_autocast(patch: Patch) -> None:
    """Autocast of the GPU is autocast of the CPU, since that is where its tensors are computed."""
    make, enter, leave = (getattr(torch.autocast, name) for name in ("__init__", "__enter__", "__exit__"))
    kinds: Any = torch

    def init(self: Any, device_type: str, dtype: torch.dtype | None = None, *args: Any, **words: Any) -> None:
        on_gpu = device_type == "cuda"
        make(self, "cpu" if on_gpu else device_type, dtype or (torch.float16 if on_gpu else None), *args, **words)
        self.device = device_type

    def as_cpu(method: Callable[..., Any]) -> Callable[..., Any]:
        def run(self: Any, *args: Any) -> Any:
            named, self.device = self.device, "cpu" if self.device == "cuda" else self.device
            try:
                return method(self, *args)
            finally:
                self.device = named

        return run

    patch(torch.autocast, "__init__", init)
    patch(torch.autocast, "__enter__", as_cpu(enter))
    patch(torch.autocast, "__exit__", as_cpu(leave))
    for name in ("is_autocast_enabled", "get_autocast_dtype"):
        ask = getattr(kinds, name)
        patch(torch, name, lambda kind="cpu", ask=ask: ask("cpu" if kind == "cuda" else kind))
