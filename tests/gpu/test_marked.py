"""Every test that is marked gpu passes on the made-up GPU, unless it is of what that one does not have."""

import subprocess
import sys

import pytest

from tests.support import ROOT, environment

MARKED = [
    path for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in path.read_text(encoding="utf-8")
]
HERE = "tests/gpu/"


@pytest.mark.slow
def test_what_skips_without_a_gpu_passes_with_one() -> None:
    files = [path.relative_to(ROOT).as_posix() for path in MARKED]
    assert len(files) >= 7
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.gpu.plugin", "-p", "no:cacheprovider", "-q", "-m", "gpu", *files],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
