"""A plan as a table for the terminal, as csv and as JSON."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.plan.fits import Fit
from bench.plan.row import PlanRow
from bench.record.memory_breakdown import KINDS

GIGA, MEGA = 1e9, 1e6
DASH = "–"
NAMES = ("Dataset", "Model", "Method")
#: Heads of the numbers, and whether a narrow terminal shows them too.
COLUMNS = (
    ("Trainable\nM", True), ("Total\nM", True), ("Logical\nM", False), ("Forward\nGFLOPs", True),
    ("Train\nGFLOPs", True), ("Train\npeak MB", True), ("Inference\npeak MB", True), ("Artifact\nMB", False),
    ("Download\nMB", False),
)  # fmt: skip
#: A name is folded to this many columns before columns are left out.
NARROWEST_NAME = 12
#: First the columns that programs may rely on, in this order; more may be added behind.
FIRST_COLUMNS = (
    "dataset", "model", "method", "trainable_params", "total_params", "logical_params",
    "forward_gflops", "train_gflops", "predicted_train_peak_bytes", "predicted_inference_peak_bytes",
)  # fmt: skip
#: The full-width signs are those of East Asian keyboards.
FORMULA_SIGNS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


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


def to_csv(rows: Sequence[PlanRow], fits: Mapping[int, Fit]) -> str:
    """A line a row; FLOPs in 1e9, memory in bytes, empty where unknown; text that a sheet would compute gets a mark."""
    records = [record(row, fits.get(at)) for at, row in enumerate(rows)]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in one.items()} for one in records)
    return buffer.getvalue()


def _harmless(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = _one_line(value)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def _one_line(text: str) -> str:
    """Text without line breaks and control characters, some of which a terminal would obey."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def to_json(study: str, rows: Sequence[PlanRow], fits: Mapping[int, Fit]) -> str:
    """The study and a list of rows with the columns of the csv."""
    content = {"schema_version": 1, "study": study, "rows": [record(row, fits.get(at)) for at, row in enumerate(rows)]}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def show(
    title: str, rows: Sequence[PlanRow], fits: Mapping[int, Fit], sentences: Sequence[str], console: Console
) -> None:
    """Print the table, what it assumes, and what there is to say of single rows; numbers are never cut."""
    heads = [*NAMES, *(head for head, _ in COLUMNS), *(["Fits"] if fits else [])]
    texts = [
        [
            *map(_one_line, (row.dataset_label, row.model_label, row.method_label)),
            *_numbers(row),
            *_fitting(fits.get(at)),
        ]
        for at, row in enumerate(rows)
    ]
    if not console.is_terminal:  # a file or a pipe has no width; it need not be folded
        console.width = _width(heads, texts, narrowest_name=None)
    fewer = [at for at in range(len(heads)) if not 0 <= at - len(NAMES) < len(COLUMNS) or COLUMNS[at - len(NAMES)][1]]
    cut = _width(heads, texts) > console.width
    if cut:
        heads, texts = [heads[at] for at in fewer], [[row[at] for at in fewer] for row in texts]
    console.print(Text(_one_line(title), style="bold"), soft_wrap=True)
    if _width(heads, texts) <= console.width:
        console.print(_grid(heads, texts))
    else:
        _print_blocks(heads, texts, console)
    more = ["More columns: a wider terminal, or --format csv."] if cut else []
    for sentence in (*_assumptions(rows), *_remarks(rows), *sentences, *more):
        console.print(_one_line(sentence), highlight=False, markup=False, soft_wrap=True)


def _width(heads: Sequence[str], texts: Sequence[Sequence[str]], narrowest_name: int | None = NARROWEST_NAME) -> int:
    """Columns of the terminal that the grid needs, names folded to this width."""
    total = 0
    for at, head in enumerate(heads):
        widest = max(map(cell_len, (*head.split("\n"), *(row[at] for row in texts))))
        total += widest + 2 if at >= len(NAMES) or narrowest_name is None else min(widest, narrowest_name) + 2
    return total


def _grid(heads: Sequence[str], texts: Sequence[Sequence[str]]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for at, head in enumerate(heads):
        is_name = at < len(NAMES)
        grid.add_column(Text(head), justify="left" if is_name else "right", no_wrap=not is_name, overflow="fold")
    for row in texts:
        grid.add_row(*map(Text, row))
    return grid


def _print_blocks(heads: Sequence[str], texts: Sequence[Sequence[str]], console: Console) -> None:
    """One block a row: a name and a value on a line, for terminals that the grid does not fit."""
    titles = [head.replace("\n", " ") for head in heads[len(NAMES) :]]
    widest = max(map(len, titles))
    for row in texts:
        console.print(Text(" / ".join(row[: len(NAMES)]), style="bold"), overflow="fold")
        for title, text in zip(titles, row[len(NAMES) :], strict=True):
            console.print(Text(f"  {title.ljust(widest)}  {text}"), overflow="fold")
        console.print()


def _numbers(row: PlanRow) -> list[str]:
    if row.unsupported is not None:
        return ["unsupported", *[DASH] * 8]
    counts = (row.trainable_params, row.total_params, row.logical_params)
    peaks = [None if peak is None else peak.peak_bytes for peak in (row.train_memory, row.inference_memory)]
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
    if fit.fits is None:
        return [DASH]
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
