"""What the heading of a printed column means: a quantity and its unit, a name of the row, or a condition."""

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from bench.commands.audit.published.quantities import (
    COLUMNS,
    CONDITIONS,
    KINDS,
    PrintedColumn,
    in_unit,
    why_unknown,
)
from bench.commands.audit.published.units import UNITS, unit_named

#: Headings of the row's names and conditions, in lower case.
_NAMES = {
    **dict.fromkeys(("dataset", "data", "task", "corpus", "benchmark"), "dataset"),
    **dict.fromkeys(("model", "base model", "backbone", "llm", "plm", "base models"), "model"),
    **dict.fromkeys(("method", "methods", "approach", "peft", "peft method", "technique", "adapter"), "method"),
    **dict.fromkeys(("batch size", "bs", "batch"), "batch_size"),
    **dict.fromkeys(("sequence length", "seq length", "seq len", "max seq length", "max length"), "sequence_length"),
    **dict.fromkeys(("precision mode", "dtype"), "precision_mode"),
}
_PARAMS = r"(?:params?|parameters?)\.?"
#: Patterns of headings without their unit, in lower case. The first that fits the whole heading decides.
_QUANTITIES = (
    (rf"(?:number of |# ?(?:of )?)?(?:trainable|tunable|tuned|learnable|trained) {_PARAMS}", "trainable_params"),
    (r"trainable ?|trainable share|trainable fraction", "trainable_share"),
    (rf"(?:number of |# ?(?:of )?)?(?:total|all) {_PARAMS}", "total_params"),
    (r"(?:peak |max |maximum )?(?:gpu |cuda )?(?:memory|mem\.?|ram|vram)(?: usage| cost)?", "peak_memory"),
    (r"(?:inference |forward )?[kmgtp]?flops?", "flops"),
    (r"(?:inference |forward )?[kmgtp]?macs?", "flops"),
    (r"(?:training|train|fine-?tuning)(?: time| runtime)?|gpu hours|hours", "train_time"),
    (r"(?:training|train) throughput", "train_throughput"),
    (r"inference throughput", "inference_throughput"),
    (r"throughput", "throughput"),
    (r"(?:test |avg\.? |average )?acc(?:\.|uracy)?", "accuracy"),
    (r"(?:macro[- ]?)?f1(?:[- ]score)?", "f1"),
    (r"prec(?:\.|ision)", "precision"),
    (r"rec(?:\.|all)", "recall"),
    (r"mcc|mcorr|matthew'?s?'?(?: corr(?:\.|elation)?)?", "mcc"),
    (r"pearson(?:'s)?(?: r| corr(?:\.|elation)?)?|pcc", "pearson"),
)
_BRACKETED = re.compile(r"(?P<name>[^()\[\]]*?)\s*[(\[](?P<unit>[^()\[\]]{1,24})[)\]]")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading and its meaning.

    Attributes:
        text: as printed.
        name: dataset, model, method or a condition; empty for other columns.
        column: quantity and unit; None for other columns.
        left_out: why the column is not read; empty if it is.
        exact: whether the heading is one of the documented column names, which are taken at their word.
    """

    text: str
    name: str = ""
    column: PrintedColumn | None = None
    left_out: str = ""
    exact: bool = False

    @property
    def key(self) -> str:
        """What two headings may not both say."""
        return self.column.quantity if self.column else self.name


def read_heading(text: str, mapped: str | None = None) -> Heading:
    """The meaning of a heading.

    Args:
        text: the heading as printed, without markup.
        mapped: name of the column that a manifest gives for it; None if it gives none.
    """
    name = (mapped or text).lower()
    if name in ("dataset", "model", "method", *CONDITIONS):
        return Heading(text, name, exact=True)
    if name in COLUMNS:
        return Heading(text, column=COLUMNS[name], exact=True)
    lower = " ".join(re.sub(r"[↑↓†‡*]|\(\s*\)", "", name).split())
    if lower.replace("_", " ") in _NAMES:
        return Heading(text, _NAMES[lower.replace("_", " ")])
    if "_" not in lower:
        column = _printed_column(lower)
        if column:
            return Heading(text, column=column)
    if re.fullmatch(rf"(?:#|number of)? ?{_PARAMS}", _unit_apart(lower)[0]):
        return Heading(text, left_out="may be trainable or total parameters; name it in the manifest")
    return Heading(text, left_out=why_unknown(name) if name else "a column without a name")


def _unit_apart(lower: str) -> tuple[str, str]:
    """A heading without its unit, and the unit: in brackets, or ``%`` at either end."""
    found = _BRACKETED.fullmatch(lower)
    if found:
        return found["name"].strip(), found["unit"].strip()
    bare = lower.strip("% ")
    return (bare, "%") if bare != lower else (lower, "")


def _printed_column(lower: str) -> PrintedColumn | None:
    name, unit = _unit_apart(lower)
    if unit == "%" and re.fullmatch(rf"(?:#? ?)?(?:(?:trainable|tunable) )?{_PARAMS}|trainable", name):
        return in_unit("trainable_share", "%")
    for pattern, quantity in _QUANTITIES:
        if re.fullmatch(pattern, name):
            return _in_heading_s_unit(quantity, name, unit)
    rate = unit or name
    for kind, quantity in (("tokens per second", "token_throughput"), ("samples per second", "throughput")):
        if unit_named(kind, rate) and name in (rate, "throughput", "speed"):
            return in_unit(quantity, rate)
    return None


def _in_heading_s_unit(quantity: str, name: str, unit: str) -> PrintedColumn | None:
    """The column in the unit of its heading; None if the unit is of another kind."""
    if quantity == "throughput" and unit_named("tokens per second", unit):
        quantity = "token_throughput"
    kind = KINDS[quantity]
    if unit:
        known = unit_named(kind, unit)
        return None if known is None else PrintedColumn(quantity, known.name, known.factor)
    if quantity == "flops":
        return in_unit("flops", name.split()[-1])
    if quantity == "train_time" and "hours" in name:
        return in_unit("train_time", "hours")
    if kind in ("seconds", "bytes"):
        return PrintedColumn(quantity, "", Decimal(1))
    if kind.endswith("per second"):
        return None
    base = next(iter(UNITS[kind].values()))
    return PrintedColumn(quantity, base.name, base.factor)


def as_percent(heading: Heading) -> Heading:
    """The heading of a column of fractions, read as a column of percentages."""
    return heading if heading.column is None else replace(heading, column=in_unit(heading.column.quantity, "%"))
