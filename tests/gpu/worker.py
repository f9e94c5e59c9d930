"""``python -m tests.gpu.worker PLACE DEVICE [CASE...]`` runs cases, each in turn in this process, on cpu or cuda.

On cpu those are run whose card is the usual one, and what they would take of a GPU is predicted besides. On cuda the
GPU is made up, and each cell's folder, PLACE/cuda/CASE/cells/ID, gets ``calls.json`` beside its record: what the GPU
was asked for the cell, in order. PLACE/DEVICE.json holds what the doctor says of the devices there.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from bench.commands import gpu_report
from bench.errors import RequestError
from bench.measure import matmul
from bench.measure.devices import choose, look
from bench.plan.plan import Plan
from bench.record.record import Record
from bench.record.run_folder import RunFolder
from bench.run.run import run
from bench.run.worker import latency
from bench.study.cell import Cell
from bench.study.request import Request
from bench.study.study import Study
from tests.gpu.card import Card, Gpu
from tests.gpu.cells import CASES, Case, write_place
from tests.gpu.made_up import made_up_gpu
from tests.support import InlineExecutor

#: In place of what takes seconds and whose values nobody looks at.
MATMUL_SIZE, SECONDS = 64, 0.02


class Log:
    """A watcher that puts what the GPU was asked for each cell beside its record."""

    def __init__(self, gpu: Gpu | None, folder: RunFolder) -> None:
        self._gpu, self._folder = gpu, folder
        self._from = 0

    def started(self, pending: Sequence[Cell], finished: int) -> None: ...
    def checking(self, what: str) -> None: ...
    def warned(self, message: str) -> None: ...
    def cell_progress(self, cell: Cell, phase: str, done: int, of: int) -> None: ...

    def cell_started(self, cell: Cell) -> None:
        if self._gpu is not None:
            self._gpu.restart()
            self._from = len(self._gpu.log)

    def cell_ended(self, cell: Cell, record: Record) -> None:
        if self._gpu is not None:
            calls = [asdict(call) for call in self._gpu.log[self._from :]]
            (self._folder.cell(record.cell_id).path / "calls.json").write_text(json.dumps(calls), encoding="utf-8")


@contextmanager
def _gpu(case: Case, device: str) -> Iterator[Gpu | None]:
    if device == "cpu":
        yield None
        return
    with made_up_gpu(case.card) as gpu:
        yield gpu


def main(place: Path, device: str, names: Sequence[str]) -> None:
    """Run cases; without names all that the device has."""
    if not (place / "encoder").exists():
        write_place(place)
    matmul.CPU_SIZE = matmul.CUDA_SIZE = MATMUL_SIZE
    matmul.MEASURED_SECONDS = latency.MOST_SECONDS = latency.SINGLE_TEXTS_SECONDS = SECONDS
    with _gpu(Case([]), device):
        (place / f"{device}.json").write_text(json.dumps(_describe_devices()), encoding="utf-8")
    usual = CASES if device == "cuda" else [name for name in CASES if CASES[name].card == Card()]
    for name in names or usual:
        started = time.monotonic()
        case, folder = CASES[name], place / device / name
        with _gpu(case, device) as gpu:
            study = case.study(name, place, device).in_folder(place)
            for again in (False, True)[: 1 + case.tried_again]:
                log = Log(gpu, RunFolder(folder))
                for record in run(Request(study=study), folder, InlineExecutor, log, retry_oom=again):
                    print(name, record.cell_id, record.status, record.failure and record.failure.message[:200])
        if device == "cpu":
            _plan_for_gpu(case.study(name, place, "cuda").in_folder(place))
        print(f"{name}: {time.monotonic() - started:.1f} s", flush=True)


def _describe_devices() -> dict[str, str]:
    """What ``tunebench doctor`` says of this machine's devices, and of a wish that it cannot fulfil."""
    try:
        choose("cuda:3", look())
        refused = ""
    except RequestError as error:
        refused = str(error)
    return gpu_report.lines(gpu_report.find()) | {"refused": refused}


def _plan_for_gpu(study: Study) -> None:
    """Predict what the cells take of a GPU that is not here."""
    plan = Plan(Request(study=study), device="cuda")
    for cell in plan.cells:
        plan.row(cell)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
