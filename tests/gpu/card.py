"""What the made-up GPU is like: its card, its memory, and what it was asked."""

import sys
import weakref
from collections import Counter
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch

ROOT = Path(__file__).parents[2]
MIB = 2**20
#: What torch's caching allocator hands out, and what it takes from the driver at once.
BLOCK_BYTES, SEGMENT_BYTES = 512, 2 * MIB
#: What the driver keeps for a process that has started CUDA, and for itself.
CONTEXT_BYTES, DRIVER_BYTES = 420 * MIB, 600 * MIB
#: What a process that is not ours holds.
OTHER_BYTES = 300 * MIB

FaultKind = Literal["torch", "runtime", "accelerator", "cublas", "cudnn", "lost"]
MESSAGES: dict[FaultKind, str] = {
    "torch": "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 80.00 GiB.",
    "runtime": "CUDA error: out of memory",
    "accelerator": "CUDA error: out of memory",
    "cublas": "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cudnn": "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "lost": "CUDA error: unspecified launch failure",
}


@dataclass(frozen=True)
class Card:
    """A GPU to make up.

    Attributes:
        name: as the driver says it.
        index: in CUDA's order; those before it are alike and idle.
        capability: compute capability.
        memory_bytes: of the card.
        nvml: whether the driver answers by NVML.
        lacks: functions of NVML that this card does not support.
        compute_processes: others that compute on it.
        graphics_processes: others that draw on it.
        mig: it is an instance of a card that is divided.
        fault: what goes wrong; "lost": nothing on the card answers any more.
        within: the function of the harness in which it goes wrong, e.g. ``bench/train/loop.py:train``.
    """

    name: str = "NVIDIA Made Up"
    index: int = 0
    capability: tuple[int, int] = (9, 0)
    memory_bytes: int = 80 * 10**9
    nvml: bool = True
    lacks: tuple[str, ...] = ()
    compute_processes: int = 0
    graphics_processes: int = 0
    mig: bool = False
    fault: FaultKind | None = None
    within: str = ""


@dataclass(frozen=True)
class Call:
    """One thing that was asked of the GPU.

    Attributes:
        name: of the call, e.g. ``synchronize``; the same whichever part of torch offers it.
        detail: what it was about.
        stack: functions of the harness that it came from, the innermost first, e.g. ``bench/train/loop.py:train``.
    """

    name: str
    detail: str = ""
    stack: tuple[str, ...] = ()


class Memory:
    """The caching allocator of the card, as far as it is seen from Python."""

    def __init__(self) -> None:
        self.allocated = self.reserved = self.peak_allocated = self.peak_reserved = 0
        self._workspaces: Counter[str] = Counter()

    def take(self, num_bytes: int) -> int:
        """Allocate; returns the size of the blocks."""
        size = -(-num_bytes // BLOCK_BYTES) * BLOCK_BYTES
        self.allocated += size
        self.reserved = max(self.reserved, -(-self.allocated // SEGMENT_BYTES) * SEGMENT_BYTES)
        self.peak_allocated = max(self.peak_allocated, self.allocated)
        self.peak_reserved = max(self.peak_reserved, self.reserved)
        return size

    def give_back(self, size: int) -> None:
        self.allocated -= size

    def take_workspace(self, thread: str, num_bytes: int) -> None:
        """What cuBLAS keeps from the first matmul of a thread on."""
        if not self._workspaces[thread]:
            self._workspaces[thread] = self.take(num_bytes)

    def clear_workspaces(self) -> None:
        self.give_back(self._workspaces.total())
        self._workspaces.clear()

    def empty_cache(self) -> None:
        self.reserved = -(-self.allocated // SEGMENT_BYTES) * SEGMENT_BYTES

    def restart_peaks(self) -> None:
        self.peak_allocated, self.peak_reserved = self.allocated, self.reserved

    def stats(self) -> dict[str, int]:
        """By the names of torch."""
        return {
            "allocated_bytes.all.current": self.allocated, "allocated_bytes.all.peak": self.peak_allocated,
            "reserved_bytes.all.current": self.reserved, "reserved_bytes.all.peak": self.peak_reserved,
            "num_alloc_retries": 0, "num_ooms": 0,
        }  # fmt: skip


@dataclass
class Gpu:
    """A card in use by this process."""

    card: Card = field(default_factory=Card)
    log: list[Call] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    initialized: bool = False
    #: Index of the GPU that is meant where none is named.
    current: int = 0
    #: Events that were recorded and that the device has not come to.
    queued: list[Any] = field(default_factory=list)
    #: Storages of the host in locked pages, by id.
    pinned: set[int] = field(default_factory=set)
    _places: dict[int, tuple[weakref.ref[Any], bool]] = field(default_factory=dict)
    _failed: bool = False

    def note(self, name: str, detail: object = "") -> None:
        """Log a call.

        Raises:
            torch.AcceleratorError: the card is lost.
        """
        self.log.append(Call(name, str(detail), stack()))
        if self._failed and self.card.fault == "lost":
            raise torch.AcceleratorError(MESSAGES["lost"])

    @property
    def device(self) -> torch.device:
        """Where its tensors lie."""
        return torch.device("cuda", self.card.index)

    def index_of(self, device: Any) -> int:
        """Of the GPU that an index, a device or its name stands for; None stands for the current one."""
        device = torch.device(device) if isinstance(device, str) else device
        index = device.index if isinstance(device, torch.device) else device
        return self.current if index is None else int(index)

    def is_meant(self, device: object) -> bool:
        """Whether it is this GPU and not an idle one before it."""
        return self.index_of(device) == self.card.index

    def begin(self) -> None:
        """Start CUDA in this process, if it has not."""
        if not self.initialized:
            self.initialized = True
            self.note("init")

    def restart(self) -> None:
        """As if another process began, in which CUDA has not started."""
        self.initialized, self.current = False, 0
        self.memory.clear_workspaces()

    def wait(self) -> None:
        """The device comes to the end of what it was given."""
        for event in self.queued:
            event.done = True
        self.queued.clear()

    def work(self) -> None:
        """Something is to be computed or allocated: what is planned to go wrong does so here, once.

        Raises:
            RuntimeError: of the kind that is planned.
        """
        if self._failed or self.card.fault is None or self.card.within not in stack():
            return
        self._failed = True
        kind = self.card.fault
        self.log.append(Call("fault", kind, stack()))
        raised: dict[str, type[Exception]] = {
            "torch": torch.OutOfMemoryError,
            "accelerator": torch.AcceleratorError,
            "lost": torch.AcceleratorError,
        }
        raise raised.get(kind, RuntimeError)(MESSAGES[kind])

    def workspace_bytes(self) -> int:
        """Of cuBLAS, for each thread."""
        return 32 * MIB if self.card.capability >= (9, 0) else 8 * MIB + 128 * 1024

    def where(self, tensor: torch.Tensor) -> bool | None:
        """Whether a tensor lies on the GPU; None where that was never said."""
        known = self._places.get(id(tensor.untyped_storage()))
        return None if known is None else known[1]

    def put(self, tensor: torch.Tensor, on_gpu: bool) -> None:
        """Say where a tensor lies that has just been made.

        Raises:
            torch.OutOfMemoryError: the card is full.
        """
        storage = tensor.untyped_storage()
        key = id(storage)
        if key in self._places:
            return
        size = self.memory.take(storage.nbytes()) if on_gpu else 0
        self._places[key] = (weakref.ref(storage, partial(self._freed, key, size)), on_gpu)
        if self.memory.allocated > self.card.memory_bytes:
            raise torch.OutOfMemoryError(MESSAGES["torch"])

    def _freed(self, key: int, size: int, reference: object) -> None:
        del reference
        del self._places[key]
        self.pinned.discard(key)
        self.memory.give_back(size)


def stack() -> tuple[str, ...]:
    """Functions of the harness and its methods that are being run, the innermost first."""
    found = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        path = _in_project(frame.f_code.co_filename)
        if path is not None:
            found.append(f"{path}:{frame.f_code.co_qualname}")
        frame = frame.f_back
    return tuple(found)


@cache
def _in_project(file: str) -> str | None:
    """The path of a source file of the harness or its methods, from the project's folder."""
    path = Path(file)
    inside = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path()
    return inside.as_posix() if inside.parts[:1] in (("bench",), ("methods",)) else None
