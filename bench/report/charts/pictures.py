"""Charts as files, and the script of a page: made by other processes while this one does something else.

What they fail at, this one makes; where there are few charts, it makes all.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple, Self

from bench.report.charts.drawer import SCRIPT, Drawer, Drawn, draw

#: Charts that this process draws in the time that others take to start.
FEW = 12
#: That draw when there are more. This one could not hand on work while it drew: the library holds the interpreter.
PROCESSES = 2
#: The script, once this process has it: it takes a second to make.
_known: dict[str, str] = {}


class _Job(NamedTuple):
    """What is to be made; another process leaves None where it has failed at it, or ended."""

    spec: Mapping[str, Any] | None
    kinds: tuple[str, ...]
    made: Future[Drawn | None]


class Pictures:
    """The charts of one report, and the script of its page; leave it to end what it started.

    Attributes:
        kinds: of picture that are wanted, some of svg and png.
    """

    def __init__(self, kinds: Collection[str], *, page: bool = False) -> None:
        """Start with none.

        Args:
            kinds: of picture that are wanted.
            page: the script is wanted too.
        """
        self.kinds = tuple(kind for kind in ("svg", "png") if kind in kinds)
        self._jobs: dict[str, _Job] = {}
        self._waiting: SimpleQueue[_Job | None] = SimpleQueue()
        self._drawers: list[Drawer] = []
        self._asides: list[Thread] = []
        if page and not _known:
            self._ask(SCRIPT, None, (SCRIPT,))
            self._start(1)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the other processes."""
        for drawer in self._drawers:
            drawer.kill()
        for _ in self._asides:
            self._waiting.put(None)
        for aside in self._asides:
            aside.join()
        for drawer in self._drawers:
            drawer.close()

    def add(self, spec: Mapping[str, Any], path: str) -> None:
        """Have a chart drawn whose files are named by a path, of its own, and the suffix of their kind."""
        if self.kinds:
            self._ask(path, spec, self.kinds)
            if len(self._jobs) > FEW:
                self._start(PROCESSES)

    def script(self) -> str:
        """Vega, Vega-Lite and Vega-Embed as one script that asks the network for nothing; a page is wanted."""
        if not _known:
            _known[SCRIPT] = self._made(SCRIPT)[SCRIPT].decode()
        return _known[SCRIPT]

    def files(self) -> dict[str, bytes]:
        """The pictures by name, in the order of their charts.

        Raises:
            ValueError: not a valid spec, or one that asks for data from elsewhere.
        """
        drawn = {path: self._made(path) for path in self._jobs if path != SCRIPT}
        return {f"{path}.{kind}": made[kind] for path, made in drawn.items() for kind in self.kinds}

    def _ask(self, path: str, spec: Mapping[str, Any] | None, kinds: tuple[str, ...]) -> None:
        self._jobs[path] = _Job(spec, kinds, Future())
        self._waiting.put(self._jobs[path])

    def _made(self, path: str) -> Drawn:
        job = self._jobs[path]
        return (job.made.result() if self._asides else None) or draw(job.spec, job.kinds)

    def _start(self, processes: int) -> None:
        """See that so many other processes make what waits."""
        with suppress(OSError, RuntimeError):  # then there are fewer, or none
            for _ in range(processes - len(self._asides)):
                drawer = Drawer()
                self._drawers.append(drawer)
                aside = Thread(target=self._draw_aside, args=(drawer,), daemon=True)
                aside.start()
                self._asides.append(aside)

    def _draw_aside(self, drawer: Drawer) -> None:
        """Have another process make one after the other of what waits, until there is nothing any more."""
        while (job := self._waiting.get()) is not None:
            made = None
            with suppress(Exception):  # whatever it is: somebody waits for the job to be done with
                made = drawer.draw(job.spec, job.kinds)
            job.made.set_result(made)
