"""Charts as files: drawn by another process while this one does something else, and what is left then by this one."""

from collections.abc import Collection, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Self

from bench.report.charts import picture

Drawn = dict[str, bytes]
"""One chart by kind of picture."""

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
        self._aside: ProcessPoolExecutor | None = None
        self._sent: dict[str, Future[Drawn]] = {}

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the other process, and what it has not begun."""
        if self._aside is not None:
            self._aside.shutdown(cancel_futures=True)

    def add(self, spec: Mapping[str, Any], path: str) -> None:
        """Have a chart drawn whose files are named by a path and the suffix of their kind."""
        self._specs[path] = spec
        if self.kinds and len(self._specs) > FEW:
            # A child of its own, not a copy of this process, whose threads a copy would lack.
            self._aside = self._aside or ProcessPoolExecutor(1, get_context("spawn"))
            for unsent in [path for path in self._specs if path not in self._sent]:
                self._sent[unsent] = self._aside.submit(drawn, self._specs[unsent], self.kinds)

    def files(self) -> dict[str, bytes]:
        """The pictures by name, in the order of their charts.

        Raises:
            ValueError: not a valid spec, or one that asks for data from elsewhere.
        """
        here = {
            path: drawn(spec, self.kinds)
            for path, spec in reversed(self._specs.items())
            if path not in self._sent or self._sent[path].cancel()
        }
        whole = {path: here[path] if path in here else self._sent[path].result() for path in self._specs}
        return {f"{path}.{kind}": content for path, of_kinds in whole.items() for kind, content in of_kinds.items()}


def drawn(spec: Mapping[str, Any], kinds: Collection[str]) -> Drawn:
    """One chart as pictures of these kinds."""
    svg = picture.svg(spec) if kinds else ""
    made = {"svg": lambda: svg.encode(), "png": lambda: picture.pixels(svg)}
    return {kind: made[kind]() for kind in kinds}
