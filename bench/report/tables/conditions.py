"""The conditions of measurement of records, in sentences."""

from collections.abc import Iterable, Sequence

from bench.record.record import Machine, Record
from bench.report.analysis.quantities.readers import inference_batch, train_speed
from bench.text.display import one_line

PACKAGES = ("torch", "transformers", "peft", "tunebench")
BITS = {4: "4-bit (NF4) weights", 8: "8-bit (LLM.int8) weights", 16: "unquantised weights"}
KERNELS = {"stock": "stock", "fast": "fast (tunebench's own dropout, linear layers and allocator settings)"}
PEAKS = {
    "host_vmhwm": "VmHWM, the peak resident memory of the worker process with interpreter and libraries",
    "cuda_allocated": "the peak that torch allocated on the GPU, without CUDA context and libraries",
}


def conditions(records: Sequence[Record]) -> str:
    """The conditions of measurement; if rows differ, the set of values."""
    lengths = sorted({record.flops.sequence_length for record in records if record.flops})
    tokens = f"{', '.join(map(str, lengths)) or 'unrecorded number of'} tokens"
    kinds = dict.fromkeys(PEAKS[record.peak_kind] for record in records if record.peak_kind)
    return (
        f"{settings(records)} {_throughput(records)}"
        f"Peak memory is {'; or '.join(kinds) or 'unknown'}; 1 MB is 1e6 bytes. "
        f"GFLOPs is one sequence of {tokens}, 2 per multiply-add."
    )


def settings(records: Sequence[Record]) -> str:
    """The conditions without the definitions of resources."""
    machines = [record.machine for record in records if record.machine]
    adapted = _with_model(records)
    trained = [record for record in adapted if record.training or record.status != "ok"]
    causal = [BITS[record.cell.model.bits or 16] for record in records if record.cell.model.kind == "causal"]
    on_cpu = [record for record in adapted if record.machine and record.machine.device == "cpu"]
    kernels = [KERNELS[record.cell.train.kernels] for record in on_cpu]
    seeds = sorted({record.cell.seed for record in records})
    facts = [
        _said("device", map(_device, machines)), _said("cores", (machine.cores for machine in machines)),
        _said("threads", (machine.threads for machine in machines)),
        _said("precision", (record.precision for record in records if record.precision)),
        *([_said("causal models with", causal)] if causal else ()),
        *([_said("kernels", kernels)] if kernels else ()),
        _said("training batch size", map(_train_batch, trained)) if trained else "nothing trained",
        _said("inference batch size", map(inference_batch, records)),
        _said("max length in tokens", (record.cell.data.max_length for record in adapted)),
        f"seeds {', '.join(map(str, seeds))}",
        _said("evaluated split", (record.cell.data.evaluate_split for record in records)), *_versions(records),
    ]  # fmt: skip
    return f"Measured with {'; '.join(facts)}. Means over the {_cells(records)}, ± their sample standard deviation."


def reading(records: Sequence[Record]) -> str:
    """The settings under which texts were read."""
    facts = [
        _said("max length in tokens", (record.cell.data.max_length for record in _with_model(records))),
        _said("evaluated split", (record.cell.data.evaluate_split for record in records)),
        _said("split seed", (record.cell.data.split_seed for record in records)),
        *(["train and validation drawn anew by each seed"] if any(map(_resampled, records)) else []),
        *_versions(records),
    ]
    return f"Read with {'; '.join(facts)}."


def _with_model(records: Sequence[Record]) -> Sequence[Record]:
    """The records whose methods have a model, to which alone some settings apply; all if there is none."""
    return [record for record in records if record.cell.model.kind != "none"] or records


def _resampled(record: Record) -> bool:
    return record.cell.data.resample_splits


def _versions(records: Sequence[Record]) -> list[str]:
    machines = [record.machine for record in records if record.machine]
    days = sorted({record.started_at[:10] for record in records})
    return [
        *(_said(name, (m.packages.get(name, "of unrecorded version") for m in machines)) for name in PACKAGES),
        _said("commit", map(_commit, machines)),
        days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}",
    ]


def _cells(records: Sequence[Record]) -> str:
    if any(record.cell.repeat for record in records):
        return "successful measurements, repeats included (predicted numbers: over the n seeds)"
    return "n successful seeds"


def _throughput(records: Sequence[Record]) -> str:
    """The definition of throughput; empty if none is known."""
    known = any(record.inference or train_speed(record) for record in records if record.status == "ok")
    return "Throughput is the total over the timed steps. " if known else ""


def _said(name: str, values: Iterable[int | str]) -> str:
    """A condition with its values, numbers sorted."""
    distinct = sorted(dict.fromkeys(values), key=lambda value: value if isinstance(value, int) else 0)
    differs = " (differs between rows)" if len(distinct) > 1 else ""
    return f"{name} {', '.join(one_line(str(value), 100) for value in distinct) or 'not recorded'}{differs}"


def _device(machine: Machine) -> str:
    if machine.device == "cpu":
        return f"CPU {machine.cpu}"
    return f"GPU {machine.gpu or 'of unrecorded name'}" + (f", driver {machine.driver}" if machine.driver else "")


def _train_batch(record: Record) -> int:
    speed = train_speed(record)
    return speed.batch_size if speed else record.cell.train.batch_size


def _commit(machine: Machine) -> str:
    if machine.commit is None:
        return "none (not run from a checkout)"
    return machine.commit[:12] + (" with uncommitted changes" if machine.dirty else "")
