"""An audit as Markdown, csv and HTML; names come from files and are escaped in each."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.commands.audit.compare import MANY_TIMES, VERDICTS, AuditedNumber
from bench.commands.audit.findings import KINDS
from bench.commands.audit.published.quantities import TITLES
from bench.commands.audit.result import Audit, summary
from bench.report.publish import publish
from bench.text.html_page import page_template
from bench.text.tables.csv_text import csv_lines
from bench.text.tables.markdown import escape, paragraph, table_grid
from bench.text.tables.table import DASH, Column, Table, Values

#: Columns of the csv file.
COLUMNS = (
    "table", "dataset", "model", "method", "quantity", "unit", "published", "computed", "relative_difference",
    "measured", "verdict", "explanation",
)  # fmt: skip
#: Decimals shown beyond the printed ones, so that a reader sees which way a number was rounded.
MORE_DECIMALS = 2
TEMPLATE = "audit.html.jinja"


def to_markdown(audit: Audit) -> str:
    """The audit as GitHub Markdown: verdict counts, findings, rows left out, then every number."""
    parts = [f"# Audit: {escape(audit.title)}", paragraph(escape(audit.source)), escape(summary(audit))]
    parts.append(f"## Verdicts\n\n{_narrow(count_table(audit))}")
    parts.append("## Findings" if audit.findings else "## Findings\n\nNone.")
    for kind, findings in audit.kinds().items():
        lines = [f"- **{finding.severity}** {escape(finding.text)}" for finding in findings]
        parts.append(f"### {KINDS[kind]}\n\n" + "\n".join(lines))
    if audit.notes:
        parts.append("## Notes\n\n" + "\n".join(f"- {escape(text)}" for text in audit.notes))
    for inference in audit.inferences:
        first, *others = (escape(line) for line in inference.lines())
        parts.append(f"## Inferred conditions\n\n{first}\n\n" + "\n".join(f"- {line}" for line in others))
    if audit.unmatched:
        parts.append("## Rows left out\n\n" + "\n".join(f"- {escape(text)}" for text in audit.unmatched))
    parts.append(f"## Every number\n\n{_narrow(check_table(audit))}")
    parts.append(escape(audit.conditions))
    return "\n\n".join(part for part in parts if part) + "\n"


def _narrow(table: Table) -> str:
    # Padding would be most of a table with long explanations. Cells contain no double spaces.
    return re.sub(r"-{4,}", "---", re.sub(" {2,}", " ", table_grid(table, table.columns)))


def count_table(audit: Audit) -> Table:
    """The number of printed numbers with each verdict, one row per quantity."""
    rows = [{"quantity": TITLES[quantity], **counts} for quantity, counts in audit.counts().items()]
    headers = {verdict: audit.within_text if verdict == "within" else verdict for verdict in VERDICTS}
    columns = tuple(Column(name, header, partial(_count, name)) for name, header in headers.items())
    return Table(title="Verdicts", heads={"quantity": "Quantity"}, columns=columns, rows=rows)


def _count(verdict: str, row: Values) -> str:
    return str(row.get(verdict, 0))


def check_table(audit: Audit) -> Table:
    """Every number of the audit, one row each."""

    def number(name: str) -> Callable[[Values], str]:
        return lambda row: DASH if row[name] is None else f"{row[name]:.{row['decimals']}f}"

    def verdict(row: Values) -> str:
        return audit.within_text if row["verdict"] == "within" else str(row["verdict"])

    columns = (
        _words("dataset"), _words("model"), Column("method", "Method", lambda row: row["method"] or DASH, prose=True),
        Column("quantity", "Quantity", lambda row: TITLES[row["quantity"]], prose=True), _words("unit"),
        Column("published", "Published", lambda row: row["published"] or DASH),
        Column("computed", "Computed", number("computed")), Column("difference", "Difference", _difference),
        Column("measured", "Measured", number("measured")), Column("verdict", "Verdict", verdict, prose=True),
        _words("explanation"),
    )  # fmt: skip
    return Table(title="Every number", heads={"table": "Table"}, columns=columns, rows=list(map(_row, audit.checks)))


def _words(name: str) -> Column:
    return Column(name, name.capitalize(), lambda row: str(row[name]), prose=True)


def _row(check: AuditedNumber) -> dict[str, Any]:
    fields = {name: getattr(check, name) for name in (*COLUMNS, "decimals")}
    return fields | {"decimals": check.decimals + MORE_DECIMALS if check.decimals else 0}


def _difference(row: Values) -> str:
    # For an exact number only rounding remains; the csv file has it.
    exact = row["verdict"] == "exact" or row["relative_difference"] is None
    if exact:
        return DASH
    difference = row["relative_difference"]
    return f"× {1 + difference:.3g}" if difference > MANY_TIMES else f"{difference:+.3%}"


def to_csv(audit: Audit) -> str:
    """The audit as csv, one line per number; text that looks like a formula gets a leading apostrophe."""
    return csv_lines(COLUMNS, ([getattr(check, name) for name in COLUMNS] for check in audit.checks))


def to_html(audit: Audit) -> str:
    """The audit as one self-contained HTML page without scripts, in light or dark mode."""
    counts, checks = count_table(audit), check_table(audit)
    return page_template(Path(__file__).parent / TEMPLATE).render(
        audit=audit,
        summary=summary(audit),
        counts=counts,
        kinds=[(KINDS[kind], findings) for kind, findings in audit.kinds().items()],
        checks=checks,
        numeric=[False, *(not column.prose for column in checks.columns)],
        rows=zip([check.verdict.replace(" ", "-") for check in audit.checks], checks.shown(), strict=True),
    )


def write(audit: Audit, folder: Path) -> list[Path]:
    """Write audit.md, audit.csv and audit.html into a folder, all or none, and return their paths.

    Raises:
        RunFolderError: a file cannot be written.
    """
    contents = {"audit.md": to_markdown(audit), "audit.csv": to_csv(audit), "audit.html": to_html(audit)}
    return publish(folder, {name: text.encode() for name, text in contents.items()})
