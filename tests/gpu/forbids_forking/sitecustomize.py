"""GPUs that obey torch's rules on forking, in every process that has this folder on its path.

CUDA starts at the first question that torch answers with it, and then a line of the log says who asked. A process that
was forked after that start gets torch's own error. Nothing can be computed on these GPUs.

The environment says what there is: MADE_UP_GPUS, how many; MADE_UP_LOG, the log; MADE_UP_DRIVER, why CUDA does not
start; MADE_UP_BUILD, another accelerator that torch is built for.
"""

import importlib.abc
import importlib.util
import os
import sys
import traceback
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

GPUS = int(os.environ.get("MADE_UP_GPUS", "1"))
#: The process that has started CUDA, which those that are forked from it know too.
started: list[int] = []


class TorchFinder(importlib.abc.MetaPathFinder):
    """Finds torch where it is, and has the GPUs put into it once it is imported."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("torch")
        loader: Any = None if spec is None else spec.loader
        run = loader.exec_module

        def run_and_patch(module: types.ModuleType) -> None:
            run(module)
            (make_up_gpus if "MADE_UP_BUILD" not in os.environ else make_up_other)(module)

        loader.exec_module = run_and_patch
        return spec


def visible() -> int:
    """GPUs that the environment shows, which is asked anew until CUDA has started."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    return GPUS if shown is None else len([part for part in shown.split(",") if part.isdigit() and int(part) < GPUS])


def start() -> None:
    """What ``torch.cuda.init`` does."""
    if started and os.getpid() not in started:
        log("refused")
        raise RuntimeError(
            "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use the "
            "'spawn' start method"
        )
    if "MADE_UP_DRIVER" in os.environ:
        raise RuntimeError(os.environ["MADE_UP_DRIVER"])
    if not visible():
        raise RuntimeError("No CUDA GPUs are available")
    if not started:
        started.append(os.getpid())
        log("started")


def log(event: str) -> None:
    """Add a line: event, process, and who asked, the innermost caller first."""
    frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_stack() if frame.line][:-2]
    with Path(os.environ["MADE_UP_LOG"]).open("a", encoding="utf-8") as file:
        file.write(f"{event} {os.getpid()} {' < '.join(reversed(frames))}\n")


def answering(answer: Callable[[int], object]) -> Callable[..., object]:
    """A function of torch.cuda that starts CUDA."""

    def ask(device: object = None, *_: object, **__: object) -> object:
        start()
        index = getattr(device, "index", device)
        return answer(index if isinstance(index, int) else 0)

    return ask


def properties(index: int) -> types.SimpleNamespace:
    return types.SimpleNamespace(
        name=f"Made-up GPU {index}", major=9, minor=0, total_memory=80 * 10**9, multi_processor_count=132,
        uuid=f"00000000-0000-0000-0000-00000000000{index}",
    )  # fmt: skip


def make_up_gpus(torch: Any) -> None:
    works = "MADE_UP_DRIVER" not in os.environ

    def is_available() -> bool:
        return works and visible() > 0

    def current_accelerator(check_available: bool = False) -> object:
        return None if check_available and not is_available() else torch.device("cuda")

    stream = types.SimpleNamespace(is_capturing=lambda: False)
    torch.version.cuda = "12.8"
    torch.accelerator.current_accelerator = current_accelerator
    torch.accelerator.current_stream = answering(lambda index: stream)  # AdamW asks for it, on a CPU too
    torch.accelerator.set_device_index = torch.cuda.set_device = answering(lambda index: None)
    torch.accelerator.is_available = torch.cuda.is_available = is_available
    torch.cuda.device_count = lambda: visible() if works else 0
    torch.cuda.init = torch.cuda._lazy_init = start
    torch.cuda.is_initialized = lambda: os.getpid() in started
    torch.cuda.current_device = answering(lambda index: 0)
    torch.cuda.get_device_properties = answering(properties)
    torch.cuda.get_device_name = answering(lambda index: properties(index).name)
    torch.cuda.get_device_capability = answering(lambda index: (9, 0))
    torch._C._cuda_getCurrentRawStream = lambda index: 0  # which bitsandbytes takes along when it is imported
    torch.cuda.mem_get_info = answering(lambda index: ((60 - index) * 10**9, 80 * 10**9))


def make_up_other(torch: Any) -> None:
    """An accelerator that is no CUDA."""
    build = os.environ["MADE_UP_BUILD"]
    if build == "hip":
        torch.version.hip = "6.4"
        torch.cuda.is_available = lambda: True
    torch.accelerator.current_accelerator = lambda check_available=False: torch.device(
        "cuda" if build == "hip" else build
    )
    torch.accelerator.is_available = lambda: True


sys.meta_path.insert(0, TorchFinder())
