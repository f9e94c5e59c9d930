"""Throughputs that the GFLOPs do not explain.

They are notes: a throughput also depends on conditions that tables rarely state, e.g. whether a row was training.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import permutations

from bench.commands.audit.findings.finding import Finding, by_dataset_and_model, finding, giga, where
from bench.commands.audit.match import Matched
from bench.commands.audit.published.number import Number

#: A contradiction needs one row that is faster by at least this factor ...
FASTER = Decimal("1.05")
#: ... and costs more by at least this factor.
COSTLIER = Decimal("1.01")
#: Rows whose FLOPs differ by no more than this factor cost nearly the same ...
NEARLY = Decimal("1.10")
#: ... and should not differ by this factor in throughput.
FAR_APART = 2


def faster_with_more_work(rows: Sequence[Matched]) -> list[Finding]:
    """Rows that cost more than another row and yet run faster, within one dataset and model or one model and method."""
    found = []
    for group in by_dataset_and_model(rows):
        concerned, said = _contradictions(group, lambda row: row.method, by_plan=True)
        if said:
            found.append(_contradiction(where(group[0]), concerned, said))
    crosswise: dict[tuple[str, str, str], list[Matched]] = {}
    for row in rows:
        if row.plan:
            crosswise.setdefault((row.table, row.plan.model, row.plan.method), []).append(row)
    for group in crosswise.values():
        concerned, said = _contradictions(group, lambda row: row.row.printed[0], by_plan=False)
        if said:
            found.append(_contradiction(", ".join(filter(None, group[0].row.printed[1:])), concerned, said))
    return found


def _contradiction(of: str, concerned: Sequence[tuple[Matched, str]], said: Sequence[str]) -> Finding:
    text = (
        f"{of}: {'; '.join(said)}. FLOPs alone do not explain this order (margins: {COSTLIER - 1:.0%} more work, "
        f"{FASTER - 1:.0%} faster): either a figure is wrong, or the rows ran under conditions that are not stated."
    )
    return finding("faster_with_more_work", "note", concerned, text)


def _contradictions(
    group: Sequence[Matched], name: Callable[[Matched], str], by_plan: bool
) -> tuple[list[tuple[Matched, str]], list[str]]:
    concerned: list[tuple[Matched, str]] = []
    said = []
    for more, less in permutations(group, 2):
        speeds, printed = _both(more, less, "throughput"), _both(more, less, "flops")
        if speeds is None or printed is None or speeds[0].value <= FASTER * speeds[1].value:
            continue
        if by_plan and _far_apart(speeds, printed):
            continue  # a finding of its own kind
        costs, source = (printed[0].value, printed[1].value), "printed"
        if by_plan and costs[0] <= COSTLIER * costs[1] and more.at_plan_length and less.at_plan_length:
            costs, source = _planned(more, less), "by the plan"
        if costs[1] <= 0 or costs[0] <= COSTLIER * costs[1]:
            continue
        work, speed = costs[0] / costs[1] - 1, _ratio(speeds[0].value, speeds[1].value) - 1
        said.append(
            f"{name(more)} costs {work:.1%} more than {name(less)} ({giga(costs[0])} against {giga(costs[1])} GFLOPs "
            f"{source}) and is {speed:.1%} faster ({speeds[0].text} against {speeds[1].text} samples/s)"
        )
        concerned += [(row, quantity) for row in (more, less) for quantity in ("throughput", "flops")]
    return concerned, said


def _ratio(one: Decimal, other: Decimal) -> Decimal:
    return one / other if other else Decimal("Infinity")


def _both(one: Matched, other: Matched, quantity: str) -> tuple[Number, Number] | None:
    left, right = one.number(quantity), other.number(quantity)
    return (left, right) if left and right else None


def _planned(one: Matched, other: Matched) -> tuple[Decimal, Decimal]:
    """Forward FLOPs by the plan; zeros if they are unknown or the sequence lengths differ."""
    if not (one.plan and other.plan) or one.plan.sequence_length != other.plan.sequence_length:
        return Decimal(0), Decimal(0)
    return Decimal(one.plan.forward_flops or 0), Decimal(other.plan.forward_flops or 0)


def slower_at_same_work(rows: Sequence[Matched]) -> list[Finding]:
    """Pairs on one dataset and model with nearly the same GFLOPs and throughputs that differ by a large factor."""
    found = []
    for group in by_dataset_and_model(rows):
        for fast, slow in permutations(group, 2):
            speeds, flops = _both(fast, slow, "throughput"), _both(fast, slow, "flops")
            if speeds is None or flops is None:
                continue
            if not _far_apart(speeds, flops):
                continue
            times, work = speeds[0].value / speeds[1].value, flops[1].value / flops[0].value
            rates = [float(speed.value * cost.value) / 1e12 for speed, cost in zip(speeds, flops, strict=True)]
            text = (
                f"{where(fast)}: {slow.method} handles {speeds[1].text} samples/s and {fast.method} {speeds[0].text}, "
                f"{times:.1f} times as many, where {slow.method} costs {work:.3f} times the GFLOPs ({flops[1].text} "
                f"against {flops[0].text}). That is {rates[1]:.1f} against {rates[0]:.1f} TFLOP/s; forward passes of "
                f"one model under the same conditions run at about the same rate.{_training(slow)}"
            )
            concerned = [(row, quantity) for row in (fast, slow) for quantity in ("throughput", "flops")]
            found.append(finding("slower_at_same_work", "note", concerned, text))
    return found


def _far_apart(speeds: tuple[Number, Number], flops: tuple[Number, Number]) -> bool:
    """Whether the first is much faster than the second at nearly the same FLOPs."""
    if not (speeds[1].value and flops[0].value):
        return False
    nearly = 1 / NEARLY <= flops[1].value / flops[0].value <= NEARLY
    return nearly and speeds[0].value / speeds[1].value >= FAR_APART


def _training(row: Matched) -> str:
    plan = row.plan
    if plan is None or not plan.trains or not plan.train_flops or not plan.forward_flops:
        return ""
    times = plan.train_flops / plan.forward_flops
    return f" Were the slower one training, forward and backward would cost {times:.1f} times a forward pass."
