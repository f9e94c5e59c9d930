"""Results in which every foreign text attacks the page."""

from typing import Any

from bench.method.insight import Chart, Insight
from bench.record.record import Record
from bench.report.results.measured import Evidence, Measured, Shown
from bench.report.results.run import Results, Run
from bench.report.results.step_curve import StepCurve
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.predicted import study

#: Runs code or breaks the page if it is parsed as markup; tests look for window.harmed.
MARKUP = "</script></style></title><img src=x onerror='window.harmed=1'><script>window.harmed=2</script><!--"
ADDRESS = "javascript:window.harmed=3"
QUOTES = "\"'`> onmouseover=window.harmed=4 {{7*7}} ${window.harmed=5}"
UNSEEN = "\u202eevil\u200f\x00\x1b]0;x\x07\u2028\u2029"
LONG = "x" * 5000
TEXTS = (MARKUP, ADDRESS, QUOTES, UNSEEN, LONG)
TEXT = " ".join(TEXTS)


def hostile(make_record: MakeRecord) -> Results:
    """A run of hostile cells: measured, causal and failed."""
    cells = []
    for at, text in enumerate((*TEXTS, "__proto__", "constructor")):
        given: dict[str, Any] = {"dataset": f"{text} data", "model": f"{text} model", "method": f"{text} method",
                                 "method_name": f"method {at}", "options": {text: text, "__proto__": 1}}  # fmt: skip
        cells.append(_measured(make_record(**given), text))
        cells.append(_measured(make_record(**given, kind="causal", generated_f1=0.5, seed=1), text))
        cells.append(
            Measured(make_record("error", message=TEXT, phase=text, seed=2, **given), Evidence(text, log=TEXT))
        )
    settings = study(title=MARKUP + UNSEEN, notes=TEXT)
    ids = tuple(record.cell_id for record, _ in cells)
    return Results((Run(settings, f"tunebench run {TEXT}", "", ids, tuple(cells)),), "0" * 64)


def _measured(record: Record, text: str) -> Measured:
    assert record.machine is not None
    machine = record.machine.model_dump() | {"cpu": text, "gpu": text, "driver": text, "system": text, "commit": text}
    machine |= {"packages": {"tunebench": text, text: text}}
    matrix = {"labels": [text], "texts": [[8, 1]]}
    quality = known(record.quality).model_dump() | {"f1_by_label": {text: 0.5}, "label_counts": {text: 9}}
    quality |= {"confusion": matrix}
    fields = {
        "machine": machine, "quality": quality, "warnings": [text, TEXT], "unknown": {text: text, "generation": text},
        "insights": {text: "\ud800", "__proto__": [text]}, "started_at": text,
        "data": known(record.data).model_dump() | {"labels": [text, "b"], "rows": {text: 1}, "sha256": text},
        "checks": [{"name": text, "verdict": "suspect", "found": TEXT}],
        "cell_id": f"{text}-{record.cell.seed}",
    }  # fmt: skip
    changed = Record.model_validate(record.model_dump() | fields)
    curve = StepCurve(name="train", last_step=(1, 2), elapsed_seconds=(1, 2), tokens_per_second=(1, 2), loss=(2, 1))
    columns: dict[str, Any] = {"x": (text, "b"), "y": (1.0, 2.0), text: (text, None)}
    chart = Chart(kind="bars", x="x", y="y", colour="x", x_label=text, y_label=TEXT)
    parts = [
        Insight(name="drawn", title=text[:200], caption=TEXT, columns=columns, chart=chart),
        Insight(name="bare", title=text[:200], caption=text, columns=columns),
    ]
    evidence = Evidence(text, (curve,), tuple(Shown(part=one) for one in parts), troubles=(TEXT,), log=TEXT)
    return Measured(changed, evidence)
