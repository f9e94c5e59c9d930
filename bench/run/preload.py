"""Imports of the fork server, which must not initialise CUDA, and the report of a failed import."""

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

from bench.text.message import kind_of, said

#: Modules imported once in the fork server and inherited by every worker. Torch's compiler is among them because it
#: takes 95 % of the import time of bitsandbytes in a worker.
MODULES = (
    "bench.run.worker.entry", "bench.run.worker.preflight", "transformers.models.auto.modeling_auto", "peft",
    "torch._inductor.compile_fx",
)  # fmt: skip
#: Module that initialises CUDA on import if there is a GPU, which rules out forks; peft imports it.
STARTS_CUDA = "bitsandbytes"
#: Environment variable that holds the server's ``Order`` as JSON.
VARIABLE = "TUNEBENCH_PRELOAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The imports that the server must do.

    Attributes:
        modules: names of the modules, in order.
        progress: path of the file for ``Progress``.
    """

    modules: Sequence[str]
    progress: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of the server.

    Attributes:
        module: module of the current or last import.
        failed: exception of its import.
        done: whether everything is imported.
    """

    module: str | None = None
    failed: str | None = None
    done: bool = False

    @classmethod
    def read(cls, path: Path) -> "Progress":
        """Read the server's file; a missing or invalid file means no import has begun."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return cls()

    def write(self, path: Path) -> None:
        """Write the file."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def preload(order: Order) -> None:
    """Do the ordered imports, except for the module that initialises CUDA.

    Raises:
        SystemExit: an import failed, and the file says how. The library would ignore an ImportError and print any other
            error as a traceback.
    """
    path = Path(order.progress)
    module = ""
    try:
        with imported_later(STARTS_CUDA):
            for module in order.modules:
                Progress(module=module).write(path)
                importlib.import_module(module)
            from tqdm import tqdm  # only the server needs it

            # The default lock of progress bars is a semaphore of the system, which a worker that is killed leaks.
            tqdm.set_lock(RLock())
    except BaseException as error:  # a library may raise anything, including SystemExit
        Progress(module=module, failed=f"{kind_of(error)}: {said(error)}").write(path)
        raise SystemExit(1) from None
    Progress(module=module, done=True).write(path)


class _Later(ModuleType):
    """Placeholder for a module that is imported at its first use."""

    def __getattr__(self, name: str) -> Any:
        """The attribute of the real module."""
        if sys.modules.get(self.__name__) is self:
            raise AttributeError(f"{self.__name__} is not imported before the fork: it starts CUDA")
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def imported_later(name: str) -> Iterator[None]:
    """Replace a module by a placeholder inside the block; after the block, the placeholder imports it when used.

    ``find_spec`` still finds the module inside the block, because libraries store its result.

    Args:
        name: name of the module; nothing is done if it is imported already or not installed.
    """
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None:
        yield
        return
    stand_in = _Later(name)
    stand_in.__spec__ = spec
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]


# Only the fork server has the variable: there, importing this module does the preload.
if VARIABLE in os.environ:
    preload(Order(**json.loads(os.environ.pop(VARIABLE))))
