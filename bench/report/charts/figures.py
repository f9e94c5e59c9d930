"""The figures of a report and the script of its page, made by other processes in the background."""

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
#: Drawing processes; the drawing library holds the interpreter lock, so threads would not help.
PROCESSES = 2
#: Cache of the script, which takes a second to make.
_known: dict[str, str] = {}
SCRIPT = "js"
Made = TypeVar("Made")


class Figures:
    """The figures of one report and the script of its page; closing the context ends the drawing processes.

    If a process dies, this one draws instead.

    Attributes:
        kinds: kinds of file to draw, some of svg and png.
    """

    def __init__(self, kinds: Collection[str], *, page: bool = False) -> None:
        """Start without figures.

        Args:
            kinds: kinds of file to draw.
            page: whether the script is needed.
        """
        self.kinds = tuple(kind for kind in ("svg", "png") if kind in kinds)
        self._specs: dict[str, Mapping[str, Any]] = {}
        self._made: dict[str, Future[Any]] = {}
        self._pools: list[ProcessPoolExecutor] = []
        if page and not _known:
            self._start(1)
            self._submit(SCRIPT, figure.script)

    def __enter__(self) -> Self:
        """Enter the context."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the drawing processes."""
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)

    def add(self, spec: Mapping[str, Any], path: str) -> None:
        """Add a figure.

        Args:
            spec: spec of the chart.
            path: path of its files without suffix.
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
        """The script of the page, see ``figure.script``."""
        if not _known:
            _known[SCRIPT] = self._result(SCRIPT, figure.script)
        return _known[SCRIPT]

    def files(self) -> dict[str, bytes]:
        """The files by name, in the order of the figures.

        Raises:
            ValueError: a spec is not valid, or loads external data.
        """
        drawn = {path: self._result(path, figure.draw, spec, self.kinds) for path, spec in self._specs.items()}
        return {f"{path}.{kind}": content for path, made in drawn.items() for kind, content in made.items()}

    def _start(self, processes: int) -> None:
        """Start processes up to this number, one pool each, so that they start only as needed."""
        context = multiprocessing.get_context("spawn")  # not forked, for this process has threads
        while len(self._pools) < processes:
            self._pools.append(ProcessPoolExecutor(1, context, initializer=_end_with_parent))

    def _submit(self, name: str, make: Callable[..., Any], *arguments: Any) -> None:
        """Run a call in another process; if none can start, ``_result`` runs it here."""
        with suppress(OSError, BrokenProcessPool):
            self._made[name] = self._pools[len(self._made) % len(self._pools)].submit(make, *arguments)

    def _result(self, name: str, make: Callable[..., Made], *arguments: Any) -> Made:
        with suppress(KeyError, BrokenProcessPool):
            made: Made = self._made[name].result()
            return made
        return make(*arguments)


def _end_with_parent() -> None:
    """Ignore interrupts, which the parent handles, and end with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None, "a pool's process has a parent"

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()
