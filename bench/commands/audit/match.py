"""Match printed rows with the rows of a plan."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bench.commands.audit.published.number import Number
from bench.commands.audit.published.printed import Published, PublishedRow, normalised
from bench.errors import DataError
from bench.plan.row import PlanRow


@dataclass(frozen=True, slots=True)
class Matched:
    """A printed row and the matching row of the plan.

    Attributes:
        row: row as printed.
        dataset: its name in the study; None if the study has no such dataset.
        plan: matching row of the plan; None if there is none.
        why: reason why there is no matching row, else empty.
        causal: whether the model is a causal language model, whose inputs are prompts.
    """

    row: PublishedRow
    dataset: str | None
    plan: PlanRow | None
    why: str
    causal: bool

    @property
    def table(self) -> str:
        """Key of the table."""
        return self.row.table

    @property
    def method(self) -> str:
        """The printed name that distinguishes the row from others on the same dataset and model."""
        return self.row.printed[2] or self.row.printed[1]

    def number(self, quantity: str) -> Number | None:
        """The printed number of a quantity; None if the row prints none."""
        return self.row.numbers.get(quantity)

    @property
    def at_plan_length(self) -> bool:
        """Whether printed FLOPs refer to the plan's sequence length: it is stated, or an encoder's row states none."""
        stated = self.row.stated.sequence_length
        if self.plan is None:
            return False
        return not self.causal if stated is None else stated == self.plan.sequence_length


def match(published: Published, plan_rows: Sequence[PlanRow], causal: Collection[str]) -> tuple[Matched, ...]:
    """Find the plan's row for every printed row, by the mapping, else by name or label.

    The comparison of names and labels ignores case, spaces, dashes, underscores and dots.

    Args:
        published: printed tables.
        plan_rows: rows of the study's plan; empty if none is planned.
        causal: study names of the causal language models.

    Raises:
        DataError: no row of a compared table is in the plan, a name is ambiguous, or two rows of one table match the
            same row of the plan.
    """
    known = [_names(plan_rows, part) for part in ("dataset", "model", "method")]
    by_key = {(row.dataset, row.model, row.method): row for row in plan_rows}
    matched = tuple(_matched(row, known, by_key, causal) for table in published.tables for row in table.rows)
    compared = {table.name for table in published.tables if table.compare}
    if plan_rows and not any(row.plan for row in matched if row.table in compared):
        names = "; ".join(
            f"{part}s: {', '.join(names) or 'none'}"
            for part, names in zip(("dataset", "model", "method"), known, strict=True)
        )
        first = next(row for row in matched if row.table in compared)
        raise DataError(f"{published.name}: no row can be compared; line {first.row.line}: {first.why}; known {names}")
    seen: dict[tuple[str, str, str, str], Matched] = {}
    for row in matched:
        if row.plan is None:
            continue
        key = (row.table, row.plan.dataset, row.plan.model, row.plan.method)
        if key in seen:
            raise DataError(
                f"{published.name}, {row.table} line {row.row.line}: {row.row.label!r} is the same row of the study as "
                f"line {seen[key].row.line}; keep one"
            )
        seen[key] = row
    return matched


def _names(plan_rows: Sequence[PlanRow], part: str) -> dict[str, str]:
    return {getattr(row, part): getattr(row, f"{part}_label") for row in plan_rows}


def _matched(
    row: PublishedRow, known: Sequence[Mapping[str, str]], by_key: Mapping[tuple[str, str, str], PlanRow],
    causal: Collection[str],
) -> Matched:  # fmt: skip
    found: list[str | None] = []
    why = ""
    for part, name, mapped, names in zip(("dataset", "model", "method"), row.named, row.mapped, known, strict=True):
        study_name = None if name is None else _resolve(name, part, mapped, names, row)
        found.append(study_name)
        if name is None:
            why = why or "left out by the mapping"
        elif study_name is None:
            why = why or f"not in the study: {part} {name!r}"
    plan = None
    if None not in found:
        plan = by_key.get((str(found[0]), str(found[1]), str(found[2])))
        why = "" if plan else f"not in the study: {found[2]} on {found[1]} and {found[0]}"
    return Matched(row, found[0], plan, why, found[1] in causal)


def _resolve(name: str, part: str, mapped: bool, names: Mapping[str, str], row: PublishedRow) -> str | None:
    """The study's name: the equal one, else one that is equal when normalised, else one with an equal label."""
    if name in names or mapped:
        return name if name in names else None
    for candidates in (
        [study_name for study_name in names if normalised(study_name) == normalised(name)],
        [study_name for study_name, label in names.items() if normalised(label) == normalised(name)],
    ):
        if len(candidates) > 1:
            raise DataError(
                f"{row.table} line {row.line}, column {part}: {name!r} may be any of {', '.join(candidates)}; "
                f"print the study's name, or map it in a toml file: [{part}s]"
            )
        if candidates:
            return candidates[0]
    return None
