"""The result of a comparison: changes, outcomes of cells, moves of metrics, and the overall verdict."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.commands.compare import changes, judging
from bench.commands.compare.changes import Change
from bench.commands.compare.common_move import CommonMove
from bench.commands.compare.moves import NOISE_UNKNOWN, NOT_JUDGED, QUIET, Move, Rules
from bench.commands.compare.pairs import Matching, Pair, Single, match
from bench.commands.compare.side import Side
from bench.record.record import Record
from bench.report.analysis.names import NOT_A_SETTING, apart, flat, labels
from bench.text.message import message

#: Maximum number of regressions that the verdict names.
NAMED = 3

OutcomeKind = Literal["now fails", "works now", "fails in both", "no partner"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A cell that was not measured on both sides.

    Attributes:
        record: record of A, or of B if A has none.
        a: status on side A; None if it has no such cell.
        b: status on side B; None if it has no such cell.
        kind: kind of outcome.
        reason: short reason; may be empty.
        regression: whether it counts as a regression.
    """

    record: Record
    a: str | None
    b: str | None
    kind: OutcomeKind
    reason: str
    regression: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of ``compare``.

    Attributes:
        a: baseline.
        b: candidate.
        rules: rules for regressions.
        matching: pairs of cells.
        changes: changes between the sides.
        unseen_code: whether code may have changed without a record of it.
        outcomes: outcomes of the cells that were not measured on both sides.
        moves: moves of every metric of every row that either side knows.
        common: moves of the timed metrics that all rows share.
    """

    a: Side
    b: Side
    rules: Rules
    matching: Matching
    changes: tuple[Change, ...]
    unseen_code: bool
    outcomes: tuple[Outcome, ...]
    moves: tuple[Move, ...]
    common: tuple[CommonMove, ...]

    @property
    def regressed(self) -> bool:
        """Whether anything counts as a regression."""
        found = (
            *(move.regression for move in self.moves), *(one.regression for one in self.common),
            *(one.regression for one in self.outcomes),
        )  # fmt: skip
        return any(found)

    @property
    def not_judged(self) -> bool:
        """Whether anything moved that cannot be judged."""
        return bool(self._counts(NOT_JUDGED)) or any(one.verdict == "suspect" for one in self.common)

    def shown(self, show_all: bool) -> list[Move]:
        """The moves without the uneventful ones, or all of them."""
        return [move for move in self.moves if show_all or move.verdict not in QUIET]

    def names(self) -> dict[int, tuple[str, str, str]]:
        """Dataset, model and method of each move's row, by the row's id(); differing settings are added if needed."""
        cells = [record.cell for record in (*self.a.records, *self.b.records)]
        rows = list({id(move.row): move.row for move in self.moves}.values())
        firsts = [row[0].a[0].cell for row in rows]
        found = [labels(cell, cells) for cell in firsts]
        keys = [tuple(one.values()) for one in found]
        facts = [flat(cell.model_dump(exclude=NOT_A_SETTING)) for cell in firsts]
        names = {}
        for at, row in enumerate(rows):
            own = apart(at, keys, facts)
            dataset, model, method = keys[at]
            names[id(row)] = (dataset, model, f"{method} ({own})" if own else method)
        return names

    def sentence(self) -> str:
        """The overall verdict as a sentence."""
        paired = len(self.matching.pairs)
        if not paired:
            return "Nothing was compared: no cell of A has a counterpart in B."
        rows = len({id(move.row) for move in self.moves})
        said = _listed(Counter(move.verdict for move in self.moves))
        compared = f"{counted(len(self.moves), 'metric')} of {counted(rows, 'row')} in {counted(paired, 'paired cell')}"
        compared += f": {said}" if said else ""
        unknown = self._counts(NOISE_UNKNOWN)
        warning = f" Warning: moved far, but their noise is unknown: {_listed(unknown)}." if unknown else ""
        if not self.regressed and not self.not_judged:
            return f"No regression: {compared}.{warning}"
        named = self._regressions()
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        lead = f"Regression: {'; '.join(named[:NAMED])}{more}" if named else f"Not judged: {self._unjudged()}"
        return f"{lead}. {compared[0].upper()}{compared[1:]}.{warning}"

    def _regressions(self) -> list[str]:
        names = self.names()
        named = [f"{one.metric.label} of all rows" for one in self.common if one.regression]
        for move in self.moves:
            if move.regression:
                named.append(f"{move.metric.label} of {' / '.join(names[id(move.row)])}")
        lost = [one for one in self.outcomes if one.regression]
        return [*named, *(f"cell {one.record.cell.id} ({one.reason or one.kind})" for one in lost)]

    def _unjudged(self) -> str:
        counts = self._counts(NOT_JUDGED)
        counts["suspect"] += sum(one.verdict == "suspect" for one in self.common)
        return f"metrics that moved but cannot be compared: {_listed(+counts)}"

    def _counts(self, verdicts: Sequence[str]) -> Counter[str]:
        return Counter(move.verdict for move in self.moves if move.verdict in verdicts)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())


def counted(count: int, noun: str) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def compare(a: Side, b: Side, rules: Rules) -> Comparison:
    """Compare two sides; A is the baseline."""
    matching = match(a, b)
    rows = [tuple(one for one in row if one.measured) for row in matching.rows()]
    moves, common = judging.judge([row for row in rows if row], rules)
    return Comparison(
        a, b, rules, matching, tuple(changes.find(a, b, matching.pairs)), changes.unseen(matching.pairs),
        _outcomes(matching, rules), tuple(moves), tuple(common),
    )  # fmt: skip


def _outcomes(matching: Matching, rules: Rules) -> tuple[Outcome, ...]:
    paired_cells = [_of_pair(one) for one in matching.pairs if not one.measured]
    return (*paired_cells, *(_of_single(one, rules) for one in matching.singles))


def _of_pair(one: Pair) -> Outcome:
    a, b = one.records
    kind: OutcomeKind = "now fails" if a.status == "ok" else "works now" if b.status == "ok" else "fails in both"
    return Outcome(a, a.status, b.status, kind, _why([b, a]), a.status == "ok")


def _why(records: Sequence[Record]) -> str:
    """The first failure with its phase, or an empty text."""
    failures = [record.failure for record in records if record.failure]
    return message(f"{failures[0].phase}: {failures[0].type}: {failures[0].message}") if failures else ""


def _of_single(one: Single, rules: Rules) -> Outcome:
    status = one.record.status
    a, b = (status, None) if one.side == "A" else (None, status)
    lost = one.side == "A" and status == "ok"
    return Outcome(one.record, a, b, "no partner", one.reason, lost and rules.strict)
