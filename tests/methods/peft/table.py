"""The table of peft's types: ``python -m tests.methods.peft.table`` tries each type and writes both files anew."""

import json
import warnings
from pathlib import Path
from typing import Any

import peft
import torch
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from bench.commands.check.specimen import Specimen
from tests.methods.peft.trials import MODELS, NEEDED, Trial, attempt, models

ROOT = Path(__file__).parents[3]
RESULTS, PAGE = ROOT / "methods" / "peft" / "tested.json", ROOT / "docs" / "peft_types.md"
TYPES = sorted(peft_type.value for peft_type in PEFT_TYPE_TO_CONFIG_MAPPING)
LONGEST_REASON = 200
HEAD = """# The types of peft

Each type of peft {version} on tiny models with random weights: BERT and RoBERTa, Llama, and Llama in 4 bits (NF4).
A type works if it trains, peft alone reads the artifact with equal scores, and the model prepared for inference,
merged where peft can, gives equal scores. `tests/methods/peft/` compares the table and writes it anew. Types in
italics got other options, because their defaults train nothing or do not fit models so small.

| type | encoder | causal | 4-bit | merges |
|---|---|---|---|---|
"""


def tried(peft_type: str) -> dict[str, Any]:
    """Whether a type merges, and by kind of model an empty text or the reason why it does not work there."""
    options = {"peft_type": peft_type, **NEEDED.get(peft_type, {})}
    found: dict[str, Any] = {"merges": False}
    for kind in MODELS:
        trials = [_outcome(options, specimen) for specimen in models(kind)]
        found[kind] = next((shortened(trial.reason) for trial in trials if trial.reason), "")
        found["merges"] = found["merges"] or any(trial.merges for trial in trials)
    return found


def _outcome(options: dict[str, Any], specimen: Specimen) -> Trial:
    """The outcome on one model; an error of peft while it trains, saves or merges is one too."""
    try:
        return attempt(options, specimen)
    except Exception as error:
        return Trial(f"{type(error).__name__}: {error}")


def shortened(reason: str) -> str:
    """The first line of a reason, without the version of peft that the page names."""
    return reason.splitlines()[0].removeprefix(f"peft {peft.__version__} ")[:LONGEST_REASON] if reason else ""


def page(results: dict[str, Any]) -> str:
    """The page of the documentation."""
    lines, reasons = [], []
    for peft_type, found in results["types"].items():
        cells = ["yes" if found[kind] == "" else "–" for kind in MODELS]
        name = f"*{peft_type}*" if peft_type in NEEDED else peft_type
        lines.append(f"| {name} | {' | '.join(cells)} | {'yes' if found['merges'] else '–'} |")
        for reason in dict.fromkeys(found[kind] for kind in MODELS if found[kind]):
            kinds = ", ".join(kind for kind in MODELS if found[kind] == reason)
            reasons.append(f"- {peft_type}, {kinds}: `{reason.replace('`', '')}`")
    head = HEAD.format(version=results["peft"])
    return head + "\n".join(lines) + "\n\n## Reasons\n\n" + "\n".join(reasons) + "\n"


def main() -> None:
    """Try every type, and write the results and the page."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    results = {"peft": peft.__version__, "types": {peft_type: tried(peft_type) for peft_type in TYPES}}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
