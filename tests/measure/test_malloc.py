"""The allocator keeps freed memory."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from bench.measure.malloc import keep_freed_memory
assert keep_freed_memory() if sys.argv[1] == "keep" else True
def touch():
    torch.ones(16 * 2**20)  # 64 MiB, above the largest block that glibc would keep of itself
for _ in range(20):
    touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
@pytest.mark.slow
def test_large_tensors_fault_once_and_not_each_time() -> None:
    faults = {
        mode: int(
            subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True).stdout
        )
        for mode in ("keep", "plain")
    }
    assert faults["keep"] < faults["plain"] / 10
