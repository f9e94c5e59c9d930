"""``python -m tests.gpu.figure`` prints how much of what runs on a GPU alone is run by the cells on the made-up GPU.

What runs on a GPU alone: statements of bench/ and methods/ that the source says need one (tests/gpu/cuda_only.py), less
those that the same cells on a CPU and a plan for a GPU run all the same. Exits with 1 below 90 %.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import coverage

from tests.gpu import cuda_only
from tests.gpu.cells import write_place
from tests.support import ROOT, environment

LEAST = 0.90
#: They read records and plans of any machine, and run on any.
READERS = ("bench/report", "bench/commands/audit", "bench/commands/compare", "bench/commands/explain")
Lines = Mapping[Path, set[int]]


@dataclass(frozen=True)
class Figure:
    """What was found.

    Attributes:
        wanted: first lines of the statements that run on a GPU alone, by file.
        missing: those of them that did not run.
    """

    wanted: Lines
    missing: Lines

    @property
    def share(self) -> float:
        count, left = (sum(map(len, lines.values())) for lines in (self.wanted, self.missing))
        return 1 - left / count

    def text(self) -> str:
        rows = []
        for path in sorted(self.wanted):
            count, left = len(self.wanted[path]), sorted(self.missing[path])
            rows.append(f"{count - len(left):4} of {count:4}  {path.relative_to(ROOT)}" + (f"  {left}" if left else ""))
        return "\n".join(
            [*rows, f"{100 * self.share:.1f} % of what runs on a GPU alone (at least {100 * LEAST:.0f} %)"]
        )


def start(place: Path, device: str) -> "subprocess.Popen[str]":
    """Begin to run the cells on ``cpu`` or the made-up ``cuda``, in a process that notes which statements run.

    Args:
        place: as ``write_place`` makes it; the cells' folders and what was noted go there.
        device: to run on.
    """
    return subprocess.Popen(
        [
            sys.executable, "-m", "coverage", "run", f"--source={ROOT / 'bench'},{ROOT / 'methods'}",
            f"--data-file={place / device}.coverage", "-m", "tests.gpu.worker", str(place), device,
        ],
        cwd=ROOT, env=environment(TUNEBENCH_CACHE=str(place / f"cache of {device}")), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def figure(place: Path) -> Figure:
    """The figure, once both processes that ``start`` began for a place have ended."""
    paths = [path for folder in ("bench", "methods") for path in sorted((ROOT / folder).rglob("*.py"))]
    paths = [path for path in paths if not path.relative_to(ROOT).as_posix().startswith(READERS)]
    found = cuda_only.statements({path: path.read_text(encoding="utf-8") for path in paths})
    on_cpu, on_gpu = _ran(place, "cpu"), _ran(place, "cuda")
    wanted = {path: lines - on_cpu.get(path, set()) for path, lines in found.items()}
    wanted = {path: lines for path, lines in wanted.items() if lines}
    return Figure(wanted, {path: lines - on_gpu.get(path, set()) for path, lines in wanted.items()})


def _ran(place: Path, device: str) -> dict[Path, set[int]]:
    data = coverage.CoverageData(f"{place / device}.coverage")
    data.read()
    return {Path(name): set(data.lines(name) or ()) for name in data.measured_files()}


def main() -> int:
    """Run the cells and print; returns an exit code."""
    with tempfile.TemporaryDirectory() as folder:
        place = write_place(Path(folder))
        for process in [start(place, device) for device in ("cpu", "cuda")]:
            said, _ = process.communicate()
            if process.returncode:
                print(said, file=sys.stderr)
                return 2
        found = figure(place)
    print(found.text())
    return 0 if found.share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
