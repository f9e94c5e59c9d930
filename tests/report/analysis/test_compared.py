"""What a pairing comes to, and every reason why it comes to nothing."""

import re
from pathlib import Path
from typing import Any

import pytest

from bench.report.analysis.compared import Compared, Ratio, compare, ratios
from bench.report.analysis.pairing import find
from bench.report.results.measured import Evidence, Measured
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.predicted import TRUTH, Cells, flipped, study

BOTH = ("LoRA", "BitFit")
PERFECT = list(TRUTH)


@pytest.fixture
def cells(make_record: MakeRecord, tmp_path: Path) -> Cells:
    return Cells(make_record, tmp_path)


def compared(*measured: Measured) -> Compared:
    (pairing,) = find(study(BOTH), measured)
    return compare(pairing)


def of_two(cells: Cells, fields: dict[str, Any] | None = None, **given: Any) -> Compared:
    """LoRA as it is by default beside BitFit with these changes."""
    return compared(
        cells.measured(PERFECT, method="LoRA"), cells.measured(flipped(0), fields, method="BitFit", **given)
    )


def test_a_difference(cells: Cells) -> None:
    found = of_two(cells)
    assert found.difference is not None
    # 1 of 12 wrong: 5 of 6 zeros and 7 guessed ones of 6: F1 10/11 and 12/13.
    assert found.difference.by_seed == pytest.approx((1 - (10 / 11 + 12 / 13) / 2,))
    assert (found.difference.texts, found.difference.only_first_right) == (12, 1)
    assert (found.seeds, found.left_out, found.reasons, set(found.ratios)) == ((0,), (), {}, set(ratios()))


def test_seeds_are_paired(cells: Cells) -> None:
    first = [cells.measured(flipped(seed), method="LoRA", seed=seed) for seed in (0, 1, 2)]
    second = [cells.measured(flipped(seed), method="BitFit", seed=seed) for seed in (2, 1)]
    found = compared(*first, *second, cells.failed(method="BitFit", seed=0))
    assert (found.seeds, found.left_out) == ((1, 2), ("seed 0: BitFit stopped (oom in train)",))
    assert found.difference is not None
    # Seed by seed they are the same; any other pairing would tell them apart.
    assert (found.difference.by_seed, found.difference.low, found.difference.high) == ((0, 0), 0, 0)


def test_texts_are_paired_by_id(cells: Cells) -> None:
    first = cells.measured(flipped(0, 5), method="LoRA")
    second = cells.measured(flipped(0, 5), method="BitFit")
    second = cells.predicting(second, flipped(0, 5), order=range(11, -1, -1))
    found = known(compared(first, second).difference)
    assert (found.only_first_right, found.only_second_right, found.low, found.high) == (0, 0, 0, 0)


def data(**changes: Any) -> dict[str, Any]:
    facts = {"sha256": "d", "rows": {"test": 12}, "synthetic": False, "validation_carved": False, "labels": ("n", "p"),
             "tokens_per_sample": 9.0, "truncated_fraction": 0.0}  # fmt: skip
    return {"data": facts | changes}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (data(sha256="e"), "the texts or labels that they read differ"),
        (data(labels=("p", "n")), "the texts or labels that they read differ"),
        ({"data": None, "unknown": {"data": "the disk was full"}}, "the disk was full"),
        (
            {"quality": None, "unknown": {}},
            r"the record of IMDb__RoBERTa__BitFit__s0-\w+ gives no quality and no reason",
        ),
    ],
)
def test_records_that_cannot_be_compared(cells: Cells, fields: dict[str, Any], reason: str) -> None:
    found = of_two(cells, fields)
    assert (found.difference, list(found.reasons)) == (None, ["difference"])
    assert re.fullmatch(reason, found.reasons["difference"])
    assert set(found.ratios) == set(ratios())  # what it costs is known all the same
    assert found.seeds == (0,)


def test_another_split(cells: Cells) -> None:
    measured = cells.measured(PERFECT, method="BitFit")
    quality = known(measured.record.quality)
    other = measured.record.model_copy(update={"quality": quality.model_copy(update={"split": "validation"})})
    found = compared(cells.measured(PERFECT, method="LoRA"), measured._replace(record=other))
    assert found.reasons == {"difference": "the evaluated splits differ"}


def test_random_weights(cells: Cells) -> None:
    found = compared(*[cells.measured(PERFECT, method=method, weights="random") for method in BOTH])
    assert found.reasons == {"difference": "the model has random weights"}
    assert found.ratios["forward_gflops"] == Ratio(1, 1, 1)


def test_missing_predictions(cells: Cells) -> None:
    first, second = (cells.measured(PERFECT, method=method) for method in BOTH)
    second = second._replace(evidence=Evidence("they are missing"))
    assert compared(first, second).reasons == {"difference": "they are missing"}


def test_predictions_of_other_texts_or_labels(cells: Cells) -> None:
    first, second = (cells.measured(PERFECT, method=method) for method in BOTH)
    reason = {"difference": f"{second[0].cell_id} predicted other texts, or texts of other labels"}
    assert compared(first, cells.predicting(second, PERFECT[:-1], TRUTH[:-1])).reasons == reason
    assert compared(first, cells.predicting(second, PERFECT, PERFECT[::-1])).reasons == reason


def test_predictions_that_are_not_those_of_the_record(cells: Cells) -> None:
    first, second = (cells.measured(PERFECT, method=method) for method in BOTH)
    second = cells.predicting(second, flipped(4))
    reason = f"the predictions of {second[0].cell_id} do not give the macro F1 of its record"
    assert compared(first, second).reasons == {"difference": reason}


def test_ratios_are_medians_over_paired_seeds(cells: Cells) -> None:
    rates = {0: (100.0, 50.0), 1: (100.0, 80.0), 2: (90.0, 100.0)}
    measured = [
        cells.measured(PERFECT, method=method, seed=seed, train_rate=rates[seed][at], inference_rate=10.0 + at)
        for seed in rates
        for at, method in enumerate(BOTH)
    ]
    found = compared(*measured, cells.measured(PERFECT, method="LoRA", seed=9, train_rate=1e9)).ratios
    assert found["train_samples_per_second"] == Ratio(1.25, 0.9, 2.0)
    assert found["inference_samples_per_second"] == Ratio(10 / 11, 10 / 11, 10 / 11)
    assert found["trainable_params"] == Ratio(1, 1, 1)


@pytest.mark.parametrize(
    ("fields", "column", "reason"),
    [
        ({"training": None, "unknown": {"training": "nothing is trained"}}, "train_samples_per_second",
         "BitFit: nothing is trained"),
        ({"parameters": {"trainable_params": 0, "total_params": 9, "logical_params": 9}}, "trainable_params",
         "the value of BitFit is 0"),
        ({"flops": None, "unknown": {"flops": "x"}}, "forward_gflops", "BitFit: x"),
    ],
)  # fmt: skip
def test_an_unknown_ratio(cells: Cells, fields: dict[str, Any], column: str, reason: str) -> None:
    found = of_two(cells, fields)
    assert (found.reasons, set(found.ratios)) == ({column: reason}, set(ratios()) - {column})
    assert found.difference is not None


@pytest.mark.parametrize("fields", [{"machine": {"cpu": "other"}}, {"machine": {"threads": 9}}, {"precision": "bf16"}])
def test_speeds_of_unlike_machines_are_not_divided(cells: Cells, fields: dict[str, Any]) -> None:
    record = cells.make_record().model_dump()
    found = of_two(cells, {name: record[name] | of if name == "machine" else of for name, of in fields.items()})
    reason = "measured on different machines or in different precision"
    assert found.reasons == dict.fromkeys(("train_samples_per_second", "inference_samples_per_second"), reason)


def test_a_trained_nothing_beside_a_trained_one_is_0(cells: Cells) -> None:
    nothing = {"parameters": {"trainable_params": 0, "total_params": 9, "logical_params": 9}}
    measured = [cells.measured(PERFECT, nothing, method="LoRA"), cells.measured(PERFECT, method="BitFit")]
    assert compared(*measured).ratios["trainable_params"] == Ratio(0, 0, 0)
