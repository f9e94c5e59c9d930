"""The columns of a frame of records: what each is called, holds and means."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, get_args

from bench.record.record import Latency, PhaseName, Record
from bench.report.tables.conditions import inference_batch

Dtype = Literal["string", "Int64", "Float64", "boolean"]
Role = Literal["name", "outcome", "setting", "result", "origin"]
Reader = Callable[[Record], Any]
_Group = tuple[tuple[str, Dtype, str | Reader, str], ...]


class Column(NamedTuple):
    """One column.

    Attributes:
        role: what names a cell, how it ended, what it was set to, what was measured, or what it was measured with.
        dtype: of pandas, nullable.
        meaning: for readers.
        of: its value of a record, None where unknown; a column that takes more than one record has no reader.
    """

    role: Role
    dtype: Dtype
    meaning: str
    of: Reader | None = None


def _at(path: str) -> Reader:
    """A reader of a field of the record, of a field within a field, and so on; None where one on the way is null."""
    names = path.split(".")

    def read(record: Record) -> Any:
        value: Any = record
        for name in names:
            value = None if value is None else getattr(value, name)
        return value

    return read


def _quality(name: str) -> Reader:
    """Of quality; None for random weights, whose quality is not worth reading."""
    read = _at(f"quality.{name}")
    return lambda record: None if record.cell.model.weights == "random" else read(record)


def _written(path: str) -> Reader:
    read = _at(f"generation.{path}")
    return lambda record: None if record.cell.model.weights == "random" else read(record)


def _latency(percentile: int, size_of: Callable[[Record], int]) -> Reader:
    def read(record: Record) -> float | None:
        timed: Latency | None = next((one for one in record.latency if one.batch_size == size_of(record)), None)
        return None if timed is None else getattr(timed, f"p{percentile}_seconds")

    return read


def _phase(name: str) -> Reader:
    def read(record: Record) -> float | None:
        ran = [phase.seconds for phase in record.phases if phase.name == name]
        return sum(ran) if ran else None

    return read


def _training_energy(record: Record) -> float | None:
    ran = [phase.energy_joules for phase in record.phases if phase.name in ("warm-up", "train")]
    known = [joules for joules in ran if joules is not None]
    return sum(known) if ran and len(known) == len(ran) else None


def _suspect(record: Record) -> str | None:
    suspect = "; ".join(check.name for check in record.checks if check.verdict == "suspect")
    return None if record.stamp == "unstamped" else suspect


def _synthetic(record: Record) -> bool:
    return record.cell.dataset.synthetic or (record.data is not None and record.data.synthetic)


def _evaluated(record: Record) -> int | None:
    return record.data.rows.get(record.cell.data.evaluate_split) if record.data else None


#: Name, type, where it is found and what it means.
_NAMES: _Group = (
    ("cell_id", "string", "cell_id", "dataset, model, method, seed and a hash of all settings"),
    ("row_id", "string", "cell.row_id", "shared by cells that differ in nothing but seed and repeat"),
    ("dataset", "string", "cell.dataset.name", "name in the study"),
    ("model", "string", "cell.model.name", "name in the study"),
    ("method", "string", "cell.method.name", "name in the study"),
    ("dataset_label", "string", "cell.dataset.label", "name in tables"),
    ("model_label", "string", "cell.model.label", "name in tables"),
    ("method_label", "string", "cell.method.label", "name in tables"),
    ("seed", "Int64", "cell.seed", "of every generator of random numbers"),
    ("repeat", "Int64", "cell.repeat", "which of several measurements of one cell, from 0"),
)
_OUTCOMES: _Group = (
    ("status", "string", "status", "ok, or how the cell failed: oom, timeout, error, killed, unsupported"),
    ("stamp", "string", "stamp", "valid, suspect, or unstamped where nothing was checked"),
    ("suspect_checks", "string", _suspect, "names of the checks that failed; empty where none did"),
    ("failure_phase", "string", "failure.phase", "that was running when the cell failed"),
    ("failure_type", "string", "failure.type", "exception, signal or limit"),
    ("failure_message", "string", "failure.message", "what it said"),
    ("fitting_batch_size", "Int64", "failure.fitting_batch_size", "of oom: the largest batch that the plan says fits"),
    ("warnings", "string", lambda r: "; ".join(r.warnings), "what a reader must know of the cell"),
)
_SETTINGS: _Group = (
    ("plugin", "string", "cell.method.plugin", "the method's file or package; several methods may share one"),
    ("model_kind", "string", "cell.model.kind", "encoder or causal"),
    ("weights", "string", "cell.model.weights", "pretrained or random; random ones have no quality"),
    ("bits", "Int64", "cell.model.bits", "of a causal model's linear layers; NA: as its weights come"),
    ("scale", "string", "cell.model.scale", "tiny: layers and widths cut; NA: true size"),
    ("synthetic", "boolean", _synthetic, "the texts were generated by this project"),
    ("precision", "string", "precision", "of matmuls: bf16 or fp32"),
    ("max_length", "Int64", "cell.data.max_length", "longest sequence in tokens"),
    ("evaluated_split", "string", "cell.data.evaluate_split", "that quality and inference are measured on"),
    ("epochs", "Int64", "cell.train.epochs", "passes over the train split"),
    ("max_steps", "Int64", "cell.train.max_steps", "where training stops; NA: at the end of the epochs"),
    ("batch_size", "Int64", "cell.train.batch_size", "sequences a training step"),
    ("study_batch_size", "Int64", "study_batch_size", "that the study asked for, which ran out of memory; else NA"),
    ("inference_batch_size", "Int64", inference_batch, "sequences a forward pass of inference"),
    ("schedule", "string", "cell.train.schedule", "of the learning rate"),
    ("warmup_fraction", "Float64", "cell.train.warmup_fraction", "share of steps over which the learning rate rises"),
    ("max_grad_norm", "Float64", "cell.train.max_grad_norm", "that gradients are clipped to; NA: not clipped"),
    ("optimizer", "string", "cell.train.optimizer", "of the training"),
    ("gradient_checkpointing", "boolean", "cell.train.gradient_checkpointing", "activations are computed again"),
)
_RESULTS: _Group = (
    ("macro_f1", "Float64", _quality("macro_f1"), "over the fixed label set; causal: by label likelihood"),
    ("weighted_f1", "Float64", _quality("weighted_f1"), "F1 weighted by label counts"),
    ("accuracy", "Float64", _quality("accuracy"), "share of texts answered right"),
    ("macro_precision", "Float64", _quality("macro_precision"), "mean over labels"),
    ("macro_recall", "Float64", _quality("macro_recall"), "mean over labels"),
    ("majority_macro_f1", "Float64", _quality("majority_macro_f1"), "floor: always the most frequent label"),
    ("validation_macro_f1", "Float64", "validation_macro_f1", "after training, on the validation split"),
    ("generated_macro_f1", "Float64", _written("quality.macro_f1"), "causal: by what the model writes"),
    ("parse_failure_fraction", "Float64", _written("parse_failure_fraction"), "answers with no label or several"),
    ("trainable_params", "Int64", "parameters.trainable_params", "stored elements that are trained"),
    ("total_params", "Int64", "parameters.total_params", "stored elements; a 4-bit weight counts as stored"),
    ("logical_params", "Int64", "parameters.logical_params", "weights that the stored elements stand for"),
    ("artifact_bytes", "Int64", "artifact_bytes", "what must be kept to use the adapted model"),
    ("forward_flops", "Int64", "flops.forward_flops", "one sequence of flops_sequence_length tokens; 2 a multiply-add"),
    ("flops_sequence_length", "Int64", "flops.sequence_length", "tokens"),
    ("train_steps", "Int64", "training.steps", "optimizer steps"),
    ("planned_steps", "Int64", "training.planned_steps", "above train_steps where early stopping ended the training"),
    ("kept_step", "Int64", "training.kept_step", "whose weights are evaluated: the last, or the best by validation F1"),
    ("best_step", "Int64", "training.best_step", "validation point with the highest macro F1; NA without points"),
    ("best_seconds", "Float64", "training.best_seconds", "of the steps until best_step"),
    ("train_samples", "Int64", "training.samples", "sequences trained on, each as often as it was"),
    ("train_seconds", "Float64", "training.train_seconds", "of all steps, warm-up included; NA in older records"),
    ("final_loss_nats", "Float64", "training.final_loss", "mean task loss over the last tenth of the steps"),
    ("train_energy_joules", "Float64", _training_energy, "of the GPU, or the CPU's package, warm-up included"),
    ("train_energy_joules_per_sample", "Float64", "training.speed.energy_joules_per_sample", "without warm-up"),
    ("inference_energy_joules_per_sample", "Float64", "inference.energy_joules_per_sample", "of the timed pass"),
    ("train_mfu_fraction", "Float64", "training.speed.mfu_fraction", "share of matmul_flops_per_second"),
    ("inference_mfu_fraction", "Float64", "inference.mfu_fraction", "share of matmul_flops_per_second"),
    ("matmul_flops_per_second", "Float64", "matmul_flops_per_second", "of a large matmul, same device and precision"),
    *(
        (f"latency_batch_{batch}_p{percentile}_seconds", "Float64", _latency(percentile, size_of),
         f"of {what}, batch handed over to scores at hand")
        for batch, size_of, what in (
            ("1", lambda _: 1, "one text"), ("study", inference_batch, "inference_batch_size texts"))
        for percentile in (50, 90, 99)
    ),
    ("peak_train_bytes", "Int64", "peak_train_bytes", "peak memory of warm-up and training"),
    ("peak_inference_bytes", "Int64", "peak_inference_bytes", "peak memory of inference"),
    ("peak_kind", "string", "peak_kind", "cuda_allocated, or host_vmhwm with Python and libraries"),
    ("wall_seconds", "Float64", "wall_seconds", "of the whole cell"),
    ("worker_start_seconds", "Float64", "worker_start_seconds", "until the cell's process began"),
    *(
        (f"{name.replace('-', '_')}_phase_seconds", "Float64", _phase(name), f"of the phase {name}")
        for name in get_args(PhaseName)
    ),
)  # fmt: skip
_ORIGINS: _Group = (
    ("train_texts", "Int64", lambda r: r.data.rows.get("train") if r.data else None, "texts of the train split"),
    ("evaluated_texts", "Int64", _evaluated, "texts of evaluated_split"),
    ("tokens_per_text", "Float64", "data.tokens_per_sample", "mean over the evaluated split, prompts included"),
    ("truncated_fraction", "Float64", "data.truncated_fraction", "evaluated texts that max_length cut"),
    ("data_sha256", "string", "data.sha256", "over all texts and labels that were used"),
    ("device", "string", "machine.device", "cpu or cuda"),
    ("gpu", "string", "machine.gpu", "name"),
    ("driver", "string", "machine.driver", "version, of the GPU"),
    ("cpu", "string", "machine.cpu", "name"),
    ("cores", "Int64", "machine.cores", "that the process may use"),
    ("threads", "Int64", "machine.threads", "that torch computes with"),
    ("machine_memory_bytes", "Int64", "machine.memory_bytes", "of the host"),
    ("system", "string", "machine.system", "operating system and kernel"),
    ("python", "string", "machine.python", "version"),
    ("commit", "string", "machine.commit", "of this project's checkout; NA outside of one"),
    ("dirty", "boolean", "machine.dirty", "the checkout had uncommitted changes"),
    ("started_at", "string", "started_at", "UTC, ISO 8601"),
)


#: Of training and of inference; they take all records of a row.
_RATES: tuple[tuple[str, Dtype, str], ...] = (
    ("samples_per_second", "Float64", "median of windows, or total: see {phase}_speed_is_windowed"),
    ("tokens_per_second", "Float64", "the same, padding not counted"),
    ("speed_is_windowed", "boolean", "median of windows of steps, known for all seeds of the row; else the total"),
)


def _columns() -> dict[str, Column]:
    groups: tuple[tuple[Role, _Group], ...] = (
        ("name", _NAMES), ("outcome", _OUTCOMES), ("setting", _SETTINGS), ("result", _RESULTS), ("origin", _ORIGINS),
    )  # fmt: skip
    found = {
        "run": Column("name", "string", "name of the study"),
        "machine": Column("name", "string", "of most cells of the run, told apart where several runs are read"),
    }
    for role, group in groups:
        for name, dtype, where, meaning in group:
            found[name] = Column(role, dtype, meaning, _at(where) if isinstance(where, str) else where)
        for phase in ("train", "inference") if role == "result" else ():
            for name, dtype, meaning in _RATES:
                found[f"{phase}_{name}"] = Column(role, dtype, meaning.format(phase=phase))
    return found


COLUMNS: Mapping[str, Column] = _columns()
"""Every column by its name, in the order of the frame."""


def described() -> str:
    """The columns and their meanings, a line each."""
    return "\n".join(f"{name}: {column.meaning}" for name, column in COLUMNS.items())
