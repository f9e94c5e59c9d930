"""Quantities of size, training, memory and time."""

from collections.abc import Callable
from typing import Any, get_args

from bench.record.record import PhaseName, Record
from bench.report.analysis.quantities import readers
from bench.report.analysis.quantities.quantity import Axis, Brief, Dtype, Limit, Quantity


def _of_frame(name: str, dtype: Dtype, where: str | Callable[[Record], Any], meaning: str) -> Quantity:
    """A quantity that only the data frame has; ``where`` is the path of a field of the record, or a reader."""
    read = readers.at(where) if isinstance(where, str) else where
    return Quantity(name, "", read, (name,), 0, frame=name, dtype=dtype, meaning=meaning)


def _no_training_flops(record: Record) -> str | None:
    if record.training is None:
        return None
    return "the method has no model" if record.cell.model.kind == "none" else "older records do not have it"


SIZES = (
    Quantity(
        "trainable_params", "Trainable\nparams (M)", readers.at("parameters.trainable_params"),
        ("parameters.trainable_params", "parameters"), 2, scale=1e6, frame="trainable_params", dtype="Int64",
        meaning="stored elements that are trained", better="lower", kind="exact",
        axis=Axis("Trainable parameters (M)", per=1e6), brief=Brief("Train-\nable M", 2),
        places={"table3": 20, "ratios": 4, "charts": 2, "summary": 2, "compare": 53},
    ),
    Quantity(
        "total_params", "Total\nparams (M)", readers.at("parameters.total_params"),
        ("parameters.total_params", "parameters"), 2, scale=1e6, frame="total_params", dtype="Int64",
        meaning="stored elements; a 4-bit weight counts as stored", better="lower", kind="exact",
        axis=Axis("Total parameters (M)", per=1e6), brief=Brief("Total\nM", 2),
        places={"table3": 21, "charts": 3, "summary": 3, "compare": 54},
    ),
    _of_frame("logical_params", "Int64", "parameters.logical_params", "weights that the stored elements stand for"),
    Quantity(
        "artifact_bytes", "Artifact\n(MB)", readers.at("artifact_bytes"), ("artifact_bytes",), 1, scale=1e6,
        frame="artifact_bytes", dtype="Int64", meaning="what must be kept to use the adapted model", better="lower",
        kind="size", places={"compare": 52},
    ),
    Quantity(
        "forward_gflops", "GFLOPs\n(forward)", readers.at("flops.forward_flops"), ("flops.forward_flops", "flops"), 2,
        convert=readers.divided_by(1e9), frame="forward_flops", dtype="Int64",
        meaning="one sequence of flops_sequence_length tokens; 2 a multiply-add", better="lower", kind="exact",
        axis=Axis("Forward pass (GFLOPs)"), brief=Brief("GFLOPs\nforward", 2),
        places={"table3": 32, "ratios": 3, "charts": 8, "summary": 6, "compare": 55},
    ),
    _of_frame("flops_sequence_length", "Int64", "flops.sequence_length", "tokens"),
)  # fmt: skip
"""Parameters, artifact and FLOPs."""

TRAINING = (
    _of_frame("train_steps", "Int64", "training.steps", "optimizer steps"),
    _of_frame(
        "planned_steps", "Int64", "training.planned_steps", "above train_steps where early stopping ended the training",
    ),
    _of_frame(
        "kept_step", "Int64", "training.kept_step",
        "whose weights are evaluated: the last, or the best by validation F1",
    ),
    _of_frame(
        "best_step", "Int64", "training.best_step", "validation point with the highest macro F1; NA without points",
    ),
    _of_frame("best_seconds", "Float64", "training.best_seconds", "of the steps until best_step"),
    _of_frame("train_samples", "Int64", "training.samples", "sequences trained on, each as often as it was"),
    _of_frame(
        "train_seconds", "Float64", "training.train_seconds", "of all steps, warm-up included; NA in older records",
    ),
    _of_frame("final_loss_nats", "Float64", "training.final_loss", "mean task loss over the last tenth of the steps"),
    _of_frame(
        "train_energy_joules", "Float64", readers.train_joules, "of the GPU, or the CPU's package, warm-up included",
    ),
    Quantity(
        "train_minutes", "Training\n(min)", readers.train_seconds, ("training.train_seconds", "training"), 2, True,
        convert=readers.divided_by(60), better="lower", axis=Axis("Training time (s)", key="train_seconds", times=60),
        limit=Limit("Time of training", "min"), places={"page": 90, "limits": 2, "charts": 4},
    ),
    Quantity(
        "train_kj", "Training\nenergy (kJ)", readers.total_train_joules, ("energy", "training"), 2, True,
        convert=readers.divided_by(1e3), better="lower",
        axis=Axis("Energy of training (kJ)", key="energy_train_joules", times=1e3, per=1e3),
        limit=Limit("Energy of training", "kJ"), places={"page": 91, "limits": 3, "charts": 5},
    ),
    Quantity(
        "training_tflops", "Training\n(TFLOPs)", readers.at("training.training_flops"),
        ("training.training_flops", "training"), 2, explain=_no_training_flops, convert=readers.divided_by(1e12),
        frame="training_flops", meaning="of all training steps on tokens without padding; 2 a multiply-add",
        better="lower", axis=Axis("FLOPs of training (TFLOPs)"),
        places={"table3 csv": 1, "training work": 1, "page": 93, "charts": 11},
        wanted=lambda record: record.training is not None and record.training.training_flops is not None,
    ),
)  # fmt: skip
"""Steps, time, energy and FLOPs of training."""

PEAKS = (
    Quantity(
        "peak_train_mb", "Peak memory\ntrain (MB)", readers.at("peak_train_bytes"), ("peak_train_bytes",), 1,
        convert=readers.divided_by(1e6), frame="peak_train_bytes", dtype="Int64",
        meaning="peak memory of warm-up and training", better="lower", kind="memory",
        axis=Axis("Peak memory in training (MB)"), brief=Brief("Peak MB\ntrain", 0),
        limit=Limit("Peak memory of training", "GB", 1e3, without_training="peak_inference_mb"),
        places={"table3": 40, "repeatability": 4, "limits": 1, "charts": 6, "summary": 7, "compare": 50},
    ),
    Quantity(
        "peak_inference_mb", "Peak memory\ninference (MB)", readers.at("peak_inference_bytes"),
        ("peak_inference_bytes",), 1, convert=readers.divided_by(1e6), frame="peak_inference_bytes", dtype="Int64",
        meaning="peak memory of inference", better="lower", kind="memory", axis=Axis("Peak memory in inference (MB)"),
        places={"table3": 41, "repeatability": 5, "charts": 7, "compare": 51},
    ),
)  # fmt: skip
"""Peak memory; ``efficiency`` has its parts."""

TIMES = (
    _of_frame("wall_seconds", "Float64", "wall_seconds", "of the whole cell"),
    _of_frame("worker_start_seconds", "Float64", "worker_start_seconds", "until the cell's process began"),
    *(
        _of_frame(
            f"{name.replace('-', '_')}_phase_seconds", "Float64", readers.phase_seconds(name), f"of the phase {name}"
        )
        for name in get_args(PhaseName)
    ),
)
"""Wall-clock time of the cell and its phases."""
