"""Parameter counts that are not possible for the method they are printed for."""

from collections.abc import Sequence
from itertools import permutations

from bench.commands.audit.conventions import candidates
from bench.commands.audit.feasibility.printing import interval, prints
from bench.commands.audit.findings.finding import Finding, by_dataset_and_model, finding, listed
from bench.commands.audit.match import Matched
from bench.commands.audit.published.number import Number
from bench.plan.row import PlanRow

COUNTS = ("trainable_params", "total_params")


def more_trained_than_there(rows: Sequence[Matched]) -> list[Finding]:
    """Rows that print more trainable than total parameters."""
    found = []
    for row in rows:
        trainable, total = row.number("trainable_params"), row.number("total_params")
        if not (trainable and total) or _counted_otherwise(row):
            continue
        if interval(trainable)[0] > interval(total)[1]:
            text = f"{row.row.label}: {trainable.said()} are trained out of {total.said()}."
            concerned = [(row, "trainable_params"), (row, "total_params")]
            found.append(finding("more_trained_than_there", "impossible", concerned, text))
    return found


def _counted_otherwise(row: Matched) -> bool:
    """Whether each of the two counts is what some way of counting gives, perhaps not the same for both."""
    pairs = [(quantity, number) for quantity in COUNTS if (number := row.number(quantity))]
    return row.plan is not None and all(_fits_some_way(row.plan, quantity, number) for quantity, number in pairs)


def _fits_some_way(plan: PlanRow, quantity: str, number: Number) -> bool:
    value = plan.trainable_params if quantity == "trainable_params" else plan.total_params
    if value is None:
        return False
    ways = [way.counted(quantity, plan, value, number) for group in candidates(quantity, {}) for way in group]
    return any(count is not None and prints(number, count) for count in ways)


def total_holds_untrained(rows: Sequence[Matched]) -> list[Finding]:
    """Rows that train nothing but whose printed total includes another method's trainable parameters."""
    same: dict[tuple[str, ...], list[tuple[Matched, str]]] = {}
    for group in by_dataset_and_model(rows):
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
        finding(
            "total_holds_untrained", "inconsistent", places,
            f"{text} Printed for {listed([row.row.printed[0] for row, _ in places])}.",
        )
        for (_, text), places in same.items()
    ]  # fmt: skip
