"""Compare each printed number with the plan's value and with the measured one."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from bench.commands.audit.findings.finding import listed
from bench.commands.audit.lengths import FlopsAt, implied_length
from bench.commands.audit.match import Matched
from bench.commands.audit.measured import Key, of_row
from bench.commands.audit.published.number import Number
from bench.commands.audit.published.quantities import PrintedColumn
from bench.plan.row import PlanRow

NumberVerdict = Literal["exact", "within", "differs", "not checkable"]
VERDICTS: tuple[NumberVerdict, ...] = ("exact", "within", "differs", "not checkable")
#: A relative difference up to this is "within".
WITHIN = 0.05
#: A relative difference above this is said as a factor, because its percentage has too many digits.
MANY_TIMES = 99
PLANNED = ("trainable_params", "trainable_share", "total_params", "flops", "peak_memory")


@dataclass(frozen=True, slots=True)
class AuditedNumber:
    """One printed number and the result of its comparison.

    Attributes:
        table: title of the table.
        line: line in its file.
        dataset: as printed.
        model: as printed.
        method: as printed.
        quantity: one of quantities.TITLES.
        unit: unit of published, computed and measured.
        published: text as printed; empty if a row that trains nothing prints no trainable parameters.
        computed: value by the plan.
        relative_difference: difference of the published number from the computed one, or from the measured one if
            nothing is computed; None if the number cannot be checked.
        measured: mean over seeds.
        verdict: exact to the printed digits, within that difference, differs, or not checkable.
        explanation: reason for the verdict.
        decimals: significant decimals of computed and measured.
        place: key of the table, line and quantity, as in ``Finding.places``.
    """

    table: str
    line: int
    dataset: str
    model: str
    method: str
    quantity: str
    unit: str
    published: str
    computed: float | None
    relative_difference: float | None
    measured: float | None
    verdict: NumberVerdict
    explanation: str
    decimals: int
    place: tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class _Judged:
    verdict: NumberVerdict
    explanation: str
    computed: float | None = None
    difference: float | None = None


def compare(
    matched: Matched, title: str, columns: tuple[PrintedColumn, ...],
    measured: Mapping[Key, Mapping[str, float]] | None, flops_at: FlopsAt | None = None, within: float = WITHIN,
) -> list[AuditedNumber]:  # fmt: skip
    """Judge every number of one printed row.

    Args:
        matched: the row; a row that is not in the plan gives an empty list.
        title: title of its table.
        columns: columns of its table.
        measured: means by row and quantity, in base units; None without a run.
        flops_at: forward FLOPs at other sequence lengths than the plan's.
        within: relative difference up to which a number is "within".
    """
    plan = matched.plan
    if plan is None:
        return []
    key = (plan.dataset, plan.model, plan.method)
    checks = []
    for printed_column in columns:
        number = matched.number(printed_column.quantity)
        column = number.column if number else printed_column  # a cell may name its own unit
        mean = None if measured is None else of_row(measured, key, column.quantity)
        if number is not None:
            judged = _judge(matched, plan, number, mean, measured is not None, flops_at, within)
        elif column.quantity == "trainable_params" and not plan.trains and plan.trainable_params == 0:
            judged = _Judged("exact", "nothing is printed and nothing is trained", 0.0)
        else:
            continue
        decimals = 2 if number is None else number.decimals
        checks.append(
            AuditedNumber(
                title, matched.row.line, *matched.row.printed, column.quantity, column.unit,
                number.text if number else "", _in_unit(judged.computed, column), judged.difference,
                _in_unit(mean, column), judged.verdict, judged.explanation, decimals,
                (matched.table, matched.row.line, column.quantity),
            )
        )  # fmt: skip
    return checks


def _in_unit(value: float | None, column: PrintedColumn) -> float | None:
    return None if value is None else value / float(column.factor)


def _judge(
    matched: Matched, plan: PlanRow, number: Number, mean: float | None, run: bool, flops_at: FlopsAt | None,
    within: float,
) -> _Judged:  # fmt: skip
    quantity = number.column.quantity
    if quantity not in PLANNED:
        if mean is not None:
            return _beside(number, mean, within, "against the measured mean", computed=False)
        reason = "the run has no successful cell of this row" if run else "needs a measurement and no run was given"
        return _Judged("not checkable", reason)
    if plan.unsupported is not None:
        return _Judged("not checkable", f"the study cannot build this row: {plan.unsupported}")
    if quantity == "flops":
        return _flops(matched, plan, number, flops_at, within)
    if quantity == "peak_memory":
        return _memory(matched, plan, number, within)
    if quantity == "trainable_share":
        return _share(plan, number, within)
    computed = plan.trainable_params if quantity == "trainable_params" else plan.total_params
    if computed is None:
        return _Judged("not checkable", _why_null(plan, quantity))
    return _beside(number, computed, within, "")


def _share(plan: PlanRow, number: Number, within: float) -> _Judged:
    """Trainable of total parameters; the total is that with what the method adds."""
    if plan.trainable_params is None or not plan.total_params:
        return _Judged("not checkable", _why_null(plan, "total_params"))
    share = plan.trainable_params / plan.total_params
    return _beside(number, share, within, f"of {plan.total_params:,} parameters, with what the method adds")


def _flops(matched: Matched, plan: PlanRow, number: Number, flops_at: FlopsAt | None, within: float) -> _Judged:
    stated = matched.row.stated.sequence_length
    if plan.forward_flops is None:
        return _Judged("not checkable", _why_null(plan, "forward_flops"))
    if stated is not None and stated != plan.sequence_length:
        there = flops_at(plan, stated) if flops_at else None
        if there is None:
            return _Judged(
                "not checkable", f"printed for {stated} tokens, planned for {plan.sequence_length}", plan.forward_flops
            )
        return _beside(number, there, within, f"at the stated {stated} tokens")
    if stated is None and matched.causal:
        length = implied_length(plan, float(number.value), flops_at)
        implied = f"; the printed figure is a forward pass of {length:.1f} tokens" if length else ""
        return _Judged(
            "not checkable",
            "depends on tokenizer and prompt, and the publication states no sequence length"
            f"{implied}; the computed figure is of {plan.sequence_length} tokens",
            plan.forward_flops,
        )
    source = "stated" if stated else "plan's"
    return _beside(number, plan.forward_flops, within, f"at the {source} {plan.sequence_length} tokens")


def _memory(matched: Matched, plan: PlanRow, number: Number, within: float) -> _Judged:
    memory = plan.train_memory if plan.trains else plan.inference_memory
    field = "train_memory" if plan.trains else "inference_memory"
    stated = matched.row.stated
    batch = plan.batch_size if plan.trains else plan.inference_batch_size
    here = {"batch size": batch, "precision": plan.precision, "length": plan.sequence_length}
    there = {
        "batch size": stated.batch_size, "precision": stated.precision_mode, "length": stated.sequence_length
    }  # fmt: skip
    conditions = f"batch size {batch}, {plan.precision}, {plan.sequence_length} tokens on {plan.device}"
    missing = [name for name, value in there.items() if value is None]
    if missing and not matched.row.inferred:
        said = f"; the plan's figure is for {conditions}" if memory else ""
        return _Judged(
            "not checkable", f"the publication does not state {listed(missing)}{said}",
            memory.peak_bytes if memory else None,
        )  # fmt: skip
    if memory is None:
        return _Judged("not checkable", _why_null(plan, field))
    if any(there[name] not in (None, value) for name, value in here.items()):
        return _Judged("not checkable", f"printed for other conditions than the plan's {conditions}", memory.peak_bytes)
    inferred = f"; {listed(missing)} inferred from the printed numbers" if missing else ""
    return _beside(number, memory.peak_bytes, within, f"predicted for {conditions}{inferred}")


def _why_null(plan: PlanRow, field: str) -> str:
    return f"the plan has no figure: {plan.unknown.get(field, 'not worked out')}"


def _beside(number: Number, value: float, within: float, how: str, computed: bool = True) -> _Judged:
    """Compare with one value in base units; a whole number is compared exactly."""
    shown = value if computed else None
    difference = float((number.value - Decimal(value)) / Decimal(value)) if value else None
    if number.fits(value):
        return _Judged("exact", how, shown, difference)
    if difference is None:
        return _Judged("differs", ", ".join(filter(None, ("nothing was expected", how))), shown)
    verdict: NumberVerdict = "within" if abs(difference) <= within else "differs"
    side = "above" if difference > 0 else "below"
    said = f"{abs(difference):.{2 if verdict == 'within' else 1}%} {side}"
    if difference > MANY_TIMES:
        said = f"{1 + difference:.3g} times as much"
    return _Judged(verdict, f"{said}, {how}" if how else said, shown, difference)
