"""Judge every metric of every row: rows are read first, because noise is estimated from all of them."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bench.commands.compare import common_move, metrics, ratios, sample, timed, untimed, verdicts
from bench.commands.compare.common_move import CommonMove
from bench.commands.compare.moves import Move, Rules
from bench.commands.compare.noise import Noise, mean_difference, unadjusted
from bench.commands.compare.pairs import Pair
from bench.commands.compare.ratios import Ratios
from bench.commands.compare.sample import Sample
from bench.report.analysis.significance import Significance

Row = tuple[Pair, ...]
NO_RATIO = Significance(None, ("a value is not above 0, so that there is no ratio",))


def judge(rows: Sequence[Row], rules: Rules) -> tuple[list[Move], list[CommonMove]]:
    """Compare every metric of every row, and the moves that all rows share.

    The verdict on a metric is the first of these that applies:

    1. not in B, not in A: no seed has it on both sides.
    2. same: every seed agrees to the last digit.
    3. other data: the texts differ; does not apply to parameters, FLOPs and artifact size.
    4. other machine: speed, energy or memory from another device, number of threads or precision.
    5. worse, changed: parameters and FLOPs have no noise; more is worse, fewer is changed. Artifact sizes have none
       either, but count only beyond the threshold.
    6. within noise: the interval of the row's own move contains 0. as all rows: so it does, and with all other rows it
       moved by more than the threshold.
    7. worse, better: by more than the threshold; the verdict says if the noise is unknown.
    8. moved: by less, but beyond noise. noise unknown: by less, with unknown noise.

    Only worse is a regression. Cells with a failed check that speaks of the metric are left out, unless the rules are
    strict. If none is left, all are compared, and worse and better become suspect, as does a large move whose noise is
    unknown because cells were left out.

    Args:
        rows: pairs of cells that succeeded on both sides, by row.
        rules: rules for regressions.
    """
    samples = [[sample.read(metric, row, rules.strict) for metric in metrics.of_row(row)] for row in rows]
    usable = [one for row in samples for one in row if one.cells and one.obstacle is None]
    clocked = [one for one in usable if one.metric.kind == "timed" and ratios.has_ratios(one)]
    tables = ratios.tabulate(clocked, rows)
    matmul = common_move.matmul_of([pair for row in rows for pair in row])
    means = _means(clocked, tables, rows, matmul, rules)
    noises = _untimed(usable) | _timed(clocked, tables, rows, matmul)
    moves: list[Move] = []
    for row, of_row in zip(rows, samples, strict=True):
        moves += [means[id(row)]] if id(row) in means else []
        moves += _moves(of_row, noises, rules)
    return moves, common_move.judge(tables, matmul, rules.threshold)


def _timed(
    clocked: Sequence[Sample], tables: Sequence[Ratios], rows: Sequence[Row], matmul: float | None
) -> dict[int, Noise]:
    """The noise of timed metrics, by the sample's id()."""
    columns, places = timed.measure(tables, matmul), {id(row): at for at, row in enumerate(rows)}
    found = {id(one): columns[one.metric.quantity.column][places[id(one.row)]] for one in clocked}
    return {key: noise for key, noise in found.items() if noise is not None}


def _means(
    clocked: Sequence[Sample], tables: Sequence[Ratios], rows: Sequence[Row], matmul: float | None, rules: Rules
) -> dict[int, Move]:
    """The move of the timed metrics together, by the row's id(); only for rows with several."""
    if len(tables) < 2:
        return {}
    mean = ratios.together(tables)
    (noises,) = timed.measure([mean], matmul).values()
    clean = {one.metric.quantity.column for one in tables if one.trusted}
    found = {}
    for row, noise, usable, own in zip(rows, noises, mean.usable, mean.own, strict=True):
        parts = [one for one in clocked if one.row is row]
        if noise is None or len(parts) < 2:
            continue
        # Doubted measurements are in the mean if a row, or a whole metric, has no others.
        trusted = not np.isnan(usable).all() and all(
            one.trusted or one.metric.quantity.column in clean for one in parts
        )
        seeds = tuple(seed for (seed, _), value in zip(mean.runs, own, strict=True) if not np.isnan(value))
        found[id(row)] = verdicts.together(parts, seeds, noise, trusted, rules)
    return found


def _untimed(usable: Sequence[Sample]) -> dict[int, Noise]:
    """The noise of metrics that are not timed, by the sample's id()."""
    groups: dict[str, list[Sample]] = {}
    for one in usable:
        if one.metric.kind != "timed":
            groups.setdefault(one.metric.quantity.column, []).append(one)
    return {
        id(one): noise for group in groups.values() for one, noise in zip(group, untimed.measure(group), strict=True)
    }


def _moves(row: Sequence[Sample], noises: Mapping[int, Noise], rules: Rules) -> Iterator[Move]:
    """The moves of a row's metrics that either side knows."""
    for one in row:
        noise = noises.get(id(one))
        if noise is not None:
            yield verdicts.comparable(one, noise, rules)
        elif one.cells and one.obstacle is not None:
            yield verdicts.not_comparable(one, one.obstacle, mean_difference(one))
        elif one.cells:
            yield verdicts.comparable(one, unadjusted(one, NO_RATIO), rules)
        elif (move := verdicts.one_sided(one)) is not None:
            yield move
