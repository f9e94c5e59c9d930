"""GPU queries in a separate process, so that CUDA is not started in this one."""

import os
import subprocess
import sys

from bench.errors import RequestError

#: Time limit for a process that imports torch and starts CUDA on every GPU.
SECONDS = 120.0
WAY_OUT = 'repair the driver, or set device = "cpu"'


def probe(module: str) -> str:
    """Run ``python -m MODULE`` and return the last line that it prints.

    Raises:
        RequestError: the process fails, prints nothing, or exceeds the time limit.
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
            f"the process that queries the GPUs of this machine ended with code {done.returncode}; {WAY_OUT}:\n"
            f"{done.stderr.strip()[-1000:]}"
        )
    return done.stdout.splitlines()[-1]
