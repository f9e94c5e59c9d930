"""Methods on a simulated host: residents without processes, whose clock is one that they move."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.ratios.picks import picks
from bench.ratios.resident import FailedError
from bench.ratios.window import Failed, Measured, Order, Ready
from bench.study.cell import Cell

#: Padded tokens of the batches of an epoch.
SIZES = tuple(range(320, 2000, 17))


def make_cell(method: str, **changes: Any) -> Cell:
    """A cell of one model and dataset; ``changes`` are of whole sections."""
    content = {
        "study": "s", "seed": 0, "data": {}, "limits": {}, "train": {},
        "dataset": {"name": "d", "label": "D", "fingerprint": "f", "kind": "hub", "hub_id": "o/d"},
        "model": {"name": "m", "label": "M", "kind": "encoder", "fingerprint": "f", "weights": "pretrained"},
        "method": {"name": method, "label": method.upper(), "plugin": method, "path": "p.py", "sha256": "0"},
    }  # fmt: skip
    return Cell.model_validate(content | changes)


class Host:
    """A shared host: its speed wanders, jumps for minutes, and single windows are disturbed.

    The figures are those of the host of docs/measuring.md: its level varies by 7 % and shifts by up to 16 %.

    Attributes:
        now: seconds since the start, moved by whoever computes.
    """

    def __init__(
        self, seed: int, *, wander: float = 0.07, shift: float = 0.15, noise: float = 0.02, disturbed: float = 0.04
    ) -> None:
        self.now = 0.0
        self._rng = np.random.default_rng(seed)
        self._wander, self._shift, self._noise, self._disturbed = wander, shift, noise, disturbed
        self._slow, self._level, self._looked = self._rng.normal(0, wander), 0.0, 0.0

    def clock(self) -> float:
        """The seconds since the start."""
        return self.now

    def log_load(self) -> float:
        """Log of the factor by which everything is slower now: an Ornstein-Uhlenbeck process of 20 s, and shifts."""
        kept = math.exp(-(self.now - self._looked) / 20)
        self._slow = self._slow * kept + self._rng.normal(0, self._wander * math.sqrt(1 - kept * kept))
        if self._rng.random() < (self.now - self._looked) / 60:
            self._level = self._rng.uniform(-self._shift, self._shift)
        self._looked = self.now
        return float(self._slow + self._level)

    def compute(self, seconds: float, sensitivity: float, noise: float) -> float:
        """Compute for so many seconds of an idle host, with noise besides the host's; returns what it took."""
        disturbed = self._rng.exponential(0.2) if self._rng.random() < self._disturbed * seconds else 0.0
        took = seconds * math.exp(self.log_load() * sensitivity + self._rng.normal(0, self._noise + noise)) + disturbed
        self.now += took
        return float(took)


def quiet_host() -> Host:
    """A host on which almost nothing varies."""
    return Host(0, wander=0.0, shift=0.0, noise=0.001, disturbed=0.0)


class FakeResident:
    """A method whose steps take a constant time plus one for each padded token on an idle host."""

    def __init__(
        self, cell: Cell, host: Host, speed: float = 1.0, *, trains: bool = True, sensitivity: float = 1.0,
        noise: float = 0.0, batches: str = "", fails: Mapping[tuple[str, int], Failed] | None = None,
    ) -> None:  # fmt: skip
        self.cell, self.host = cell, host
        self.ready = Ready(trains=trains, device="cpu", precision="fp32", threads=2)
        self.orders: list[Order] = []
        self.closed = False
        self.batches, self.fails = batches, fails or {}
        self._speed, self._sensitivity, self._noise = speed, sensitivity, noise

    def run(self, order: Order) -> Measured:
        if failed := self.fails.get((order.task, len(self.orders))):
            raise FailedError(failed)
        self.orders.append(order)
        chosen = picks(SIZES, order.window, order.steps)
        idle = sum((0.02 + SIZES[at] * 1e-4) / self._speed for at in chosen)
        seconds = self.host.compute(idle, self._sensitivity, self._noise)
        padded = sum(SIZES[at] for at in chosen)
        return Measured(
            step_seconds=(seconds,), samples=32 * order.steps, tokens=padded, padded_tokens=padded,
            batches=f"{self.batches}{order.window}",
        )  # fmt: skip

    def close(self) -> None:
        self.closed = True
