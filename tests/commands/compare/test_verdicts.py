"""Every verdict on one metric of a row, and which of them count."""

from pathlib import Path
from typing import Any

import pytest

from bench.commands.compare import metrics
from bench.commands.compare.judging import judge
from bench.commands.compare.metrics import Metric
from bench.commands.compare.moves import Move, Rules
from bench.commands.compare.pairs import Pair
from bench.record.record import Record
from tests.commands.compare.support import changed, pairs
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.predicted import TRUTH, Cells, flipped

METRICS = {one.quantity.column: one for one in metrics.of_row(())}
F1, SPEED, MEMORY = METRICS["macro_f1"], METRICS["train_samples_per_second"], METRICS["peak_train_mb"]
PARAMS = METRICS["trainable_params"]
RULES = Rules()


def move(metric: Metric, a: list[Record], b: list[Record], rules: Rules = RULES) -> Move:
    return known(found(metric, pairs(a, b), rules))


def found(metric: Metric, row: tuple[Pair, ...], rules: Rules = RULES) -> Move | None:
    """The move of one metric of a single row."""
    moves, _ = judge([row], rules)
    return next((one for one in moves if one.metric.quantity.column == metric.quantity.column), None)


def said(metric: Metric, a: list[Record], b: list[Record], rules: Rules = RULES) -> tuple[str, bool]:
    moved = move(metric, a, b, rules)
    return moved.verdict, moved.regression


def rates(make_record: MakeRecord, *values: float) -> list[Record]:
    return [make_record(seed=seed, train_rate=rate) for seed, rate in enumerate(values)]


def f1s(make_record: MakeRecord, *values: float) -> list[Record]:
    return [make_record(seed=seed, macro_f1=value) for seed, value in enumerate(values)]


@pytest.mark.parametrize(
    ("b", "wanted"),
    [
        ((100.0, 100.0, 100.0), ("same", False)), ((90.0, 110.0, 99.0), ("within noise", False)),
        ((98.0, 98.1, 97.9), ("moved", False)), ((102.0, 102.1, 101.9), ("moved", False)),
        ((90.0, 90.1, 89.9), ("worse", True)), ((110.0, 110.1, 109.9), ("better", False)),
    ],
)  # fmt: skip
def test_speed_over_seeds(make_record: MakeRecord, b: tuple[float, ...], wanted: tuple[str, bool]) -> None:
    moved = move(SPEED, rates(make_record, 100.0, 100.0, 100.0), rates(make_record, *b))
    assert ((moved.verdict, moved.regression), moved.seeds, moved.a) == (wanted, (0, 1, 2), 100)
    assert moved.difference == pytest.approx((b[0] * b[1] * b[2]) ** (1 / 3) / 100 - 1)


@pytest.mark.parametrize(
    ("b", "wanted"),
    [
        (100.0, ("same", False)), (96.0, ("noise unknown", False)), (104.0, ("noise unknown", False)),
        (90.0, ("worse, noise unknown", False)), (110.0, ("better, noise unknown", False)),
    ],
)  # fmt: skip
def test_speed_of_one_seed(make_record: MakeRecord, b: float, wanted: tuple[str, bool]) -> None:
    assert said(SPEED, rates(make_record, 100.0), rates(make_record, b)) == wanted


@pytest.mark.parametrize(
    ("b", "wanted"),
    [
        ((0.93, 0.93), ("same", False)), ((0.91, 0.94), ("within noise", False)), ((0.922, 0.922), ("moved", False)),
        ((0.90, 0.90), ("worse", True)), ((0.95, 0.95), ("better", False)), ((0.925,), ("noise unknown", False)),
        ((0.90,), ("worse, noise unknown", False)),
    ],
)  # fmt: skip
def test_f1(make_record: MakeRecord, b: tuple[float, ...], wanted: tuple[str, bool]) -> None:
    assert said(F1, f1s(make_record, *[0.93] * len(b)), f1s(make_record, *b)) == wanted


def test_f1_of_one_seed_with_predictions(make_record: MakeRecord, tmp_path: Path) -> None:
    a, b = (Cells(make_record, tmp_path / name) for name in "ab")
    moved = known(found(F1, (Pair(a.measured(list(TRUTH)), b.measured(flipped(0))),)))
    assert known(moved.difference) < -0.01
    assert (moved.verdict, moved.regression) == ("worse, noise unknown", False)


def test_thresholds_are_the_callers(make_record: MakeRecord) -> None:
    slower = rates(make_record, 100.0, 100.0), rates(make_record, 90.0, 90.1)
    assert said(SPEED, *slower, Rules(threshold=0.2)) == ("moved", False)
    lower = f1s(make_record, 0.93, 0.93), f1s(make_record, 0.928, 0.928)
    assert said(F1, *lower, Rules(f1_threshold=0.001)) == ("worse", True)
    assert said(F1, *lower, Rules(threshold=0)) == ("moved", False)


@pytest.mark.parametrize(
    ("field", "metric"), [("peak_train_bytes", "peak_train_mb"), ("artifact_bytes", "artifact_bytes")]
)
def test_of_costs_more_is_worse(make_record: MakeRecord, field: str, metric: str) -> None:
    sizes = {size: [make_record(fields={field: size})] for size in (1000, 1040, 1100, 900)}
    wanted = {
        1000: ("same", False), 1040: ("noise unknown", False), 1100: ("worse, noise unknown", False),
        900: ("better, noise unknown", False),
    }  # fmt: skip
    if field == "artifact_bytes":  # it has no noise
        wanted = {1000: ("same", False), 1040: ("moved", False), 1100: ("worse", True), 900: ("better", False)}
    assert {size: said(METRICS[metric], sizes[1000], b) for size, b in sizes.items()} == wanted


def test_params_and_flops_are_exact(make_record: MakeRecord) -> None:
    def params(count: int) -> list[Record]:
        return [make_record(fields={"parameters": dict.fromkeys(PARAMETERS, count)})]

    assert said(PARAMS, params(9_000_000), params(9_000_000)) == ("same", False)
    assert said(PARAMS, params(9_000_000), params(9_000_001)) == ("worse", True)
    assert said(PARAMS, params(9_000_000), params(8_999_999)) == ("changed", False)
    assert said(PARAMS, params(0), params(1)) == ("worse", True)  # of 0 there is no relative difference
    assert move(PARAMS, params(0), params(1)).difference is None
    fewer, more = (
        [make_record(fields={"flops": {"forward_flops": count, "sequence_length": 8}})] for count in (10, 11)
    )
    assert said(METRICS["forward_gflops"], fewer, more) == ("worse", True)


PARAMETERS = ("trainable_params", "total_params", "logical_params")


def test_latency_is_compared_by_batch(make_record: MakeRecord) -> None:
    def latencies(**seconds: float) -> list[dict[str, Any]]:
        return [
            {"batch_size": int(name[1:]), "timed_batches": 9, "p50_seconds": p50, "p90_seconds": 1, "p99_seconds": None}
            for name, p50 in seconds.items()
        ]

    a = [make_record(fields={"latency": latencies(b1=0.010, b32=0.1)})]
    b = [make_record(fields={"latency": latencies(b1=0.012, b64=0.2)})]
    found = {}
    for metric in metrics.of_row(pairs(a, b)):
        if metric.quantity.column.startswith("latency"):
            found[metric.label] = said(metric, a, b)
    assert found == {
        "Latency p50, batch 1 (ms)": ("worse, noise unknown", False),
        "Latency p50, batch 32 (ms)": ("not in B", False),
        "Latency p50, batch 64 (ms)": ("not in A", False),
    }


def test_energy(make_record: MakeRecord) -> None:
    a, b = ([changed_speed(make_record(), energy_joules_per_sample=energy)] for energy in (1.0, 1.2))
    assert said(METRICS["train_energy_joules_per_sample"], a, b) == ("worse, noise unknown", False)
    assert found(METRICS["inference_energy_joules_per_sample"], pairs(a, b)) is None


def changed_speed(record: Record, **fields: Any) -> Record:
    training = record.model_dump()["training"]
    return changed(record, training=training | {"speed": training["speed"] | fields})


@pytest.mark.parametrize(
    "fields", [{"machine": {"cpu": "other"}}, {"machine": {"threads": 9}}, {"precision": "bf16"}], ids=str
)
def test_another_machine_never_counts(make_record: MakeRecord, fields: dict[str, Any]) -> None:
    a = make_record()
    b = make_record(train_rate=10.0, macro_f1=0.5)
    if "machine" in fields:
        fields = {"machine": known(b.machine).model_dump() | fields["machine"]}
    b = changed(b, peak_train_bytes=9_000_000_000, **fields)
    assert said(SPEED, [a], [b]) == ("other machine", False)
    assert said(MEMORY, [a], [b]) == ("other machine", False)
    assert (said(F1, [a], [b]), said(PARAMS, [a], [b])) == (("worse, noise unknown", False), ("same", False))


def test_a_machine_that_is_not_known_is_another(make_record: MakeRecord) -> None:
    a, b = (changed(make_record(train_rate=rate), machine=None) for rate in (100.0, 50.0))
    assert said(SPEED, [a], [b]) == ("other machine", False)


def test_other_data_never_count(make_record: MakeRecord) -> None:
    data = {"sha256": "d", "rows": {}, "synthetic": False, "validation_carved": False, "labels": ("n", "p"),
            "tokens_per_sample": 9.0, "truncated_fraction": 0.0}  # fmt: skip
    a = changed(make_record(), data=data)
    b = changed(make_record(macro_f1=0.5, train_rate=10.0), data=data | {"sha256": "e"}, artifact_bytes=5)
    assert (said(F1, [a], [b]), said(SPEED, [a], [b])) == (("other data", False), ("other data", False))
    assert said(METRICS["artifact_bytes"], [changed(a, artifact_bytes=4)], [b]) == ("worse", True)


@pytest.mark.parametrize("at", [0, 1])
def test_what_moved_in_a_suspect_row_counts_where_the_rules_are_strict(make_record: MakeRecord, at: int) -> None:
    checks = [
        {"name": "other load", "verdict": "suspect", "found": "12 %"},
        {"name": "clock", "verdict": "valid", "found": "0"},
    ]
    pair = [make_record(train_rate=100.0, macro_f1=0.93), make_record(train_rate=50.0, macro_f1=0.93)]
    pair[at] = changed(pair[at], checks=checks)
    a, b = ([one] for one in pair)
    moved = move(SPEED, a, b)
    assert (moved.verdict, moved.regression) == ("suspect", False)
    assert moved.suspect == (f"in {'AB'[at]}: other load: 12 %",)
    assert said(SPEED, a, b, Rules(strict=True)) == ("worse, noise unknown", False)
    assert (said(F1, a, b), move(F1, a, b).suspect) == (("same", False), ())


@pytest.mark.parametrize(
    ("check", "masked"),
    [
        ("stationary training", {"train_samples_per_second"}),
        ("stationary inference", {"inference_samples_per_second"}),
        ("other load", {"train_samples_per_second", "inference_samples_per_second"}),
        ("train memory accounted for", {"peak_train_mb"}), ("FLOP counters agree", set()),
        ("padding changes no score", set()), ("same seed, same loss", set()),
        ("a check of a later version", {"train_samples_per_second", "inference_samples_per_second", "peak_train_mb"}),
    ],
)  # fmt: skip
def test_a_failed_check_masks_what_it_speaks_of(make_record: MakeRecord, check: str, masked: set[str]) -> None:
    a = [make_record(seed=seed) for seed in (0, 1, 2)]
    b = [
        make_record(
            seed=seed, train_rate=50.0, inference_rate=150.0, macro_f1=0.73,
            fields={
                "peak_train_bytes": 9_000_000_000, "parameters": dict.fromkeys(PARAMETERS, 10**9), "artifact_bytes": 9,
                "checks": [{"name": check, "verdict": "suspect", "found": "1"}],
            },
        ) for seed in (0, 1, 2)
    ]  # fmt: skip
    moves, _ = judge([pairs([changed(one, artifact_bytes=8) for one in a], b)], RULES)
    found = {one.metric.quantity.column: one.verdict for one in moves if one.verdict != "same"}
    found.pop("timed_metrics_together")
    wanted = (
        "macro_f1", "train_samples_per_second", "inference_samples_per_second", "peak_train_mb", "trainable_params",
        "total_params", "artifact_bytes",
    )  # fmt: skip
    assert found == {name: "suspect" if name in masked else "worse" for name in wanted}


def test_suspect_cells_are_left_out_where_others_remain(make_record: MakeRecord) -> None:
    a, b = rates(make_record, 100.0, 100.0, 100.0), rates(make_record, 80.0, 80.1, 79.9)
    b[1] = changed(b[1], checks=[{"name": "warm-up", "verdict": "suspect", "found": "1"}])
    moved = move(SPEED, a, b)
    assert (moved.verdict, moved.seeds, moved.suspect) == ("worse", (0, 2), ("in B: warm-up: 1 (seed 1)",))


def test_what_one_side_does_not_know(make_record: MakeRecord) -> None:
    knows, does_not = make_record(), make_record(fields={"peak_train_bytes": None})
    assert said(MEMORY, [knows], [does_not]) == ("not in B", False)
    assert said(MEMORY, [does_not], [knows]) == ("not in A", False)
    assert found(MEMORY, pairs([does_not], [does_not])) is None
    # Of two seeds the one that both know is compared.
    moved = move(MEMORY, [knows, make_record(seed=1)], [does_not, make_record(seed=1)])
    assert (moved.verdict, moved.seeds) == ("same", (1,))


def test_random_weights_have_no_quality(make_record: MakeRecord) -> None:
    a, b = (make_record(weights="random", macro_f1=f1, fields={"validation_macro_f1": f1}) for f1 in (0.9, 0.1))
    for metric in (F1, METRICS["generated_macro_f1"], METRICS["validation_macro_f1"]):
        assert found(metric, pairs([a], [b])) is None


@pytest.mark.parametrize("value", [10**400, -(10**400), 1e308, -1e308, 0, -5])
def test_numbers_that_nothing_measured(make_record: MakeRecord, value: float) -> None:
    """A damaged record may hold anything; it must not stop the comparison."""
    a, b = make_record(), make_record(macro_f1=0.0)
    whole = {"parameters": dict.fromkeys(PARAMETERS, value), "flops": {"forward_flops": value, "sequence_length": 1},
             "peak_train_bytes": value, "artifact_bytes": value}  # fmt: skip
    b = changed_speed(
        changed(b, **(whole if isinstance(value, int) else {})), samples_per_second=max(-1e308, min(value, 1e308))
    )
    for sides in (([a], [b]), ([b], [a]), ([a, a], [b, a])):
        judge([pairs(*sides)], RULES)
