"""Text of a comparison's values: untrusted text is escaped, and numbers have enough digits to differ."""

import json
import re
from typing import Any

from bench.commands.compare.changes import ABSENT, Change
from bench.commands.compare.moves import Move, Rules
from bench.commands.compare.result import Comparison, counted
from bench.commands.compare.side import Side
from bench.report.analysis.significance import LEVEL, Interval
from bench.text.display import one_line
from bench.text.tables.table import DASH

LONGEST_VALUE = 60
#: Characters of context before the difference of two long values.
LEAD = 12
DIGEST = re.compile(r"[0-9a-f]{40,64}")
DIGEST_SHOWN = 12
COMMON = (
    "Median over the rows, which is taken out of each row's own difference. Noise: 99.8% interval from the deviation "
    "of single cells, because a machine may change more between two runs than within one. Worse: slower beyond noise "
    "and threshold, and the matmul of the same runs does not share it; as the matmul: it does, so the machine explains "
    "it."
)


def change_values(change: Change) -> tuple[str, str]:
    """Both values of a change, each on one line; long ones are cut to the part that differs."""
    a, b = (one_line(_value(value)) for value in (change.a, change.b))
    if one_line(a, LONGEST_VALUE) == one_line(b, LONGEST_VALUE):
        shared = next((at for at, pair in enumerate(zip(a, b, strict=False)) if len(set(pair)) > 1), 0)
        start = max(0, shared - LEAD)
        a, b = ("…" + text[start:] for text in (a, b))
    return one_line(a, LONGEST_VALUE), one_line(b, LONGEST_VALUE)


def _value(value: Any) -> str:
    if value is ABSENT:
        return "absent"
    if isinstance(value, str):
        return value[:DIGEST_SHOWN] if DIGEST.fullmatch(value) else value.strip() or '""'
    return json.dumps(_known(value), ensure_ascii=False)


def _known(value: Any) -> Any:
    """A table without null or empty values."""
    if not isinstance(value, dict):
        return value
    return {name: _known(one) for name, one in value.items() if one is not None and one != {}}


def side(name: str, one: Side) -> str:
    """One sentence about a side."""
    good = sum(record.status == "ok" for record in one.records)
    days = sorted({record.started_at[:10] for record in one.records})
    parts = [f"{name}: {one.path}, {one.kind} of study {one.study['name']}"]
    parts += [f"{counted(len(one.cells), 'cell')}, {good} ok"]
    parts += [f"{len(one.not_run)} not run yet"] if one.not_run else []
    parts.append(f"measured {' to '.join(dict.fromkeys((days[0], days[-1])))}")
    return "; ".join(parts)


def values(move: Move) -> tuple[str, str]:
    """A and B as in tables; with more digits if they would otherwise look equal."""
    texts = [DASH if value is None else move.metric.quantity.written(value, None) for value in (move.a, move.b)]
    if texts[0] == texts[1] and move.a is not None and move.b is not None and move.a != move.b:
        texts = [f"{value / move.metric.quantity.scale:.12g}" for value in (move.a, move.b)]
    return texts[0], texts[1]


def difference(move: Move) -> str:
    """B minus A as text."""
    return DASH if move.difference is None else _signed(move.difference, move.metric.kind == "quality")


def own(move: Move) -> str:
    """The part of the difference that is the row's own as text; a dash if it is all of it."""
    return DASH if move.own is None or move.own == move.difference else percent(move.own)


def noise(move: Move) -> str:
    """The interval of the difference, "none" or "unknown"."""
    if move.noise is None:
        return DASH
    if move.metric.kind in ("exact", "size"):
        return "none"
    return interval(move.noise.interval, move.metric.kind == "quality")


def interval(ends: Interval | None, absolute: bool = False) -> str:
    """An interval of differences, or "unknown"."""
    return "unknown" if ends is None else " to ".join(_signed(end, absolute) for end in ends)


def percent(change: float | None) -> str:
    """A relative difference."""
    return DASH if change is None else _signed(change, False)


def _signed(change: float, absolute: bool) -> str:
    shown, places = (change, 4) if absolute else (100 * change, 2)
    unit = "" if absolute else "%"
    small = 0 < abs(shown) < 10**-places
    return f"{shown:+.1e}{unit}" if small else f"{shown:+.{places}f}{unit}"


def caption(comparison: Comparison) -> str:
    """Explanation of the numbers and of the rules for regressions."""
    rules: Rules = comparison.rules
    limit = f"{100 * rules.threshold:g}%"
    parts = [
        "A and B: means over the n runs that both sides measured and no failed check doubts. Difference: B minus A, "
        "relative to A, of times and energies by the mean of logarithms; absolute for F1. Own: the same without the "
        "move that all rows share.",
        f"Noise: {LEVEL:.0%} interval of the row's own difference: Student's t with the deviation pooled over the "
        "rows' paired runs, corrected by Holm's method for the number of metrics and rows; for F1, also "
        "the variation between texts, if both sides keep predictions; the wider interval counts.",
        "Within noise: the interval contains 0; as all rows: so it does, and the row moved with all others.",
        f"Worse, better: beyond the noise and by more than {limit} (F1: {rules.f1_threshold:g}); moved: by less.",
        "Noise unknown: there was one seed. It is a warning and never a regression.",
        "Parameters, FLOPs and artifact size have no noise: more is worse (artifact: beyond the threshold).",
        "Other machine, other data: not judged. Other machine applies to speed, energy and memory if device, "
        "number of threads or precision differ; other data to every metric that depends on the texts if they differ.",
    ]
    if any(move.suspect for move in comparison.moves):
        counts = (
            "are compared, as --strict asks" if rules.strict
            else "are left out; if no other is left, a metric that moved is suspect and is not judged"
        )  # fmt: skip
        parts.append(f"Measurements of which a check failed {counts}.")
    if comparison.unseen_code:
        parts.append(
            "Both sides had uncommitted changes on the same commit: only changes of the method's own file are recorded."
        )
    return " ".join(parts)
