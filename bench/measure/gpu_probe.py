"""Questions to a process of its own, whose answer may start CUDA there and leaves this process as it was."""

import os
import subprocess
import sys

from bench.errors import RequestError

#: For a process that imports torch and starts CUDA on every GPU.
SECONDS = 120.0
WAY_OUT = 'repair the driver, or take device = "cpu"'


def probe(module: str) -> str:
    """The last line that ``python -m MODULE`` prints, which is its answer.

    Raises:
        RequestError: it does not end well, or not at all.
    """
    path = os.pathsep.join(place for place in sys.path if place)
    try:
        done = subprocess.run(
            [sys.executable, "-m", module], env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RequestError(f"the GPUs of this machine did not answer within {SECONDS:g} s; {WAY_OUT}") from None
    if done.returncode or not done.stdout:
        raise RequestError(
            f"the process that asks for the GPUs of this machine ended with code {done.returncode}; {WAY_OUT}:\n"
            f"{done.stderr.strip()[-1000:]}"
        )
    return done.stdout.splitlines()[-1]
