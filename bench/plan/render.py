"""A plan as a table, and its rows as plain values."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.plan.fits import Fit
from bench.plan.row import PlanRow
from bench.record.memory_breakdown import KINDS
from bench.text.json_text import dumps
from bench.text.tables.table import DASH, Column, Footnote, Table, Values

GIGA, MEGA = 1e9, 1e6
HEADS = {"dataset_label": "Dataset", "model_label": "Model", "method_label": "Method"}
#: Columns with a stable order for programs; others follow.
FIRST_COLUMNS = (
    "dataset", "model", "method", "trainable_params", "total_params", "logical_params",
    "forward_gflops", "train_gflops", "predicted_train_peak_bytes", "predicted_inference_peak_bytes",
)  # fmt: skip


def record(row: PlanRow, fit: Fit | None = None) -> dict[str, Any]:
    """One row as plain values by column; None if unknown.

    Args:
        row: row of the plan.
        fit: whether it fits a GPU; None if that was not requested.
    """
    facts = row.model_dump(exclude={"parts", "train_memory", "inference_memory", "remarks", "unknown"})
    for name in ("forward", "train", "expert"):
        facts[f"{name}_gflops"] = _giga(facts.pop(f"{name}_flops"))
    for way in ("traced", "closed_form"):
        facts[f"forward_gflops_{way}"] = _giga(facts.pop(f"forward_flops_{way}"))
    for phase, memory in (("train", row.train_memory), ("inference", row.inference_memory)):
        facts[f"predicted_{phase}_peak_bytes"] = None if memory is None else memory.peak_bytes
        for kind in KINDS:
            name = "rest" if kind == "workspace" else kind
            facts[f"predicted_{phase}_{name}_bytes"] = None if memory is None else memory.held_bytes[kind]
    if fit is not None:
        facts |= {"fits": fit.fits, "largest_batch_size": fit.largest_batch_size, "limit_bytes": fit.limit_bytes}
    facts["remarks"] = "; ".join((*row.remarks, *(f"{name}: {why}" for name, why in row.unknown.items())))
    return {name: facts[name] for name in (*FIRST_COLUMNS, *(name for name in facts if name not in FIRST_COLUMNS))}


def _giga(flops: int | None) -> float | None:
    return None if flops is None else flops / GIGA


def to_json(study: str, table: Table) -> str:
    """The plan as JSON: the study and a list of rows with the columns of the csv file."""
    return dumps({"schema_version": 1, "study": study, "rows": table.rows})


def plan_table(title: str, rows: Sequence[PlanRow], fits: Mapping[int, Fit], sentences: Sequence[str] = ()) -> Table:
    """The plan as a table, with its assumptions and remarks on rows as footnotes.

    Args:
        title: heading of the table.
        rows: rows of the plan.
        fits: whether a row fits a GPU, by its index; empty if that was not requested.
        sentences: further footnotes.
    """
    fits_column = (Column("fits", "Fits", _fits),) if fits else ()
    return Table(
        name="plan", title=title, heads=HEADS, columns=(*COLUMNS, *fits_column),
        rows=[record(row, fits.get(at)) for at, row in enumerate(rows)],
        footnotes=tuple(Footnote("", text) for text in (*_assumptions(rows), *_remarks(rows), *sentences)),
    )  # fmt: skip


def scaled(name: str, unit: float = 1, digits: int = 2) -> Callable[[Values], str]:
    """A function that formats a number in a unit, with a dash if it is unknown.

    Args:
        name: name of the field.
        unit: size of the displayed unit.
        digits: number of decimals.
    """

    def write(row: Values) -> str:
        return DASH if row[name] is None else f"{row[name] / unit:.{digits}f}"

    return write


def _trainable(row: Values) -> str:
    return scaled("trainable_params", MEGA)(row) if row["unsupported"] is None else "unsupported"


def _fits(row: Values) -> str:
    if row.get("fits") is None:
        return DASH
    return "yes" if row["fits"] else f"batch {row['largest_batch_size']}" if row["largest_batch_size"] else "no"


COLUMNS = (
    Column("trainable_params", "Trainable\nM", _trainable),
    Column("total_params", "Total\nM", scaled("total_params", MEGA)),
    Column("logical_params", "Logical\nM", scaled("logical_params", MEGA), optional=True),
    Column("forward_gflops", "Forward\nGFLOPs", scaled("forward_gflops")),
    Column("train_gflops", "Train\nGFLOPs", scaled("train_gflops")),
    Column("train_peak", "Train\npeak MB", scaled("predicted_train_peak_bytes", MEGA, 1)),
    Column("inference_peak", "Inference\npeak MB", scaled("predicted_inference_peak_bytes", MEGA, 1)),
    Column("artifact_bytes", "Artifact\nMB", scaled("artifact_bytes", MEGA, 1), optional=True),
    Column("download_bytes", "Download\nMB", scaled("download_bytes", MEGA, 1), optional=True),
)  # fmt: skip


def _assumptions(rows: Sequence[PlanRow]) -> list[str]:
    """The assumptions behind the numbers, one sentence each."""
    settings = ("sequence_length", "batch_size", "inference_batch_size", "precision", "device")
    values = {name: list(dict.fromkeys(getattr(row, name) for row in rows)) for name in settings}
    known = {name: [str(value) for value in found if value is not None] for name, found in values.items()}
    said = [f"{name.replace('_', ' ')} {', '.join(found) or DASH}" for name, found in known.items()]
    return [
        "FLOPs: 2 per multiply-add, one sequence; for a causal model only the logits of the last position.",
        f"Memory: allocated by tensors, with full sequences; {'; '.join(said)}.",
    ]


def _remarks(rows: Sequence[PlanRow]) -> list[str]:
    """The remarks on rows; rows with the same remark are listed together."""
    rows_by_remark: dict[str, list[str]] = {}
    for row in rows:
        said = [*row.remarks, *([f"unsupported: {row.unsupported}"] if row.unsupported else [])]
        for remark in said:
            rows_by_remark.setdefault(remark, []).append(
                f"{row.dataset_label} / {row.model_label} / {row.method_label}"
            )
    return [f"{'; '.join(names)}: {remark}" for remark, names in rows_by_remark.items()]
