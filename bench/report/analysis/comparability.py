"""Comparability of speeds: everything that a speed depends on except the method."""

from collections.abc import Hashable

from bench.record.record import Record


def conditions(record: Record) -> tuple[Hashable, ...]:
    """Machine and precision of a record; an unknown machine equals no other."""
    machine = record.machine
    if machine is None:
        return (record.cell_id,)
    of_device = (machine.gpu,) if machine.device == "cuda" else (machine.cpu, machine.cores, machine.threads)
    return (machine.device, *of_device, record.precision)


def work(record: Record) -> tuple[Hashable, ...]:
    """Texts, maximum length and batch sizes of a record."""
    cell, data, speed = record.cell, record.data, record.training.speed if record.training else None
    resampled = cell.data.resample_splits  # seeds read other texts of one source
    return (
        data and (cell.dataset.fingerprint if resampled else data.sha256, data.rows.get(cell.data.evaluate_split)),
        cell.data.max_length,
        cell.train.batch_size if speed is None else speed.batch_size,
        record.inference.batch_size if record.inference else cell.train.inference_batch_size,
    )
