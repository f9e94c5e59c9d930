"""An audit as Markdown, csv and html; names come from files and are escaped in each."""

import re
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.commands.audit.compare import VERDICTS, Check
from bench.commands.audit.findings import KINDS
from bench.commands.audit.published.quantities import TITLES
from bench.commands.audit.result import Audit, summary
from bench.report.publish import publish
from bench.report.tables import csv_text
from bench.report.tables.render import MARKDOWN, paragraph
from bench.report.tables.table import DASH
from bench.text.display import one_line

HEADERS = (
    "Table", "Dataset", "Model", "Method", "Quantity", "Unit", "Published", "Computed", "Difference", "Measured",
    "Verdict", "Explanation",
)  # fmt: skip
NUMERIC = ("Published", "Computed", "Difference", "Measured")
#: Decimals shown beyond the printed ones, so that a reader sees which way a number was rounded.
MORE_DECIMALS = 2
TEMPLATE = "audit.html.jinja"


def to_markdown(audit: Audit) -> str:
    """GitHub Markdown: verdict counts, findings, rows left out, then every number."""
    parts = [f"# Audit: {_markdown(audit.title)}", paragraph(_markdown(audit.source)), _markdown(summary(audit))]
    parts.append(f"## Verdicts\n\n{_grid(_counts(audit), ('Quantity', *_verdict_names(audit)))}")
    parts.append("## Findings" if audit.findings else "## Findings\n\nNone.")
    for kind, findings in audit.kinds().items():
        lines = [f"- **{finding.severity}** {_markdown(finding.text)}" for finding in findings]
        parts.append(f"### {KINDS[kind]}\n\n" + "\n".join(lines))
    if audit.unmatched:
        parts.append("## Rows left out\n\n" + "\n".join(f"- {_markdown(text)}" for text in audit.unmatched))
    parts.append(f"## Every number\n\n{_grid([_shown(check, audit) for check in audit.checks], HEADERS)}")
    parts.append(_markdown(audit.conditions))
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(text: str) -> str:
    return one_line(text).translate(MARKDOWN)


def _grid(rows: list[list[str]], headers: tuple[str, ...]) -> str:
    frame = pd.DataFrame([[_markdown(text) for text in row] for row in rows], columns=list(headers), dtype="string")
    align = tuple("right" if header in NUMERIC or headers[0] == "Quantity" else "left" for header in headers[1:])
    grid = frame.to_markdown(index=False, disable_numparse=True, colalign=("left", *align))
    # Without the padding, most of a table of long explanations; cells hold single spaces alone.
    return re.sub(r"-{4,}", "---", re.sub(" {2,}", " ", grid))


def _verdict_names(audit: Audit) -> tuple[str, ...]:
    return tuple(audit.within if verdict == "within" else verdict for verdict in VERDICTS)


def _counts(audit: Audit) -> list[list[str]]:
    counts = audit.counts()
    return [[TITLES[quantity], *(str(counts[quantity][verdict]) for verdict in VERDICTS)] for quantity in counts]


def _shown(check: Check, audit: Audit) -> list[str]:
    """One number as readers see it, in the order of HEADERS, nothing escaped."""

    def number(value: float | None) -> str:
        return DASH if value is None else f"{value:.{check.decimals + MORE_DECIMALS if check.decimals else 0}f}"

    # What is left after rounding says nothing to a reader; the csv has it.
    exact = check.verdict == "exact" or check.relative_difference is None
    difference = DASH if exact else f"{check.relative_difference:+.3%}"
    verdict = audit.within if check.verdict == "within" else check.verdict
    return [
        check.table, check.dataset, check.model, check.method or DASH, TITLES[check.quantity], check.unit,
        check.published or DASH, number(check.computed), difference, number(check.measured), verdict, check.explanation,
    ]  # fmt: skip


def to_csv(audit: Audit) -> str:
    """A line a number; text that a spreadsheet would compute gets a leading apostrophe."""
    rows = [
        {
            "table": check.table, "dataset": check.dataset, "model": check.model, "method": check.method,
            "quantity": check.quantity, "unit": check.unit, "published": check.published, "computed": check.computed,
            "relative_difference": check.relative_difference, "measured": check.measured, "verdict": check.verdict,
            "explanation": check.explanation,
        }
        for check in audit.checks
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=[header.lower() for header in HEADERS]).rename(
        columns={"difference": "relative_difference"}
    )
    frame["relative_difference"] = [check.relative_difference for check in audit.checks]
    for column in ("table", "dataset", "model", "method", "explanation"):
        frame[column] = [csv_text.safe(text) for text in frame[column]]
    return str(frame.to_csv(index=False, lineterminator="\n"))


def to_html(audit: Audit) -> str:
    """One page that needs nothing else: no script, no network, light or dark as the reader's system is."""
    loader = FileSystemLoader(Path(__file__).parent)
    template = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True).get_template(
        TEMPLATE
    )
    return template.render(
        audit=audit,
        summary=summary(audit),
        verdicts=_verdict_names(audit),
        counts=_counts(audit),
        kinds=[(KINDS[kind], findings) for kind, findings in audit.kinds().items()],
        headers=HEADERS,
        numeric=[header in NUMERIC for header in HEADERS],
        rows=[(check.verdict.replace(" ", "-"), _shown(check, audit)) for check in audit.checks],
    )


def write(audit: Audit, folder: Path) -> list[Path]:
    """Write audit.md, audit.csv and audit.html into a folder, all or none; return their paths.

    Raises:
        RunFolderError: a file cannot be written.
    """
    contents = {"audit.md": to_markdown(audit), "audit.csv": to_csv(audit), "audit.html": to_html(audit)}
    return publish(folder, {name: text.encode() for name, text in contents.items()})
