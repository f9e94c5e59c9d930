"""GFLOPs that contradict what the model computes, or each other."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import permutations

from bench.commands.audit.feasibility.printing import interval, prints
from bench.commands.audit.findings.finding import Finding, by_dataset_and_model, finding, giga, listed, where
from bench.commands.audit.lengths import FlopsAt, implied_length
from bench.commands.audit.match import Matched

#: Implied sequence lengths that differ by no more than this factor count as equal; a merged adapter costs nothing, so
#: the factor between the rows' costs at one length is allowed in addition.
SAME_LENGTH = 1.01


def below_own_parts(rows: Sequence[Matched]) -> list[Finding]:
    """Rows with experts whose GFLOPs are below the cost of the dense part, or of dense part and experts together."""
    found = []
    sure = _tables_that_count_two(rows)
    for row in rows:
        flops, plan = row.number("flops"), row.plan
        if not (flops and plan and plan.forward_flops and plan.expert_flops and row.at_plan_length):
            continue
        most = float(interval(flops)[1])
        if row.table not in sure and 2 * most >= plan.forward_flops:
            continue  # a multiply-add may be counted as 1
        dense = plan.forward_flops - plan.expert_flops
        cost = (
            f"everything but the experts costs {giga(dense)} GFLOPs at {plan.sequence_length} tokens and one pass of "
            f"the active experts {giga(plan.expert_flops)}, {giga(plan.forward_flops)} together"
        )
        if most < dense:
            text = f"{row.row.label}: {flops.said()} is less than the model costs without any expert: {cost}."
            found.append(finding("below_own_parts", "impossible", [(row, "flops")], text))
        elif most < plan.forward_flops:
            left = max(flops.value - dense, Decimal(0))
            text = (
                f"{row.row.label}: {flops.said()} leaves {giga(left)} GFLOPs for the experts, "
                f"{left / plan.expert_flops:.1%} of one pass: {cost}."
            )
            found.append(finding("below_own_parts", "inconsistent", [(row, "flops")], text))
    return found


def _tables_that_count_two(rows: Sequence[Matched]) -> set[str]:
    """Tables in which a row without experts prints what it costs with a multiply-add counted as 2."""
    return {
        row.table
        for row in rows
        if (flops := row.number("flops")) and row.plan and (cost := row.plan.forward_flops) and row.at_plan_length
        and not row.plan.expert_flops and prints(flops, cost) and not prints(flops, cost / 2)
    }  # fmt: skip


def less_for_more_work(rows: Sequence[Matched]) -> list[Finding]:
    """Pairs on one dataset and model where the row that computes more prints fewer GFLOPs; without expert models."""
    found = []
    for group in by_dataset_and_model(rows):
        for more, less in permutations(group, 2):
            one, other = more.number("flops"), less.number("flops")
            if not (one and other and more.plan and less.plan) or more.plan.expert_flops or less.plan.expert_flops:
                continue
            costs = more.plan.forward_flops, less.plan.forward_flops
            if costs[0] is None or costs[1] is None or costs[0] <= costs[1] or interval(one)[1] >= interval(other)[0]:
                continue
            lengths = more.plan.sequence_length, less.plan.sequence_length
            if lengths[0] != lengths[1] or more.row.stated.sequence_length != less.row.stated.sequence_length:
                continue
            text = (
                f"{where(more)}: {more.method} prints {one.said()}, less than the {other.said()} of {less.method}, "
                f"but computes {costs[0] / costs[1] - 1:.2%} more at the same length ({giga(costs[0])} against "
                f"{giga(costs[1])} GFLOPs at {lengths[0]} tokens). The two figures are not of the same input."
            )
            found.append(finding("less_for_more_work", "inconsistent", [(more, "flops"), (less, "flops")], text))
    return found


def implied_lengths_differ(rows: Sequence[Matched], flops_at: FlopsAt | None) -> list[Finding]:
    """Causal rows of one dataset and model whose GFLOPs imply forward passes of different lengths."""
    found = []
    for group in by_dataset_and_model(rows):
        spans = []
        for row in group:
            flops = row.number("flops")
            if not (flops and row.plan and row.causal and row.row.stated.sequence_length is None):
                continue
            least, most = interval(flops)
            low, middle, high = (
                implied_length(row.plan, float(value), flops_at) for value in (least, flops.value, most)
            )
            if low is not None and middle is not None and high is not None:
                spans.append((row, flops, low, middle, high))
        if len(spans) < 2:
            continue
        longest, shortest = max(spans, key=lambda span: span[3]), min(spans, key=lambda span: span[3])
        costs = [row.plan.forward_flops for row, *_ in (longest, shortest) if row.plan and row.plan.forward_flops]
        if longest[2] <= shortest[4] * SAME_LENGTH * max(costs, default=1) / min(costs, default=1):
            continue
        said = listed([f"{row.method} {flops.said()} = {middle:.1f} tokens" for row, flops, _, middle, _ in spans])
        text = (
            f"{where(longest[0])}: as forward passes the printed figures are {said}. The longest is "
            f"{longest[3] / shortest[3] - 1:.1%} longer than the shortest, so the rows were not given the same inputs."
        )
        concerned = [(span[0], "flops") for span in spans]
        found.append(finding("implied_lengths_differ", "inconsistent", concerned, text))
    return found
