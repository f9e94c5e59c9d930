"""Quantities of quality."""

from bench.record.record import Record
from bench.report.analysis.quantities import readers
from bench.report.analysis.quantities.quantity import Axis, Brief, Place, Quantity


def _share(name: str, header: str, meaning: str, **places: int) -> Quantity:
    """A score between 0 and 1 over the evaluated texts."""
    appears: dict[Place, int] = {"table2": places["shown"]} if "shown" in places else {}
    return Quantity(
        name, header, readers.at(f"quality.{name}"), ("quality", f"quality.{name}"), 4, True, largest=1, frame=name,
        meaning=meaning, better="higher", places={**appears, "table2 csv": places["csv"]},
    )  # fmt: skip


def _no_answers(record: Record) -> str | None:
    return "an encoder writes no answers" if record.cell.model.kind == "encoder" else None


def _wrote(record: Record) -> bool:
    return record.generation is not None


QUALITY = (
    Quantity(
        "macro_f1", "F1\n(macro)", readers.macro_f1, ("quality", "quality.macro_f1"), 4, True, largest=1,
        frame="macro_f1", meaning="over the fixed label set; causal: by label likelihood", better="higher",
        kind="quality", axis=Axis("Macro F1", spread=True), brief=Brief("F1\nmacro", 4),
        places={
            "table2": 4, "table2 csv": 4, "table3": 10, "repeatability": 1, "charts": 1, "summary": 1, "compare": 10,
        },
    ),
    _share("weighted_f1", "F1\n(weighted)", "F1 weighted by label counts", csv=5),
    _share("accuracy", "Accuracy", "share of texts answered right", shown=1, csv=1),
    _share("macro_precision", "Precision\n(macro)", "mean over labels", shown=2, csv=2),
    _share("macro_recall", "Recall\n(macro)", "mean over labels", shown=3, csv=3),
    Quantity(
        "majority_macro_f1", "", readers.at("quality.majority_macro_f1"), ("quality",), 4, frame="majority_macro_f1",
        meaning="baseline: always the most frequent label",
    ),
    Quantity(
        "validation_macro_f1", "F1 validation\n(macro)", readers.at("validation_macro_f1"),
        ("validation_macro_f1",), 4, frame="validation_macro_f1",
        meaning="after training, on the validation split", better="higher", kind="quality", places={"compare": 12},
    ),
    Quantity(
        "generated_macro_f1", "F1 generated\n(macro)", readers.at("generation.quality.macro_f1"),
        ("generation.quality.macro_f1", "generation.quality", "generation"), 4, True, largest=1, explain=_no_answers,
        frame="generated_macro_f1", meaning="causal: by what the model writes", better="higher", kind="quality",
        places={"table3": 11, "compare": 11}, wanted=_wrote,
    ),
    Quantity(
        "parse_failure_percent_mean", "Parse failures\n(%)", readers.at("generation.parse_failure_fraction"),
        ("generation.parse_failure_fraction", "generation"), 1, explain=_no_answers, convert=readers.times(100),
        frame="parse_failure_fraction", meaning="answers with no label or several", better="lower",
        places={"table3": 12}, wanted=_wrote,
    ),
)  # fmt: skip
"""Quantities computed from predictions and generated answers, in the order of the data frame."""
