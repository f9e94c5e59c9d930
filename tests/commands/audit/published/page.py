"""The page of the shipped tables: ``python -m tests.commands.audit.published.page`` writes it anew.

With ``--audit`` every study is planned anew first, which takes some minutes.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from bench.commands.audit.published import Published, load
from bench.commands.audit.published.folder import shipped
from bench.commands.audit.published.quantities import TITLES
from bench.commands.audit.result import audit
from bench.plan.plan import Plan
from bench.study.request import Request
from bench.study.study import load_study
from bench.text.tables.markdown import escape
from tests.commands.audit.published.claims import VERDICTS, Claim, read_claims

PAGE = Path(__file__).parents[4] / "docs" / "published_tables.md"
#: Folders of reports/published in the order of the page.
TABLES = ("lora", "vera", "dora", "adalora", "ia3", "qlora", "galore", "fourierft", "peft", "gpu_memory")
#: Verdicts of ``tunebench audit`` by folder and quantity, as ``audited`` counts them.
VERDICT_COUNTS = Path(__file__).parent / "verdicts.json"
#: Remarks on the verdicts, judged by hand.
REMARKS = {
    "lora": "LoRA's and BitFit's rows of encoders are exact if the head is not counted; those of full fine-tuning "
    "print nominal sizes.",
    "vera": "The paper leaves the head out, so it is not counted here.",
    "fourierft": "The paper leaves the head out, so it is not counted here.",
    "dora": "No convention makes the column of Table 15 exact: 0.42 at rank 16 is of the model alone, 1.64 and 1.65 at "
    "rank 64 are of the model with the adapter, and 0.11 for DoRA at rank 4 is cut off.",
    "peft": "Both counts are exact to the unit in every row that can be planned. LN tuning in bf16 and WaveFT with its "
    "defaults cannot.",
    "gpu_memory": "Measured peaks of litgpt, optimum-benchmark and transformers. [Planning](planning.md) has the "
    "result.",
}
SAID = {"exact": "exact", "within": "within 5 %", "differs": "differing", "not checkable": "not checkable"}
HEAD = """# Published tables, audited

Ten published tables of parameter-efficient tuning lie in `reports/published/`, figures and source only.
`tunebench audit NAME` compares each with the plan of its study; a table whose models no study can plan is checked for
contradictions alone. This page lists the computations beside the printed figures. Each was judged by hand: a figure
**cannot be right** only if the same table contradicts it. `python -m tests.commands.audit.published.page` writes the
page, and the tests check every computation.

A computed value

{verdicts}

A figure that is not listed was not decided: its configuration is not stated, or the method is none that is known here.

BitFit's own paper (arXiv 2106.10199) is missing: no text of its tables was found from which figures could be taken.
Rows of BitFit are in the tables of LoRA and AdaLoRA; FourierFT takes its place. Of VeLoRA and GaLore, GaLore is here.
litgpt's own figures are in the last table.
"""


def rows_of(name: str) -> list[str]:
    """The lines of one folder's computations, as Markdown."""
    published = load(shipped()[name])
    return [_row(claim, published) for claim in read_claims(shipped()[name])]


def _row(claim: Claim, published: Published) -> str:
    number = claim.number(published)
    verdict = f"**{claim.verdict}**" if claim.verdict == "cannot be right" else claim.verdict
    value = claim.value
    shown = f"{float(100 * value):.4f} %" if number.column.unit == "%" else f"{round(value):,}"
    computation = claim.computation.replace("**", "^").replace("*", "×")
    cells = (
        claim.row.removeprefix(f"{published.tables[0].rows[0].printed[0]}, "), TITLES[claim.column], number.said(),
        f"{computation} = {shown}: {claim.meaning}", claim.convention or "–", verdict,
    )  # fmt: skip
    return "| " + " | ".join(cell if cell == verdict else escape(cell) for cell in cells) + " |"


def _verdicts(name: str) -> str:
    """How many figures of each quantity the audit found exact, within 5 %, different or not checkable."""
    counts = json.loads(VERDICT_COUNTS.read_text(encoding="utf-8")).get(name, {})
    quantities = [
        f"{TITLES[quantity]}: {', '.join(f'{number} {SAID[verdict]}' for verdict, number in verdicts.items())}"
        for quantity, verdicts in counts.items()
    ]
    return f"Audit against the plan: {'; '.join(quantities)}." if quantities else ""


def audited(name: str) -> dict[str, dict[str, int]]:
    """The verdicts of one folder's audit, by quantity; the study is planned anew."""
    published = load(shipped()[name])
    study = load_study(str(published.study))
    plan = Plan(Request(study=study), with_memory=False)
    found = audit(published, [plan.row(cell) for cell in plan.cells], {}, study=study.name, causal=())
    return {quantity: dict(sorted(verdicts.items())) for quantity, verdicts in found.counts().items()}


def section(name: str) -> str:
    """One folder: its source, what is stated, how many figures have which verdict, and the computations."""
    published, claims = load(shipped()[name]), read_claims(shipped()[name])
    total = sum(len(row.numbers) for table in published.tables for row in table.rows)
    parts = [f"## {escape(published.title)}", f"`tunebench audit {name}`. {escape(published.source)}"]
    parts.append("\n".join(f"- {escape(note)}" for note in published.notes))
    parts.append(" ".join(filter(None, (_verdicts(name), REMARKS.get(name, "")))))
    if claims:
        counts = Counter(claim.verdict for claim in claims)
        said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
        parts.append(f"{len(claims)} of {total} printed figures are computed: {said}.")
        head = "| row | quantity | printed | computed | convention | verdict |\n|---|---|---|---|---|---|\n"
        parts.append(head + "\n".join(rows_of(name)))
    return "\n\n".join(filter(None, parts))


def page() -> str:
    """The whole page."""
    verdicts = "\n".join(f"- **{verdict}**: {meaning}" for verdict, meaning in VERDICTS.items())
    return "\n\n".join([HEAD.format(verdicts=verdicts).strip(), *map(section, TABLES)]) + "\n"


if __name__ == "__main__":
    if "--audit" in sys.argv:
        planned = [name for name in TABLES if (shipped()[name] / "study.toml").exists()]
        VERDICT_COUNTS.write_text(
            json.dumps({name: audited(name) for name in planned}, indent=1) + "\n", encoding="utf-8"
        )
    PAGE.write_text(page(), encoding="utf-8")
