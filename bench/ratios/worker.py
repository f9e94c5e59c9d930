"""Entry point of a resident process: prepares a cell as a run does, then measures windows until its parent leaves."""

import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from bench.ratios.session import Session
from bench.ratios.window import ADDRESS, Answer, Failed, Order, Ready
from bench.record.run_folder import CellFolder, read_cell
from bench.run.worker.entry import prepare_process, status_of
from bench.run.worker.prepare import prepare
from bench.run.worker.work import Work
from bench.text.message import kind_of, print_error, said
from bench.train.seeding import seed_generators


def serve(folder: Path, requested_at: float) -> None:
    """Answer the orders for the cell in ``folder``, one line of JSON each, until the parent closes the socket.

    Args:
        folder: folder with cell.json and the address of the socket.
        requested_at: see ``Executor``.
    """
    del requested_at
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect((folder / ADDRESS).read_text(encoding="utf-8"))
        with channel.makefile("r", encoding="utf-8") as orders:
            for answer in _answers(folder, orders):
                channel.sendall(f"{answer.model_dump_json()}\n".encode())


def _answers(folder: Path, orders: Iterable[str]) -> Iterator[Answer]:
    """The answer to the preparation and to each order; the last one may be a failure."""
    cell = read_cell(CellFolder(folder).cell)
    prepare_process(cell.train.kernels)
    work = Work(cell, CellFolder(folder))
    phase: str | None = None
    try:
        work.facts["precision"] = work.precision
        seed_generators(work.cell.seed)
        session = Session(work, prepare(work))
        yield Answer(
            ready=Ready(
                trains=session.trains, device=work.device.type, precision=work.precision,
                threads=torch.get_num_threads(),
            )
        )  # fmt: skip
        for line in orders:
            order = Order.model_validate_json(line)
            phase = order.task
            yield Answer(measured=session.run(order))
    except Exception as error:  # any exception becomes this method's row
        print_error(error)
        status, _ = status_of(error)
        message = f"{kind_of(error)}: {said(error)}"
        yield Answer(failed=Failed(status=status, phase=phase or work.phases.current, message=message))
    finally:
        work.files.close()
