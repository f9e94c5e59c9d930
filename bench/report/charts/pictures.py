"""Charts as files, and the script of a page: made by another process while this one does something else.

What the other one has not begun when it is wanted, this one makes.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple, Self

from bench.report.charts.drawer import SCRIPT, Drawer, Drawn, draw

#: Charts that this process draws in the time that another one takes to start.
FEW = 12
#: The script, once this process has it: it takes a second to make.
_known: dict[str, str] = {}


class _Job(NamedTuple):
    """What is to be made; the other process leaves None where it has failed at it, or ended."""

    spec: Mapping[str, Any] | None
    kinds: tuple[str, ...]
    made: Future[Drawn | None]

    def make(self) -> Drawn:
        return draw(self.spec, self.kinds)

    def result(self) -> Drawn:
        """What has been made or is being made, and where the other process left nothing, what this one makes."""
        return self.made.result() or self.make()


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
        self._waiting: deque[str] = deque()
        self._drawer: Drawer | None = None
        self._aside: Thread | None = None
        if page and not _known:
            self._ask(SCRIPT, None, (SCRIPT,))
            self._start()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the other process."""
        self._waiting.clear()
        if self._drawer is not None:
            self._drawer.kill()
            if self._aside is not None:
                self._aside.join()
            self._drawer.close()

    def add(self, spec: Mapping[str, Any], path: str) -> None:
        """Have a chart drawn whose files are named by a path, of its own, and the suffix of their kind."""
        if not self.kinds:
            return
        self._ask(path, spec, self.kinds)
        if len(self._jobs) > FEW or self._drawer is not None:
            self._start()

    def script(self) -> str:
        """Vega, Vega-Lite and Vega-Embed as one script that asks the network for nothing; a page is wanted."""
        if not _known:
            job = self._jobs[SCRIPT]
            with suppress(ValueError):
                self._waiting.remove(SCRIPT)
                job.made.set_result(None)
            _known[SCRIPT] = job.result()[SCRIPT].decode()
        return _known[SCRIPT]

    def files(self) -> dict[str, bytes]:
        """The pictures by name, in the order of their charts.

        Raises:
            ValueError: not a valid spec, or one that asks for data from elsewhere.
        """
        for path in _rest(self._waiting.pop):
            self._jobs[path].made.set_result(self._jobs[path].make())
        drawn = {path: job.result() for path, job in self._jobs.items() if path != SCRIPT}
        return {f"{path}.{kind}": made[kind] for path, made in drawn.items() for kind in self.kinds}

    def _ask(self, path: str, spec: Mapping[str, Any] | None, kinds: tuple[str, ...]) -> None:
        self._jobs[path] = _Job(spec, kinds, Future())
        self._waiting.append(path)

    def _start(self) -> None:
        """Have the other process make what waits, if it is not at it."""
        if self._aside is None or not self._aside.is_alive():
            with suppress(OSError, RuntimeError):  # then it is made here
                self._drawer = self._drawer or Drawer()
                aside = Thread(target=self._draw_aside, args=(self._drawer,), daemon=True)
                aside.start()
                self._aside = aside

    def _draw_aside(self, drawer: Drawer) -> None:
        """Have the other process make one after the other, from the first on, until none waits."""
        for path in _rest(self._waiting.popleft):
            job, made = self._jobs[path], None
            try:
                made = drawer.draw(job.spec, job.kinds)
            finally:  # or somebody would wait for it for ever
                job.made.set_result(made)


def _rest(take: Callable[[], str]) -> Iterator[str]:
    """What is taken, until there is nothing left."""
    with suppress(IndexError):
        while True:
            yield take()
