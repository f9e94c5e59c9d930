"""The table of architectures: ``python -m tests.methods.architectures.table`` tries each one and writes it anew."""

import re
import warnings
from pathlib import Path

import torch

from bench.errors import UnsupportedError
from bench.method import Method
from tests.methods.architectures.configs import CONFIGS
from tests.methods.architectures.trials import attempt, counts_agree, experts, lora

PAGE = Path(__file__).parents[3] / "docs" / "architectures.md"
LONGEST_REASON = 260
HEAD = """# LoRA and experts by architecture

Tiny models with random weights and a classification head, one of each architecture of transformers that was tried.

- LoRA takes the layers that peft knows for the architecture, otherwise query and value of self-attention, otherwise all
  linear layers of self-attention. The record of a cell names them (`choices`).
- Experts: the first module of the encoder that they replace, and the number of blocks.
- Both start as the plain model: scores are equal to 1e-5 of the largest, of a padded text too if padding does not
  change the plain model's score. Both have the same parameters without weights.
- FLOPs: whether the two counts of FLOPs agree for the model with experts.

`tests/methods/architectures/` compares the table and writes it anew. Other architectures are searched in the same way
when they are used.

| architecture | LoRA takes | experts replace | FLOPs |
|---|---|---|---|
"""


def row(name: str) -> list[str]:
    """The line of an architecture, and the reasons of its dashes."""
    reasons: list[str] = []
    targets = _tried(name, "LoRA", lora(), reasons).get("target_modules", [])
    blocks = _tried(name, "experts", experts(), reasons).get("blocks", [])
    flops = "–"
    if blocks:
        failed = counts_agree(name, experts())
        flops = "–" if failed else "yes"
        reasons += [f"- {name}: FLOPs: `{failed}`"] if failed else []
    taken = ", ".join(f"`{target}`" for target in targets) or "–"
    replaced = f"`{blocks[0]}` ({len(blocks)})" if blocks else "–"
    return [f"| {name} | {taken} | {replaced} | {flops} |", *reasons]


def _tried(name: str, what: str, method: Method, reasons: list[str]) -> dict[str, list[str]]:
    try:
        return attempt(name, method)
    except UnsupportedError as error:
        said = re.sub(r"\s+", " ", str(error)).replace("`", "")[:LONGEST_REASON]
        reasons.append(f"- {name}: {what}: `{said}`")
        return {}


def page() -> str:
    """The page of the documentation."""
    rows = [row(name) for name in CONFIGS]
    reasons = [reason for _, *found in rows for reason in found]
    return HEAD + "\n".join(line for line, *_ in rows) + "\n\n## Reasons\n\n" + "\n".join(reasons) + "\n"


def main() -> None:
    """Try every architecture, and write the page."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
