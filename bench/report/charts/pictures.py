"""Charts as files: drawn by another process while this one does something else, and what is left then by this one."""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Any, Self

from bench.report.charts.drawer import Drawer, Drawn, draw

#: Charts that this process draws in the time that another one takes to start.
FEW = 12


class Pictures:
    """The charts of one report; leave it to end what it started.

    Attributes:
        kinds: of picture that are wanted, some of svg and png.
    """

    def __init__(self, kinds: Collection[str]) -> None:
        """Start with none."""
        self.kinds = tuple(kind for kind in ("svg", "png") if kind in kinds)
        self._specs: dict[str, Mapping[str, Any]] = {}
        self._waiting: deque[str] = deque()
        self._drawn: dict[str, Drawn] = {}
        self._drawer: Drawer | None = None
        self._aside: Thread | None = None

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the other process."""
        self._waiting.clear()
        if self._drawer is not None:
            self._drawer.kill()
            self._wait()
            self._drawer.close()

    def add(self, spec: Mapping[str, Any], path: str) -> None:
        """Have a chart drawn whose files are named by a path, of its own, and the suffix of their kind."""
        if not self.kinds:
            return
        self._specs[path] = spec
        self._waiting.append(path)
        if len(self._specs) > FEW and (self._aside is None or not self._aside.is_alive()):
            with suppress(OSError, RuntimeError):  # then they are drawn here
                self._drawer = self._drawer or Drawer()
                aside = Thread(target=self._draw_aside, args=(self._drawer,), daemon=True)
                aside.start()
                self._aside = aside

    def files(self) -> dict[str, bytes]:
        """The pictures by name, in the order of their charts.

        Raises:
            ValueError: not a valid spec, or one that asks for data from elsewhere.
        """
        for path in _rest(self._waiting.pop):
            self._drawn[path] = draw(self._specs[path], self.kinds)
        self._wait()
        for path, spec in self._specs.items():
            if path not in self._drawn:  # the other process has failed at it, or ended
                self._drawn[path] = draw(spec, self.kinds)
        return {f"{path}.{kind}": self._drawn[path][kind] for path in self._specs for kind in self.kinds}

    def _wait(self) -> None:
        if self._aside is not None:
            self._aside.join()

    def _draw_aside(self, drawer: Drawer) -> None:
        """Have the other process draw one chart after the other, from the first on, until none waits."""
        for path in _rest(self._waiting.popleft):
            drawn = drawer.draw(self._specs[path], self.kinds)
            if drawn is not None:
                self._drawn[path] = drawn


def _rest(take: Callable[[], str]) -> Iterator[str]:
    """What is taken, until there is nothing left."""
    with suppress(IndexError):
        while True:
            yield take()
