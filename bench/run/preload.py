"""What the fork server imports before it forks, with CUDA left alone, and what it tells of an import that failed."""

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.text.message import kind_of, said

#: Imported once in the fork server; every worker starts with them in place. Of the time that bitsandbytes takes to
#: import in a worker, torch's compiler is 95 %.
MODULES = (
    "bench.run.worker.entry", "bench.run.worker.preflight", "transformers.models.auto.modeling_auto", "peft",
    "torch._inductor.compile_fx",
)  # fmt: skip
#: On a machine with a GPU its import starts CUDA, after which no process may be forked; peft imports it.
STARTS_CUDA = "bitsandbytes"
#: Variable of the environment by which the server is told what to do; see ``Order``.
VARIABLE = "TUNEBENCH_PRELOAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the server is to import.

    Attributes:
        modules: by name, in order.
        progress: file that says how far it came; see ``Progress``.
    """

    modules: Sequence[str]
    progress: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the server came.

    Attributes:
        module: that is being imported, or was last.
        failed: what its import raised.
        done: everything is imported.
    """

    module: str | None = None
    failed: str | None = None
    done: bool = False

    @classmethod
    def read(cls, path: Path) -> "Progress":
        """What the server has written; nothing is imported where it has written nothing."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return cls()

    def write(self, path: Path) -> None:
        """Replace what the file said."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def preload(order: Order) -> None:
    """Import what is ordered, without what starts CUDA.

    Raises:
        SystemExit: an import failed, and the file says how: the library passes over an ImportError of what is
            preloaded, and prints any other error as a traceback.
    """
    path = Path(order.progress)
    module = ""
    try:
        with imported_later(STARTS_CUDA):
            for module in order.modules:
                Progress(module=module).write(path)
                importlib.import_module(module)
    except BaseException as error:  # a library may raise anything, and end the process too
        Progress(module=module, failed=f"{kind_of(error)}: {said(error)}").write(path)
        raise SystemExit(1) from None
    Progress(module=module, done=True).write(path)


class _Later(ModuleType):
    """Stands for a module that is imported when it is first asked for something."""

    def __getattr__(self, name: str) -> Any:
        """That attribute of the real module."""
        if sys.modules.get(self.__name__) is self:
            raise AttributeError(f"{self.__name__} is not imported before the fork: it starts CUDA")
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def imported_later(name: str) -> Iterator[None]:
    """Give whoever imports a module in this block a stand-in, which imports the module when it is used after it.

    Whether the module is there is told truly in the block, since libraries remember the answer.

    Args:
        name: of the module; where it is imported already, or not installed, nothing is done.
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


# In the fork server, and there alone: the import of this module is the preload.
if VARIABLE in os.environ:
    preload(Order(**json.loads(os.environ.pop(VARIABLE))))
