"""A plan as a table for the terminal, as csv and as JSON."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.plan.fits import Fit
from bench.plan.row import Ledger, PlanRow

GIGA, MEGA = 1e9, 1e6
DASH = "–"
NAMES = ("Dataset", "Model", "Method")
#: Heads of the numbers, and whether a narrow terminal shows them too.
COLUMNS = (
    ("Trainable\nM", True), ("Total\nM", True), ("Logical\nM", False), ("Forward\nGFLOPs", True),
    ("Train\nGFLOPs", True), ("Train\npeak MB", True), ("Inference\npeak MB", True), ("Artifact\nMB", False),
    ("Download\nMB", False),
)  # fmt: skip
WIDE_COLUMNS = 150
#: First the columns that programs may rely on, in this order; more may be added behind.
FIRST_COLUMNS = (
    "dataset", "model", "method", "trainable_params", "total_params", "logical_params",
    "forward_gflops", "train_gflops", "predicted_train_peak_bytes", "predicted_inference_peak_bytes",
)  # fmt: skip
FORMULA_SIGNS = tuple("=+-@\t\r")


def record(row: PlanRow, fit: Fit | None = None) -> dict[str, Any]:
    """One row as plain values by column, None where unknown.

    Args:
        row: of the plan.
        fit: whether it fits a card, where that was asked.
    """
    facts = row.model_dump(exclude={"train_memory", "inference_memory", "remarks", "unknown"})
    for name in ("forward", "train", "expert"):
        facts[f"{name}_gflops"] = _giga(facts.pop(f"{name}_flops"))
    for way in ("traced", "closed_form"):
        facts[f"forward_gflops_{way}"] = _giga(facts.pop(f"forward_flops_{way}"))
    for phase, ledger in (("train", row.train_memory), ("inference", row.inference_memory)):
        facts[f"predicted_{phase}_peak_bytes"] = None if ledger is None else ledger.total
        for part in Ledger.model_fields:
            facts[f"predicted_{phase}_{part}_bytes"] = None if ledger is None else getattr(ledger, part)
    if fit is not None:
        facts |= {"fits": fit.fits, "largest_batch_size": fit.largest_batch_size, "limit_bytes": fit.limit_bytes}
    facts["remarks"] = "; ".join((*row.remarks, *(f"{name}: {why}" for name, why in row.unknown.items())))
    return {name: facts[name] for name in (*FIRST_COLUMNS, *(name for name in facts if name not in FIRST_COLUMNS))}


def _giga(flops: int | None) -> float | None:
    return None if flops is None else flops / GIGA


def to_csv(rows: Sequence[PlanRow], fits: Mapping[int, Fit]) -> str:
    """A line a row; FLOPs in 1e9, memory in bytes, empty where unknown; text that a sheet would compute gets a mark."""
    frame = pd.DataFrame([record(row, fits.get(at)) for at, row in enumerate(rows)], dtype=object)
    for column in frame.columns:
        frame[column] = [f"'{v}" if isinstance(v, str) and v.startswith(FORMULA_SIGNS) else v for v in frame[column]]
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue()


def to_json(study: str, rows: Sequence[PlanRow], fits: Mapping[int, Fit]) -> str:
    """The study and a list of rows with the columns of the csv."""
    content = {"schema_version": 1, "study": study, "rows": [record(row, fits.get(at)) for at, row in enumerate(rows)]}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def show(
    title: str, rows: Sequence[PlanRow], fits: Mapping[int, Fit], sentences: Sequence[str], console: Console
) -> None:
    """Print the table, what it assumes, and what there is to say of single rows."""
    wide = not console.is_terminal or console.width >= WIDE_COLUMNS
    heads = [head for head, always in COLUMNS if always or wide]
    table = Table(title=Text(title), title_justify="left", pad_edge=False)
    for at, head in enumerate((*NAMES, *heads, *(["Fits"] if fits else []))):
        is_name = at < len(NAMES)
        table.add_column(Text(head), justify="left" if is_name else "right", no_wrap=not is_name)
    for at, row in enumerate(rows):
        names = [row.dataset_label, row.model_label, row.method_label]
        numbers = [text for text, (_, always) in zip(_numbers(row), COLUMNS, strict=True) if always or wide]
        table.add_row(*(Text(text) for text in (*names, *numbers, *_fitting(fits.get(at)))))
    if not console.is_terminal:  # a file or a pipe has no width; it need not be folded
        console.width = WIDE_COLUMNS
    console.print(table)
    more = [] if wide else ["More columns: a wider terminal, or --format csv."]
    for sentence in (*_assumptions(rows), *_remarks(rows), *sentences, *more):
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def _numbers(row: PlanRow) -> list[str]:
    if row.unsupported is not None:
        return ["unsupported", *[DASH] * 8]
    counts = (row.trainable_params, row.total_params, row.logical_params)
    peaks = [None if ledger is None else ledger.total for ledger in (row.train_memory, row.inference_memory)]
    return [
        *(_scaled(count, MEGA, 2) for count in counts),
        *(_scaled(flops, GIGA, 2) for flops in (row.forward_flops, row.train_flops)),
        *(_scaled(size, MEGA, 1) for size in (*peaks, row.artifact_bytes, row.download_bytes)),
    ]


def _scaled(value: int | None, unit: float, digits: int) -> str:
    return DASH if value is None else f"{value / unit:.{digits}f}"


def _fitting(fit: Fit | None) -> list[str]:
    if fit is None:
        return []
    return ["yes" if fit.fits else f"batch {fit.largest_batch_size}" if fit.largest_batch_size else "no"]


def _assumptions(rows: Sequence[PlanRow]) -> list[str]:
    """What the numbers hold for."""
    settings = ("sequence_length", "batch_size", "inference_batch_size", "precision", "device")
    values = {name: list(dict.fromkeys(str(getattr(row, name)) for row in rows)) for name in settings}
    said = [f"{name.replace('_', ' ')} {', '.join(found)}" for name, found in values.items()]
    return [
        "FLOPs: 2 a multiply-add, one sequence; of a causal model the logits of the last position alone.",
        f"Memory: allocated by tensors, every sequence full; {'; '.join(said)}.",
    ]


def _remarks(rows: Sequence[PlanRow]) -> list[str]:
    """Of each row what there is to say, rows of which the same is said together."""
    rows_by_remark: dict[str, list[str]] = {}
    for row in rows:
        said = [*row.remarks, *([f"unsupported: {row.unsupported}"] if row.unsupported else [])]
        for remark in said:
            rows_by_remark.setdefault(remark, []).append(
                f"{row.dataset_label} / {row.model_label} / {row.method_label}"
            )
    return [f"{'; '.join(names)}: {remark}" for remark, names in rows_by_remark.items()]
