"""Scores that no counts of right answers give: a wrong digit, other texts than the split's, or several runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from bench.commands.audit.feasibility import binary, multiclass
from bench.commands.audit.feasibility.left_out import MOST_LEFT_OUT, fewest_left_out
from bench.commands.audit.feasibility.printing import PRINTINGS, Interval, Printing, interval
from bench.commands.audit.feasibility.right_answers import fewer_answers, fitting, power
from bench.commands.audit.findings.finding import Finding, Severity, finding, listed
from bench.commands.audit.match import Matched
from bench.commands.audit.published.number import Number
from bench.commands.audit.published.quantities import TITLES

SCORES = ("accuracy", "precision", "recall", "f1")
#: Smaller numbers of texts, and numbers of runs, that a finding names.
MOST_NAMED, MOST_RUNS = 4, 10


@dataclass(frozen=True, slots=True)
class Scored:
    """A row that prints an accuracy on a split whose class counts are known.

    Attributes:
        row: the row.
        accuracy: its printed accuracy.
        sizes: texts of each class.
    """

    row: Matched
    accuracy: Number
    sizes: tuple[int, ...]

    @property
    def num_texts(self) -> int:
        """Texts of the split."""
        return sum(self.sizes)

    @property
    def runs(self) -> int | None:
        """Runs of which the scores are the mean; None if it is not known."""
        trains = self.row.plan is None or self.row.plan.trains
        return self.row.row.stated.runs or (None if trains else 1)

    @property
    def severity(self) -> Severity:
        """How certain an accusation is that holds for one run over all texts of the split."""
        if self.row.row.stated.runs is not None:
            return "impossible"
        return "note" if self.runs is None else "inconsistent"

    @property
    def averagings(self) -> tuple[binary.Averaging, ...]:
        """The ways in which precision, recall and F1 may be averaged."""
        stated = self.row.row.stated.averaging
        return binary.AVERAGINGS if stated is None else (stated,)

    def intervals(self, printing: Printing) -> dict[str, Interval]:
        """The values that print as the row's scores, by one way of printing."""
        numbers = {score: self.row.number(score) for score in SCORES}
        return {score: interval(number, printing) for score, number in numbers.items() if number}

    def said(self) -> str:
        """The row's scores in one phrase."""
        numbers = [(TITLES[score].lower(), self.row.number(score)) for score in SCORES]
        return listed([f"{'F1' if title == 'f1' else title} {number.said()}" for title, number in numbers if number])


def scored(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> Iterator[Scored]:
    """The rows whose scores can be held against counts; ranges and means with a spread are left out."""
    for row in rows:
        accuracy, counts = row.number("accuracy"), label_counts.get(row.dataset or "", {})
        if accuracy and sum(counts.values()) and all(map(_is_single, filter(None, map(row.number, SCORES)))):
            yield Scored(row, accuracy, tuple(counts.values()))


def _is_single(number: Number) -> bool:
    return number.spread is None and not number.half_width


def accuracy_without_count(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Rows whose accuracy is no number of right answers over the texts of the split, neither rounded nor cut."""
    found = []
    for each in scored(rows, label_counts):
        answers = each.num_texts * (each.runs or 1)
        if fitting(each.accuracy, answers):
            continue
        text = (
            f"{each.row.row.label}: accuracy {each.accuracy.said()} is no number of right answers out of "
            f"{answers:,}, neither rounded nor cut.{_would_fit(each)}"
        )
        found.append(finding("accuracy_without_count", each.severity, [(each.row, "accuracy")], text))
    return found


def _would_fit(each: Scored) -> str:
    fewer = [f"{count:,}" for count in islice(fewer_answers(each.accuracy, each.num_texts), MOST_NAMED)]
    left_out = (
        f" It would fit if answers were left out, for example as unparsable, so that {', '.join(fewer)} or some "
        "smaller numbers remained."
        if fewer
        else ""
    )
    if each.runs is not None:
        return left_out
    runs = [s for s in range(2, MOST_RUNS + 1) if fitting(each.accuracy, s * each.num_texts)]
    return f"{left_out} The number of runs is not stated; the mean of {runs[0]} runs would fit." if runs else left_out


def accuracy_cut(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Rows whose accuracy fits only if its digits are cut, in tables where others fit only if they are rounded."""
    found = []
    for group in _by_table(scored(rows, label_counts)).values():
        ways = [(each, fitting(each.accuracy, each.num_texts * (each.runs or 1))) for each in group]
        rounded = [each for each, way in ways if way == ("rounding",)]
        for each in (each for each, way in ways if way == ("truncation",) and rounded):
            text = (
                f"{each.row.row.label}: accuracy {each.accuracy.said()} is a number of right answers out of "
                f"{each.num_texts * (each.runs or 1):,} only if its digits are cut, not rounded, but that of "
                f"{listed([other.row.row.label for other in rounded[:3]])} only if they are rounded."
            )
            found.append(finding("accuracy_cut", "note", [(each.row, "accuracy")], text))
    return found


def _by_table(rows: Iterator[Scored]) -> dict[str, list[Scored]]:
    groups: dict[str, list[Scored]] = {}
    for each in rows:
        groups.setdefault(each.row.table, []).append(each)
    return groups


def no_confusion_matrix(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Rows whose scores no confusion matrix of the split's class counts gives, whatever their averages are."""
    found = []
    for each in scored(rows, label_counts):
        answers = each.num_texts * (each.runs or 1)
        if not is_joint(each) or not fitting(each.accuracy, answers):
            continue
        concerned = [(each.row, score) for score in SCORES if each.row.number(score)]
        text = _impossible_of_two(each) if len(each.sizes) == 2 else _impossible_of_more(each)
        if text:
            if each.runs is None:
                text += " The number of runs is not stated; a mean of several runs need not fit."
            found.append(finding("no_confusion_matrix", each.severity, concerned, f"{each.row.row.label}: {text}"))
    return found


def is_joint(each: Scored) -> bool:
    """Whether accuracy and other scores of a row come from one confusion matrix with at least one text per class."""
    others = any(each.row.number(score) for score in SCORES[1:])
    return others and (each.runs or 1) == 1 and len(each.sizes) >= 2 and min(each.sizes) > 0


def no_common_averaging(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether no one way of averaging fits every row; rows that fit none are left out."""
    fits = [_averagings(each) for each in scored(rows, label_counts) if is_joint(each) and each.runs == 1]
    possible = [ways for ways in fits if ways]
    return bool(possible) and not set.intersection(*possible)


def _averagings(each: Scored) -> set[binary.Averaging]:
    def may_fit(averaging: binary.Averaging, span: Mapping[str, Interval]) -> bool:
        if len(each.sizes) == 2:
            return binary.feasible(each.sizes, span, [averaging]) is not False
        return multiclass.excluded(each.sizes, span, [averaging]) is None

    spans = [each.intervals(printing) for printing in PRINTINGS]
    return {averaging for averaging in each.averagings if any(may_fit(averaging, span) for span in spans)}


def _impossible_of_two(each: Scored) -> str | None:
    spans = [each.intervals(printing) for printing in PRINTINGS]
    if any(binary.feasible(each.sizes, span, each.averagings) is not False for span in spans):
        return None
    left = [out for span in spans if (out := fewest_left_out(each.sizes, span))]
    fewest = min(left, key=sum, default=None)
    explained = (
        f"As scores of one class they would fit if {sum(fewest)} or more answers were left out, for example as "
        f"unparsable, so that {each.num_texts - sum(fewest):,} remained."
        if fewest
        else f"Up to {MOST_LEFT_OUT} answers left out would not explain it."
    )
    return (
        f"no confusion matrix of {' and '.join(f'{size:,}' for size in each.sizes)} texts gives {each.said()}, be they "
        f"of one class, macro or weighted averages, rounded or cut. {explained}"
    )


def _impossible_of_more(each: Scored) -> str | None:
    wrong = [multiclass.excluded(each.sizes, each.intervals(printing), each.averagings) for printing in PRINTINGS]
    scores = dict.fromkeys(score for score in wrong if score)
    fits = [bool(fitting(each.accuracy, each.num_texts)) and score is None for score in wrong]
    if not scores or any(fits):
        return None
    named = listed([f"{TITLES[score]} {number.said()}" for score in scores if (number := each.row.number(score))])
    return (
        f"{named} cannot stand beside accuracy {each.accuracy.said()} on classes of "
        f"{', '.join(f'{size:,}' for size in each.sizes)} texts, as a macro or a weighted average."
    )


def undecided(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """For each dataset of a table: the power of the check of accuracies, and the scores that are not decidable."""
    groups: dict[tuple[str, str], list[Scored]] = {}
    for each in scored(rows, label_counts):
        groups.setdefault((each.row.table, each.row.row.printed[0]), []).append(each)
    found = []
    for (_, dataset), group in groups.items():
        first = min(group, key=lambda each: each.accuracy.resolution)
        text = (
            f"{dataset}: {len(group)} accuracies were held against the counts k/{first.num_texts:,}; a random "
            f"wrong value is noticed with a probability of at most {power(first.accuracy, first.num_texts):.0%} "
            f"(1 - n/10^d, at least 0).{_not_decided(group)}"
        )
        found.append(finding("undecided", "note", [(each.row, "accuracy") for each in group], text))
    return [*found, *_without_counts(rows, label_counts)]


def _without_counts(rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]]) -> Iterator[Finding]:
    unknown: dict[tuple[str, str], list[Matched]] = {}
    for row in rows:
        if row.number("accuracy") and not sum(label_counts.get(row.dataset or "", {}).values()):
            unknown.setdefault((row.table, row.row.printed[0]), []).append(row)
    for (_, dataset), group in unknown.items():
        text = (
            f"{dataset}: {len(group)} accuracies were not held against counts, because the number of test texts per "
            f"class is not known{'; give the texts with --data-root' if group[0].dataset else ''}."
        )
        yield finding("undecided", "note", [(row, "accuracy") for row in group], text)


def _not_decided(group: Sequence[Scored]) -> str:
    joint = [each for each in group if any(each.row.number(score) for score in SCORES[1:])]
    if not joint:
        return ""
    if len(joint[0].sizes) > 2:
        return (
            " Not decidable: precision, and F1 inside the bounds that accuracy and class counts set, because "
            f"{len(joint[0].sizes)} classes have too many confusion matrices to try."
        )
    means = [each for each in joint if not is_joint(each)]
    return f" Not decidable: precision, recall and F1 of {len(means)} rows that are means of runs." if means else ""
