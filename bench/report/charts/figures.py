"""The figures of a report, and the script of its page: drawn by other processes while this one does something else."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import wait
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

from bench.report.charts import figure

#: Figures that this process draws in the time that others take to start.
FEW = 12
#: Processes that draw. This one could not hand on work while it drew: the library holds the interpreter.
PROCESSES = 2
#: The script, once this process has it: it takes a second to make.
_known: dict[str, str] = {}
SCRIPT = "js"
Made = TypeVar("Made")


class Figures:
    """The figures of one report, and the script of its page; leave it to end the processes that it started.

    Where a process ends before it has answered, this one draws instead.

    Attributes:
        kinds: kinds of file that are wanted, some of svg and png.
    """

    def __init__(self, kinds: Collection[str], *, page: bool = False) -> None:
        """Start with none.

        Args:
            kinds: kinds of file that are wanted.
            page: the script is wanted too.
        """
        self.kinds = tuple(kind for kind in ("svg", "png") if kind in kinds)
        self._specs: dict[str, Mapping[str, Any]] = {}
        self._made: dict[str, Future[Any]] = {}
        self._pools: list[ProcessPoolExecutor] = []
        if page and not _known:
            self._start(1)
            self._submit(SCRIPT, figure.script)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the other processes."""
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)

    def add(self, spec: Mapping[str, Any], path: str) -> None:
        """Have a figure drawn.

        Args:
            spec: of the chart.
            path: of its files, without the suffix.
        """
        if self.kinds:
            self._specs[path] = spec
        if len(self._specs) > FEW:
            self._start(PROCESSES)
        if self._pools:
            for waiting, one in self._specs.items():
                if waiting not in self._made:
                    self._submit(waiting, figure.draw, one, self.kinds)

    def script(self) -> str:
        """Vega, Vega-Lite and Vega-Embed as one script that asks the network for nothing; a page is wanted."""
        if not _known:
            _known[SCRIPT] = self._result(SCRIPT, figure.script)
        return _known[SCRIPT]

    def files(self) -> dict[str, bytes]:
        """The files by name, in the order of the figures.

        Raises:
            ValueError: not a valid spec, or one that asks for data from elsewhere.
        """
        drawn = {path: self._result(path, figure.draw, spec, self.kinds) for path, spec in self._specs.items()}
        return {f"{path}.{kind}": content for path, made in drawn.items() for kind, content in made.items()}

    def _start(self, processes: int) -> None:
        """See that there are so many other processes, a pool each: they start one by one as there is more to draw."""
        context = multiprocessing.get_context("spawn")  # not forked, for this process has threads
        while len(self._pools) < processes:
            self._pools.append(ProcessPoolExecutor(1, context, initializer=_end_with_parent))

    def _submit(self, name: str, make: Callable[..., Any], *arguments: Any) -> None:
        """Have another process make something; where none can start, this one makes it when it is asked for."""
        with suppress(OSError, BrokenProcessPool):
            self._made[name] = self._pools[len(self._made) % len(self._pools)].submit(make, *arguments)

    def _result(self, name: str, make: Callable[..., Made], *arguments: Any) -> Made:
        with suppress(KeyError, BrokenProcessPool):
            made: Made = self._made[name].result()
            return made
        return make(*arguments)


def _end_with_parent() -> None:
    """Hear no interrupt that is meant for the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None, "a pool's process has a parent"

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()
