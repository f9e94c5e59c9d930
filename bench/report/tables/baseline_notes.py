"""What tables and summaries say about rows beside the best baseline."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report.analysis.baseline_comparison import AgainstBaseline
from bench.report.analysis.significance import LEVEL, Direction
from bench.report.tables.footnotes import Notes
from bench.report.tables.scores import F1, detectable
from bench.text.display import one_line

#: Text columns of the frame.
TEXTS = ("best_baseline", "against_baseline")
#: The interval of a row's F1 minus the best baseline's, and the p-value of the difference.
NUMBERS = ("baseline_difference_low", "baseline_difference_high", "baseline_adjusted_p_value")
#: What became of the best baseline beside a row.
SHORT: dict[Direction, str] = {
    "higher": "beaten", "lower": "not reached", "no significant difference": "not beaten", "unknown": "unknown",
}  # fmt: skip
CAPTION = (
    "Best baseline: of the rows without a model, the one with the highest F1 on the dataset. A row beats it if its F1 "
    f"is significantly higher, at the level of {1 - LEVEL:.0%} in a paired t test over texts and seeds, corrected by "
    "Holm's method for all rows of the table."
)


def columns(
    at: int, own: AgainstBaseline | None, names: Sequence[str], notes: Notes, content: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The comparison of one row for the frame; adds its footnote.

    Args:
        at: index of the row.
        own: comparison of the row; None without one.
        names: label of the method of each row.
        notes: footnotes of the table.
        content: numbers of the rows.
    """
    if own is None:
        return dict.fromkeys(TEXTS, "") | dict.fromkeys(NUMBERS, None)
    decision = own.decision
    baseline = f"{names[own.baseline]} ({content[own.baseline][f'{F1}_mean']:.4f})"
    notes.add(at, F1, sentence(own, baseline))
    low, high = decision.estimate.interval if decision.estimate else (None, None)
    return {
        "best_baseline": names[own.baseline], "against_baseline": decision.direction,
        "baseline_difference_low": low, "baseline_difference_high": high, "baseline_adjusted_p_value": decision.p_value,
    }  # fmt: skip


def sentence(own: AgainstBaseline, baseline: str) -> str:
    """Whether one row beats the best baseline."""
    decision = own.decision
    if decision.direction == "higher":
        return f"beats the best baseline, {baseline}"
    if decision.direction == "lower":
        return f"lower than the best baseline, {baseline}"
    if decision.direction == "unknown":
        return one_line(f"unknown whether it beats the best baseline, {baseline}: {decision.reason}", 300)
    return f"does not beat the best baseline, {baseline}{detectable(decision.detectable)}"


def summary(found: Sequence[AgainstBaseline | None], names: Sequence[str]) -> str:
    """How many rows beat the best baseline, as a sentence; empty if none was compared.

    Args:
        found: comparison of each row.
        names: label of the method of each row.
    """
    compared = [one for one in found if one is not None]
    if not compared:
        return ""
    better = sum(one.decision.direction == "higher" for one in compared)
    unknown = [one.decision.reason for one in compared if one.decision.direction == "unknown"]
    best = list(dict.fromkeys(names[one.baseline] for one in compared))
    of = (
        f"the best baseline, {best[0]}" if len(best) == 1 else f"the best baseline of their dataset ({', '.join(best)})"
    )
    verb = "beats" if better == 1 else "beat"
    said = f"{better} of {len(compared)} {'row' if len(compared) == 1 else 'rows'} {verb} {of}"
    return said + (f"; unknown for {len(unknown)}: {one_line(unknown[0], 120)}" if unknown else "")
