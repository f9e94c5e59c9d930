"""What a speed depends on beside the method: records that share it were measured alike."""

from collections.abc import Hashable

from bench.record.record import Record


def conditions(record: Record) -> tuple[Hashable, ...]:
    """What settles a speed beside the cell: the machine and the precision. An unknown machine is like no other's."""
    machine = record.machine
    if machine is None:
        return (record.cell_id,)
    of_device = (machine.gpu,) if machine.device == "cuda" else (machine.cpu, machine.cores, machine.threads)
    return (machine.device, *of_device, record.precision)


def work(record: Record) -> tuple[Hashable, ...]:
    """What a cell's settings say of its speed: the texts, their length and the batches."""
    cell, data, speed = record.cell, record.data, record.training.speed if record.training else None
    return (
        data and (data.sha256, data.rows.get(cell.data.evaluate_split)),
        cell.data.max_length,
        cell.train.batch_size if speed is None else speed.batch_size,
        record.inference.batch_size if record.inference else cell.train.inference_batch_size,
    )
