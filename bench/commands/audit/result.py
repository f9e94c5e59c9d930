"""An audit: published tables compared with a study's plan and, if given, a run."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.commands.audit import measured as measuring
from bench.commands.audit.compare import WITHIN, AuditedNumber, compare
from bench.commands.audit.findings import KINDS, Finding, find_all
from bench.commands.audit.infer.inference import Inference
from bench.commands.audit.lengths import FlopsAt
from bench.commands.audit.match import Matched, match
from bench.commands.audit.published.printed import Published
from bench.commands.audit.published.quantities import TITLES
from bench.commands.audit.recount import recount
from bench.plan.row import PlanRow
from bench.record.record import Record
from bench.study.catalog import catalog


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of an audit.

    Attributes:
        name: name of the published tables.
        title: title of the publication.
        source: origin of the printed numbers.
        study: name of the study whose plan was compared.
        within: relative difference up to which a number is "within".
        checks: printed numbers with their verdicts, in the order of the tables.
        findings: findings in the order of their kinds.
        unmatched: one sentence for each row that the study does not have.
        conditions: conditions of measurement; empty without a run.
        notes: what the publication states of its numbers, and one sentence for each column that is not read.
        inferences: conditions that columns of peak memory imply; empty unless they were asked for.
    """

    name: str
    title: str
    source: str
    study: str
    within: float
    checks: tuple[AuditedNumber, ...]
    findings: tuple[Finding, ...]
    unmatched: tuple[str, ...]
    conditions: str
    notes: tuple[str, ...] = ()
    inferences: tuple[Inference, ...] = ()

    def counts(self) -> dict[str, Counter[str]]:
        """The number of printed numbers with each verdict, by quantity."""
        counts: dict[str, Counter[str]] = {}
        for quantity in TITLES:
            verdicts = Counter[str](check.verdict for check in self.checks if check.quantity == quantity)
            if verdicts:
                counts[quantity] = verdicts
        return counts

    @property
    def within_text(self) -> str:
        """The verdict "within" with its limit."""
        return f"within {100 * self.within:g} %"

    def kinds(self) -> dict[str, list[Finding]]:
        """The findings by kind; kinds without findings are absent."""
        by_kind = {kind: [finding for finding in self.findings if finding.kind == kind] for kind in KINDS}
        return {kind: findings for kind, findings in by_kind.items() if findings}


def audit(
    published: Published, plan_rows: Sequence[PlanRow], label_counts: Mapping[str, Mapping[str, int]],
    measured: Sequence[Record] | None = None, flops_at: FlopsAt | None = None, *, study: str | None = None,
    causal: Collection[str] | None = None, within: float = WITHIN,
) -> Audit:  # fmt: skip
    """Compare published tables with a plan.

    Args:
        published: tables from ``load``.
        plan_rows: rows of the study's plan.
        label_counts: test texts per label, by study name of the dataset; datasets may be missing.
        measured: records of a run of the study; failed cells are left out.
        flops_at: forward FLOPs of one sequence at another length, for a row of the plan.
        study: name of the study; None: the one that the publication names.
        causal: study names of the causal language models; None: those of the catalog.
        within: relative difference up to which a number is "within", above 0 and below 1.

    Raises:
        DataError: no printed row is in the study, or a name is ambiguous.
        ValueError: ``within`` is out of range.
    """
    if not 0 < within < 1:
        raise ValueError(f"within must be above 0 and below 1, got {within}")
    if causal is None:
        causal = {name for name, entry in catalog("models").items() if entry["kind"] == "causal"}
    name = study or published.study or "given"
    rows = match(published, plan_rows, causal)
    findings = find_all(rows, label_counts, flops_at)
    means = None if measured is None else measuring.means(measured)
    checks: list[AuditedNumber] = []
    unmatched: list[str] = []
    for table in published.tables:
        of_table = [row for row in rows if row.table == table.name]
        compared: list[AuditedNumber] = []
        for row in of_table if plan_rows else ():
            if row.plan is None:
                unmatched.append(f"{table.title}, line {row.row.line}, {row.row.label}: {row.why}")
            elif table.compare:
                compared += compare(row, table.title, table.columns, means, flops_at, within)
        checks += recount(compared, of_table, within)
    notes = [*published.notes, *_without_plan(rows, plan_rows)]
    notes += [note for table in published.tables for note in table.notes]
    return Audit(
        published.name, published.title, published.source, name, within,
        tuple(_explained(check, findings) for check in checks), findings, tuple(unmatched), measuring.said(measured),
        tuple(notes),
    )  # fmt: skip


def _without_plan(rows: Sequence[Matched], plan_rows: Sequence[PlanRow]) -> list[str]:
    """That nothing is planned, if that is so, for the reader of an audit without numbers."""
    return [] if plan_rows else [f"no study is planned: the {len(rows)} rows are checked for contradictions only"]


def _explained(check: AuditedNumber, findings: Sequence[Finding]) -> AuditedNumber:
    """The number with the titles of the findings about it, unless it is exact."""
    if check.verdict == "exact":
        return check
    kinds = dict.fromkeys(KINDS[finding.kind] for finding in findings if check.place in finding.places)
    if not kinds:
        return check
    return replace(check, explanation="; ".join(filter(None, (check.explanation, f"see: {', '.join(kinds)}"))))


def summary(audit: Audit) -> str:
    """One paragraph: how many numbers of each quantity agree, and the number of findings of each kind."""
    parts = []
    for quantity, verdicts in audit.counts().items():
        total = verdicts.total()
        if verdicts["not checkable"] == total:
            parts.append(f"{TITLES[quantity]} not checkable in {total} rows")
            continue
        exact = f"{TITLES[quantity]} exact in {verdicts['exact']} of {total} rows"
        rest = [
            f"{label} in {verdicts[verdict]}"
            for verdict, label in (
                ("within", audit.within_text), ("differs", "differing"), ("not checkable", "not checkable"),
            )
            if verdicts[verdict]
        ]  # fmt: skip
        parts.append(", ".join([exact, *rest]))
    found = [f"{len(findings)} × {KINDS[kind]} ({findings[0].severity})" for kind, findings in audit.kinds().items()]
    left_out = f" {len(audit.unmatched)} printed rows are not compared." if audit.unmatched else ""
    number = f"{len(audit.findings)} finding{'' if len(audit.findings) == 1 else 's'}"
    listed = f"{number}: {'; '.join(found)}." if found else "No findings."
    return (
        f"{audit.title} against study {audit.study}: {'; '.join(parts) or 'no number is compared'}.{left_out} {listed}"
    )
