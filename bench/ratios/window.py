"""A window of steps, and the messages between the parent and a resident process."""

from typing import Literal

from pydantic import Field

from bench.record.record import Status
from bench.schema import Frozen

Task = Literal["training", "inference"]
TASKS: tuple[Task, ...] = ("training", "inference")
#: File in a resident process's folder that holds the address of the parent's socket, whose own path must be short.
ADDRESS = "address.txt"


class Order(Frozen):
    """A request to a resident process: run one window."""

    task: Task
    window: int = Field(ge=0, description="number of the window, which determines its batches")
    steps: int = Field(ge=1)


class Measured(Frozen):
    """The answer to an order: the steps of the window."""

    step_seconds: tuple[float, ...] = Field(min_length=1)
    samples: int
    tokens: int = Field(description="non-padding tokens")
    padded_tokens: int
    batches: str = Field(description="hash of the texts and the padded length of each batch")

    @property
    def seconds(self) -> float:
        """Seconds of all steps."""
        return sum(self.step_seconds)


class Ready(Frozen):
    """A resident process has prepared its method."""

    trains: bool
    device: Literal["cpu", "cuda"]
    precision: Literal["bf16", "fp16", "fp32"]
    threads: int = Field(description="threads of a CPU operator")


class Failed(Frozen):
    """A resident process has failed, or has ended without an answer."""

    status: Status
    phase: str
    message: str

    def __str__(self) -> str:
        """The failure in one line."""
        first = self.message.strip().splitlines()[0] if self.message.strip() else "no message"
        return f"{self.status} in {self.phase}: {first}"


class Answer(Frozen):
    """One line of a resident process: exactly one field is set."""

    ready: Ready | None = None
    measured: Measured | None = None
    failed: Failed | None = None


class Window(Measured):
    """A window of one method, as measured."""

    member: str = Field(description="cell id of the method")
    task: Task
    set: str = Field(description="methods that took turns, by the cell id of the first one after the reference")
    block: int = Field(ge=0, description="number of the block, in which each method of the set has two windows")
    window: int = Field(ge=0, description="number of the window; equal numbers have equal batches")
