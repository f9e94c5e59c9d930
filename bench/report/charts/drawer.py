"""A process that draws charts for another one, so that each has a core.

It needs nothing of the other one's main module, hears no interrupt that is meant for the other one, and ends with it.
A line is asked and a line answered, both JSON, pictures in base64.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from bench.report.charts import picture

SCRIPT = "js"
Drawn = dict[str, bytes]
"""One chart by kind of picture, or the script of a page."""


class Drawer:
    """The other one's side."""

    def __init__(self) -> None:
        """Start the process.

        Raises:
            OSError: it cannot be started.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip

    def draw(self, spec: Mapping[str, Any] | None, kinds: Collection[str]) -> Drawn | None:
        """What ``draw`` gives; None where it failed, or the process has ended."""
        assert self._process.stdin is not None, "it was opened as a pipe"
        assert self._process.stdout is not None, "it was opened as a pipe"
        try:
            self._process.stdin.write(json.dumps([spec, list(kinds)]).encode() + b"\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            return None
        return answer and {kind: base64.b64decode(content) for kind, content in answer.items()}

    def kill(self) -> None:
        """End the process, even amid a chart."""
        self._process.kill()

    def close(self) -> None:
        """End the process, and leave nothing of it; nobody may be waiting for a chart."""
        self._process.kill()
        with suppress(OSError):  # what it was asked and has not read
            self._process.communicate()


def draw(spec: Mapping[str, Any] | None, kinds: Collection[str]) -> Drawn:
    """One chart as pictures of these kinds, svg and png; without a chart, the script that draws charts on a page.

    Raises:
        ValueError: not a valid spec, or one that asks for data from elsewhere.
    """
    if spec is None:
        return {SCRIPT: picture.script().encode()}
    svg = picture.svg(spec)
    made = {"svg": svg.encode, "png": lambda: picture.pixels(svg)}
    return {kind: made[kind]() for kind in kinds}


def _serve() -> None:
    """Draw what is asked for, until nobody asks any more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    for line in sys.stdin.buffer:
        answer = None
        with suppress(Exception):  # the other one meets the same when it draws the chart, and tells of it
            answer = {kind: base64.b64encode(content).decode() for kind, content in draw(*json.loads(line)).items()}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    with suppress(OSError):  # nobody hears the answer any more
        _serve()
