"""What is wrong or worth knowing in published tables, worked out from their numbers: a function a kind of finding."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, permutations
from typing import Literal

from bench.audit.lengths import FlopsAt, implied_length
from bench.audit.match import Matched
from bench.audit.published import Number
from bench.audit.quantities import FRACTIONS, TITLES

Severity = Literal["impossible", "inconsistent", "note"]
SEVERITIES: tuple[Severity, ...] = ("impossible", "inconsistent", "note")
#: Title of each kind, in the order of a report.
KINDS = {
    "more_trained_than_there": "More trainable than total parameters",
    "f1_above_its_parts": "F1 above what precision and recall allow",
    "below_own_parts": "GFLOPs below what the model's own parts cost",
    "less_for_more_work": "Fewer GFLOPs printed for more work",
    "implied_lengths_differ": "GFLOPs of one model and dataset imply different sequence lengths",
    "total_holds_untrained": "Totals that contain another method's parameters",
    "faster_with_more_work": "Throughput that contradicts the FLOPs",
    "slower_at_same_work": "Throughputs far apart at nearly the same FLOPs",
    "tables_disagree": "The same quantity printed differently in two tables",
    "averages_mixed": "Differently averaged scores in one table",
    "constant_answer": "F1 of a constant answer",
    "below_constant_answer": "F1 below the best constant answer",
}
#: A contradiction in throughput needs a row at least so much faster ...
FASTER = Decimal("1.05")
#: ... that costs at least so much more.
COSTLIER = Decimal("1.01")
#: Rows whose FLOPs differ by no more than this cost nearly the same ...
NEARLY = Decimal("1.10")
#: ... and should not differ by this factor in throughput.
FAR_APART = 2
#: Implied sequence lengths that differ by no more than this are the same.
SAME_LENGTH = 1.01


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    Attributes:
        kind: one of KINDS.
        severity: impossible (no run can give it), inconsistent (the numbers cannot all be of the same thing), note.
        rows: the rows concerned, as printed.
        text: an explanation with the numbers.
        places: key of the table, line and quantity of each number concerned.
    """

    kind: str
    severity: Severity
    rows: tuple[str, ...]
    text: str
    places: tuple[tuple[str, int, str], ...]


def _finding(kind: str, severity: Severity, concerned: Sequence[tuple[Matched, str]], text: str) -> Finding:
    rows = tuple(dict.fromkeys(row.row.label for row, _ in concerned))
    places = tuple(dict.fromkeys((row.table, row.row.line, quantity) for row, quantity in concerned))
    return Finding(kind, severity, rows, text, places)


def _alike(rows: Sequence[Matched]) -> Iterator[list[Matched]]:
    """Rows of one table on the same dataset and model of the plan."""
    groups: dict[tuple[str, str, str], list[Matched]] = {}
    for row in rows:
        if row.plan:
            groups.setdefault((row.table, row.plan.dataset, row.plan.model), []).append(row)
    yield from groups.values()


def _where(row: Matched) -> str:
    return f"{row.row.printed[0]}, {row.row.printed[1]}" if row.row.printed[2] else row.row.printed[0]


def _g(flops: Decimal | float) -> str:
    return f"{float(flops) / 1e9:.2f}"


def _and(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def more_trained_than_there(rows: Sequence[Matched]) -> list[Finding]:
    """Rows that print more trainable than total parameters."""
    found = []
    for row in rows:
        trainable, total = row.number("trainable_params"), row.number("total_params")
        if trainable and total and trainable.low > total.high:
            text = f"{row.row.label}: {trainable.said()} are trained out of {total.said()}."
            concerned = [(row, "trainable_params"), (row, "total_params")]
            found.append(_finding("more_trained_than_there", "impossible", concerned, text))
    return found


def f1_above_its_parts(rows: Sequence[Matched]) -> list[Finding]:
    """Rows whose F1 exceeds the harmonic mean of their precision and recall.

    The harmonic mean is concave, so a macro or weighted average of F1 over classes is at most the harmonic mean of the
    equally averaged precision and recall (Jensen's inequality); of a single class it is equal.
    """
    found = []
    for row in rows:
        f1, precision, recall = row.number("f1"), row.number("precision"), row.number("recall")
        if not (f1 and precision and recall):
            continue
        most = _harmonic(precision.high, recall.high)
        if f1.low > most:
            text = (
                f"{row.row.label}: F1 {f1.said()} is above {float(most):.4f}, the harmonic mean of precision "
                f"{precision.said()} and recall {recall.said()} with all rounding in its favour. An F1 of one class, "
                "or averaged over classes as precision and recall are, cannot exceed it."
            )
            concerned = [(row, name) for name in ("f1", "precision", "recall")]
            found.append(_finding("f1_above_its_parts", "inconsistent", concerned, text))
    return found


def _harmonic(left: Decimal, right: Decimal) -> Decimal:
    return 2 * left * right / (left + right) if left + right else Decimal(0)


def below_own_parts(rows: Sequence[Matched]) -> list[Finding]:
    """Rows with experts whose GFLOPs are below the dense part, or leave less than one pass of the experts costs."""
    found = []
    for row in rows:
        flops, plan = row.number("flops"), row.plan
        if not (flops and plan and plan.forward_flops and plan.expert_flops and row.at_plan_length):
            continue
        dense = plan.forward_flops - plan.expert_flops
        cost = (
            f"everything but the experts costs {_g(dense)} GFLOPs at {plan.sequence_length} tokens and one pass of the "
            f"active experts {_g(plan.expert_flops)}, {_g(plan.forward_flops)} together"
        )
        if flops.high < dense:
            text = f"{row.row.label}: {flops.said()} is less than the model costs without any expert: {cost}."
            found.append(_finding("below_own_parts", "impossible", [(row, "flops")], text))
        elif flops.high < plan.forward_flops:
            left = max(flops.value - dense, Decimal(0))
            text = (
                f"{row.row.label}: {flops.said()} leaves {_g(left)} GFLOPs for the experts, "
                f"{left / plan.expert_flops:.1%} of one pass: {cost}."
            )
            found.append(_finding("below_own_parts", "inconsistent", [(row, "flops")], text))
    return found


def less_for_more_work(rows: Sequence[Matched]) -> list[Finding]:
    """Pairs on one dataset and model where the row that computes more prints fewer GFLOPs; experts left out."""
    found = []
    for group in _alike(rows):
        for more, less in permutations(group, 2):
            one, other = more.number("flops"), less.number("flops")
            if not (one and other and more.plan and less.plan) or more.plan.expert_flops or less.plan.expert_flops:
                continue
            costs = more.plan.forward_flops, less.plan.forward_flops
            if costs[0] is None or costs[1] is None or costs[0] <= costs[1] or one.high >= other.low:
                continue
            lengths = more.plan.sequence_length, less.plan.sequence_length
            if lengths[0] != lengths[1] or more.row.stated.sequence_length != less.row.stated.sequence_length:
                continue
            text = (
                f"{_where(more)}: {more.method} prints {one.said()}, less than the {other.said()} of {less.method}, "
                f"but computes {costs[0] / costs[1] - 1:.2%} more at the same length ({_g(costs[0])} against "
                f"{_g(costs[1])} GFLOPs at {lengths[0]} tokens). The two figures are not of the same input."
            )
            found.append(_finding("less_for_more_work", "inconsistent", [(more, "flops"), (less, "flops")], text))
    return found


def implied_lengths_differ(rows: Sequence[Matched], flops_at: FlopsAt | None) -> list[Finding]:
    """Causal rows of one dataset and model whose GFLOPs are forward passes of different lengths."""
    found = []
    for group in _alike(rows):
        spans = []
        for row in group:
            flops = row.number("flops")
            if not (flops and row.plan and row.causal and row.row.stated.sequence_length is None):
                continue
            low, middle, high = (
                implied_length(row.plan, float(value), flops_at) for value in (flops.low, flops.value, flops.high)
            )
            if low is not None and middle is not None and high is not None:
                spans.append((row, flops, low, middle, high))
        if len(spans) < 2:
            continue
        longest, shortest = max(spans, key=lambda span: span[3]), min(spans, key=lambda span: span[3])
        if longest[2] <= shortest[4] * SAME_LENGTH:
            continue
        said = _and([f"{row.method} {flops.said()} = {middle:.1f} tokens" for row, flops, _, middle, _ in spans])
        text = (
            f"{_where(longest[0])}: as forward passes the printed figures are {said}. The longest is "
            f"{longest[3] / shortest[3] - 1:.1%} longer than the shortest, so the rows were not given the same inputs."
        )
        concerned = [(span[0], "flops") for span in spans]
        found.append(_finding("implied_lengths_differ", "inconsistent", concerned, text))
    return found


def total_holds_untrained(rows: Sequence[Matched]) -> list[Finding]:
    """Rows that train nothing but print another method's total: theirs and exactly its trainable parameters."""
    same: dict[tuple[str, ...], list[tuple[Matched, str]]] = {}
    for group in _alike(rows):
        for row, other in permutations(group, 2):
            total, plan, theirs = row.number("total_params"), row.plan, other.plan
            if not (total and plan and theirs) or plan.trains or not theirs.trains:
                continue
            if plan.total_params is None or theirs.total_params is None or not theirs.trainable_params:
                continue
            adds_up = theirs.total_params - plan.total_params == theirs.trainable_params
            if adds_up and total.fits(theirs.total_params) and not total.fits(plan.total_params):
                text = (
                    f"{row.method} on {row.row.printed[1]} prints a total of {total.said()} but trains and adds "
                    f"nothing: it has {plan.total_params:,} parameters. The {theirs.trainable_params:,} too many are "
                    f"those that {other.method} trains, whose total is {theirs.total_params:,}."
                )
                same.setdefault((row.table, text), []).append((row, "total_params"))
    return [
        _finding(
            "total_holds_untrained", "inconsistent", places,
            f"{text} Printed for {_and([row.row.printed[0] for row, _ in places])}.",
        )
        for (_, text), places in same.items()
    ]  # fmt: skip


def faster_with_more_work(rows: Sequence[Matched]) -> list[Finding]:
    """Rows that cost more and yet run faster than another: on one dataset and model, or of one model and method."""
    found = []
    for group in _alike(rows):
        concerned, said = _contradictions(group, lambda row: row.method, by_plan=True)
        if said:
            found.append(_contradiction(_where(group[0]), concerned, said))
    crosswise: dict[tuple[str, str, str], list[Matched]] = {}
    for row in rows:
        if row.plan:
            crosswise.setdefault((row.table, row.plan.model, row.plan.method), []).append(row)
    for group in crosswise.values():
        concerned, said = _contradictions(group, lambda row: row.row.printed[0], by_plan=False)
        if said:
            found.append(_contradiction(", ".join(filter(None, group[0].row.printed[1:])), concerned, said))
    return found


def _contradiction(where: str, concerned: Sequence[tuple[Matched, str]], said: Sequence[str]) -> Finding:
    text = (
        f"{where}: {'; '.join(said)}. FLOPs alone do not explain this order (margins: {COSTLIER - 1:.0%} more work, "
        f"{FASTER - 1:.0%} faster): either a figure is wrong, or the rows ran under conditions that are not stated."
    )
    return _finding("faster_with_more_work", "inconsistent", concerned, text)


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
            f"{name(more)} costs {work:.1%} more than {name(less)} ({_g(costs[0])} against {_g(costs[1])} GFLOPs "
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
    """Forward FLOPs by the plan; zeros where it has none, or not at one length."""
    if not (one.plan and other.plan) or one.plan.sequence_length != other.plan.sequence_length:
        return Decimal(0), Decimal(0)
    return Decimal(one.plan.forward_flops or 0), Decimal(other.plan.forward_flops or 0)


def slower_at_same_work(rows: Sequence[Matched]) -> list[Finding]:
    """Pairs on one dataset and model with nearly the same GFLOPs and throughputs that differ by a large factor."""
    found = []
    for group in _alike(rows):
        for fast, slow in permutations(group, 2):
            speeds, flops = _both(fast, slow, "throughput"), _both(fast, slow, "flops")
            if speeds is None or flops is None:
                continue
            if not _far_apart(speeds, flops):
                continue
            times, work = speeds[0].value / speeds[1].value, flops[1].value / flops[0].value
            rates = [float(speed.value * cost.value) / 1e12 for speed, cost in zip(speeds, flops, strict=True)]
            text = (
                f"{_where(fast)}: {slow.method} handles {speeds[1].text} samples/s and {fast.method} {speeds[0].text}, "
                f"{times:.1f} times as many, where {slow.method} costs {work:.3f} times the GFLOPs ({flops[1].text} "
                f"against {flops[0].text}). That is {rates[1]:.1f} against {rates[0]:.1f} TFLOP/s; forward passes of "
                f"one model under the same conditions run at about the same rate.{_training(slow)}"
            )
            concerned = [(row, quantity) for row in (fast, slow) for quantity in ("throughput", "flops")]
            found.append(_finding("slower_at_same_work", "inconsistent", concerned, text))
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


def tables_disagree(rows: Sequence[Matched]) -> list[Finding]:
    """The same quantity of the same row, printed in two tables as values that no rounding brings together."""
    groups: dict[tuple[str, str, str], list[Matched]] = {}
    for row in rows:
        if row.plan:
            groups.setdefault((row.plan.dataset, row.plan.model, row.plan.method), []).append(row)
    found = []
    for group in groups.values():
        for quantity in TITLES:
            printed = [(row, number) for row in group if (number := row.number(quantity))]
            pairs = combinations(printed, 2)
            if not any(one.low > other.high or other.low > one.high for (_, one), (_, other) in pairs):
                continue
            said = _and([f"{number.said()} in {row.table}" for row, number in printed])
            names = max((row.row for row, _ in printed), key=lambda row: bool(row.printed[2]))
            text = f"{names.label}: {TITLES[quantity]} is {said}."
            concerned = [(row, quantity) for row, _ in printed]
            found.append(_finding("tables_disagree", "inconsistent", concerned, text))
    return found


def averages_mixed(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Tables where recall is accuracy in some rows of a dataset and not in others.

    A support-weighted recall is the accuracy, always; so is a macro recall where all classes are equally frequent. A
    recall that is not the accuracy is therefore averaged otherwise, or of one class.
    """
    groups: dict[tuple[str, str], list[Matched]] = {}
    for row in rows:
        if row.number("accuracy") and row.number("recall"):
            groups.setdefault((row.table, row.dataset or row.row.printed[0]), []).append(row)
    found = []
    for (_, dataset), group in groups.items():
        same: list[Matched] = []
        other: list[Matched] = []
        for row in group:
            pair = row.number("accuracy"), row.number("recall")
            if pair[0] and pair[1]:
                (other if pair[0].low > pair[1].high or pair[1].low > pair[0].high else same).append(row)
        if not same or not other:
            continue
        counts = label_counts.get(dataset, {})
        balanced = len(set(counts.values())) == 1
        otherwise = (
            "it can be neither a weighted nor a macro average there, all classes being equally frequent: it is of one"
            " class"
            if balanced
            else "it cannot be a weighted average there"
        )
        text = (
            f"{group[0].row.printed[0]}: recall equals accuracy in {_and([row.method for row in same])}, as it does "
            f"when classes are weighted by their frequency; it does not in {_and([row.method for row in other])}, so "
            f"{otherwise}. The F1 of the two groups are not the same statistic."
        )
        concerned = [(row, quantity) for row in group for quantity in FRACTIONS if row.number(quantity)]
        found.append(_finding("averages_mixed", "inconsistent", concerned, text))
    return found


def _constants(counts: Mapping[str, int]) -> dict[str, Decimal]:
    """Macro F1 of always answering one class, by class: precision n/N and recall 1 there, 0 elsewhere."""
    total = sum(counts.values())
    return {label: Decimal(2 * count) / Decimal((count + total) * len(counts)) for label, count in counts.items()}


def _against_constants(
    rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[Matched, Number, Mapping[str, int], dict[str, Decimal]]]:
    for row in rows:
        f1, counts = row.number("f1"), label_counts.get(row.dataset or "")
        if f1 and counts and sum(counts.values()):
            yield row, f1, counts, _constants(counts)


def constant_answer(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Rows whose F1 is, to the printed digits, the macro F1 of always answering one class."""
    found = []
    for row, f1, counts, constants in _against_constants(rows, label_counts):
        names = [label for label, value in constants.items() if f1.fits(value)]
        if not names:
            continue
        best = max(constants.values())
        rank = "the best constant answer" if f1.fits(best) else f"below the best constant answer, {float(best):.4f}"
        said = _and([f"{label!r} ({counts[label]} of {sum(counts.values())} texts)" for label in names])
        each = "every text is one of" if len(names) > 1 else "every text is"
        text = (
            f"{row.row.label}: F1 {f1.said()} is the macro F1 of answering that {each} {said}, "
            f"{float(constants[names[0]]):.6f}; {rank}. Such a row shows no sign of having learned anything."
        )
        found.append(_finding("constant_answer", "note", [(row, "f1")], text))
    return found


def below_constant_answer(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Rows whose F1 is below what the best constant answer gets, and not that of another constant answer."""
    found = []
    for row, f1, counts, constants in _against_constants(rows, label_counts):
        label = max(constants, key=lambda name: constants[name])
        if f1.high >= constants[label] or any(f1.fits(value) for value in constants.values()):
            continue
        text = (
            f"{row.row.label}: F1 {f1.said()} is below {float(constants[label]):.6f}, the macro F1 of always answering "
            f"{label!r} ({counts[label]} of {sum(counts.values())} texts)."
        )
        found.append(_finding("below_constant_answer", "note", [(row, "f1")], text))
    return found


def find_all(
    rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]], flops_at: FlopsAt | None = None
) -> tuple[Finding, ...]:
    """Every kind of finding, in the order of KINDS.

    Args:
        rows: of all tables.
        label_counts: texts of the test split by label, by study name of the dataset.
        flops_at: forward FLOPs at other lengths than the plan's.
    """
    return (
        *more_trained_than_there(rows),
        *f1_above_its_parts(rows),
        *below_own_parts(rows),
        *less_for_more_work(rows),
        *implied_lengths_differ(rows, flops_at),
        *total_holds_untrained(rows),
        *faster_with_more_work(rows),
        *slower_at_same_work(rows),
        *tables_disagree(rows),
        *averages_mixed(rows, label_counts),
        *constant_answer(rows, label_counts),
        *below_constant_answer(rows, label_counts),
    )
