"""Scores that are impossible, averaged in different ways, or equal to a constant answer's."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from bench.commands.audit.feasibility.printing import interval
from bench.commands.audit.findings.finding import Finding, Severity, finding, listed
from bench.commands.audit.findings.integers import no_common_averaging
from bench.commands.audit.match import Matched
from bench.commands.audit.published.number import Number
from bench.commands.audit.published.quantities import FRACTIONS


def f1_above_its_parts(rows: Sequence[Matched]) -> list[Finding]:
    """Rows whose F1 exceeds the harmonic mean of their precision and recall.

    The harmonic mean is concave, so a macro or weighted average of F1 over classes is at most the harmonic mean of the
    equally averaged precision and recall (Jensen's inequality); of a single class it is equal. It accuses only if the
    publication states that the three are averaged alike: a weighted F1 may be higher beside macro precision and recall.
    """
    found = []
    for row in rows:
        f1, precision, recall = row.number("f1"), row.number("precision"), row.number("recall")
        if not (f1 and precision and recall):
            continue
        most = _harmonic(interval(precision)[1], interval(recall)[1])
        if interval(f1)[0] > most:
            text = (
                f"{row.row.label}: F1 {f1.said()} is above {float(most):.4f}, the harmonic mean of precision "
                f"{precision.said()} and recall {recall.said()} with all rounding or truncation in its favour. An F1 "
                "of one class, or averaged over classes as precision and recall are, cannot exceed it."
            )
            severity: Severity = "inconsistent"
            if row.row.stated.averaging is None:
                severity = "note"
                text += " Either the three are not averaged alike, or one is wrong."
            concerned = [(row, name) for name in ("f1", "precision", "recall")]
            found.append(finding("f1_above_its_parts", severity, concerned, text))
    return found


def _harmonic(left: Fraction, right: Fraction) -> Fraction:
    return 2 * left * right / (left + right) if left + right else Fraction(0)


def averages_mixed(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Tables where recall is accuracy in some rows of a dataset and not in others.

    A support-weighted recall always equals the accuracy; so does a macro recall if all classes are equally frequent. A
    recall that differs from the accuracy is averaged in another way or is that of one class.
    """
    groups: dict[tuple[str, str], list[Matched]] = {}
    for row in rows:
        if row.number("accuracy") and row.number("recall"):
            groups.setdefault((row.table, row.dataset or row.row.printed[0]), []).append(row)
    found = []
    for (_, dataset), group in groups.items():
        same: list[Matched] = []
        other: list[Matched] = []
        for row in group:
            pair = row.number("accuracy"), row.number("recall")
            if pair[0] and pair[1]:
                (other if pair[0].low > pair[1].high or pair[1].low > pair[0].high else same).append(row)
        if not same or not other:
            continue
        counts = label_counts.get(dataset, {})
        balanced = len(set(counts.values())) == 1
        otherwise = (
            "it can be neither a weighted nor a macro average there, all classes being equally frequent: it is of one"
            " class"
            if balanced
            else "it cannot be a weighted average there"
        )
        certain = no_common_averaging(group, label_counts)
        certainly = "No one average fits all of these rows, so " if certain else "Unless the two are equal by chance, "
        severity: Severity = "inconsistent" if certain else "note"
        text = (
            f"{group[0].row.printed[0]}: recall equals accuracy in {listed([row.method for row in same])}, as it does "
            f"when classes are weighted by their frequency; it does not in {listed([row.method for row in other])}, so "
            f"{otherwise}. {certainly}the F1 of the two groups are not the same statistic."
        )
        concerned = [(row, quantity) for row in group for quantity in FRACTIONS if row.number(quantity)]
        found.append(finding("averages_mixed", severity, concerned, text))
    return found


def _constants(counts: Mapping[str, int]) -> dict[str, Decimal]:
    """Macro F1 of always answering one class, by class: precision n/N and recall 1 for it, 0 for the others."""
    total = sum(counts.values())
    return {label: Decimal(2 * count) / Decimal((count + total) * len(counts)) for label, count in counts.items()}


def _against_constants(
    rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[Matched, Number, Mapping[str, int], dict[str, Decimal]]]:
    for row in rows:
        f1, counts = row.number("f1"), label_counts.get(row.dataset or "")
        if f1 and counts and sum(counts.values()):
            yield row, f1, counts, _constants(counts)


def constant_answer(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Rows whose F1 equals, to the printed digits, the macro F1 of always answering one class."""
    found = []
    for row, f1, counts, constants in _against_constants(rows, label_counts):
        names = [label for label, value in constants.items() if f1.fits(value)]
        if not names:
            continue
        best = max(constants.values())
        rank = "the best constant answer" if f1.fits(best) else f"below the best constant answer, {float(best):.4f}"
        said = listed([f"{label!r} ({counts[label]} of {sum(counts.values())} texts)" for label in names])
        each = "every text is one of" if len(names) > 1 else "every text is"
        text = (
            f"{row.row.label}: F1 {f1.said()} is the macro F1 of answering that {each} {said}, "
            f"{float(constants[names[0]]):.6f}; {rank}. Such a row shows no sign of having learned anything."
        )
        found.append(finding("constant_answer", "note", [(row, "f1")], text))
    return found


def below_constant_answer(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Rows whose F1 is below that of the best constant answer and equals that of no constant answer."""
    found = []
    for row, f1, counts, constants in _against_constants(rows, label_counts):
        label = max(constants, key=lambda name: constants[name])
        if f1.high >= constants[label] or any(f1.fits(value) for value in constants.values()):
            continue
        text = (
            f"{row.row.label}: F1 {f1.said()} is below {float(constants[label]):.6f}, the macro F1 of always answering "
            f"{label!r} ({counts[label]} of {sum(counts.values())} texts)."
        )
        found.append(finding("below_constant_answer", "note", [(row, "f1")], text))
    return found
