"""What Table 3 has no room for: every number where it belongs, and a reason for every dash."""

import csv
from typing import Any

import pytest

from bench.record.record import Record
from bench.report.analysis.quantities import QUANTITIES
from bench.report.tables.efficiency import GRIDS, build
from bench.report.tables.table import Table
from bench.text.tables.files import files
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.shown import cells, notes

MB = 1_000_000
LEDGER = {
    "weights_bytes": 90 * MB, "gradients_bytes": 4 * MB, "optimizer_state_bytes": 8 * MB, "activations_bytes": 50 * MB,
    "workspace_bytes": 5 * MB, "unattributed_bytes": 3 * MB,
}  # fmt: skip
ON_CPU = LEDGER | {
    "allocator_slack_bytes": None, "cuda_context_bytes": None, "process_bytes": 300 * MB, "peak_bytes": 460 * MB,
}  # fmt: skip
ON_CUDA = LEDGER | {
    "allocator_slack_bytes": 20 * MB, "cuda_context_bytes": 500 * MB, "process_bytes": None, "peak_bytes": 680 * MB,
}  # fmt: skip


def within(rate: float) -> dict[str, Any]:
    ends = {"p10_samples_per_second": rate - 5, "p90_samples_per_second": rate + 5}
    ends |= {"p10_tokens_per_second": 20 * rate - 5, "p90_tokens_per_second": 20 * rate + 5}
    return {"windows": 20, "window_steps": 4, "relative_standard_error": rate / 1e4} | ends


def latency(batch_size: int, seconds: float, batches: int = 299) -> dict[str, Any]:
    p90, p99 = (2 * seconds if batches >= 30 else None), (3 * seconds if batches >= 299 else None)
    return {"batch_size": batch_size, "timed_batches": batches, "p50_seconds": seconds, "p90_seconds": p90,
            "p99_seconds": p99, "p90_interval_seconds": [seconds, 4 * seconds] if p90 else None}  # fmt: skip


def full(make_record: MakeRecord, ledger: dict[str, Any] = ON_CPU, **given: Any) -> Record:
    """A record with all that a worker may write."""
    content = make_record(**given).model_dump()
    for speed, rate in ((content["training"]["speed"], 100.0), (content["inference"], 300.0)):
        speed |= {
            "within_cell": within(rate), "energy_joules_per_sample": rate / 1000, "model_flops_per_second": 1e9,
            "mfu_fraction": rate / 1000,
        }  # fmt: skip
    content["latency"] = [latency(1, 0.002), latency(64, 0.05, 40)]
    content["memory"] = [ledger | {"of": "load"}, ledger | {"of": "train"}, ledger | {"of": "inference"}]
    return Record.model_validate(content)


def built(*records: Record) -> Table:
    return known(build("Run", records))


def test_no_table_where_records_hold_totals_alone(make_record: MakeRecord) -> None:
    assert build("Run", [make_record(), make_record("oom", seed=1)]) is None


@pytest.mark.parametrize("field", ["latency", "memory"])
def test_one_field_is_enough(make_record: MakeRecord, field: str) -> None:
    assert build("Run", [make_record(fields={field: full(make_record).model_dump()[field]})]) is not None


def test_every_number(make_record: MakeRecord) -> None:
    found = {name: text for name, (text, _) in cells(built(full(make_record))).items()}
    assert found == {
        "dataset": "IMDb", "model": "RoBERTa", "method": "LoRA", "seeds": "1", "stamp": "valid",
        "train_samples_per_second": "100.0", "train_tokens_per_second": "2000.0",
        "inference_samples_per_second": "300.0", "inference_tokens_per_second": "6000.0",
        "train_within_cell_error_percent": "1.0", "inference_within_cell_error_percent": "3.0",
        "latency_batch_one_p50_ms": "2.00", "latency_batch_one_p90_ms": "4.00", "latency_batch_one_p99_ms": "6.00",
        "latency_batch_study_p50_ms": "50.00", "latency_batch_study_p90_ms": "100.00",
        "latency_batch_study_p99_ms": "–",
        "train_energy_joules_per_sample": "0.100", "train_mfu_percent": "10.0",
        "inference_energy_joules_per_sample": "0.300", "inference_mfu_percent": "30.0",
        **{
            f"memory_{phase}_{part}_mb": value
            for phase in ("train", "inference")
            for part, value in {
                "weights": "90.0", "gradients": "4.0", "optimizer_state": "8.0", "activations": "50.0",
                "workspace": "5.0", "allocator_slack": "–", "context_or_process": "300.0", "unattributed": "3.0",
                "peak": "460.0",
            }.items()
        },
    }  # fmt: skip


def test_dashes_have_reasons(make_record: MakeRecord) -> None:
    table = built(full(make_record))
    found = cells(table)
    assert found["latency_batch_study_p99_ms"] == ("–", ("a",))
    assert notes(table) == {
        "a": "p99 needs 299 timed batches; there were 40", "b": "allocator slack is known for GPUs only",
        "c": "one measurement has no interval; it takes several seeds, or repeats",
    }  # fmt: skip
    assert found["seeds"] == ("1", ("c",))
    assert found["memory_train_allocator_slack_mb"] == ("–", ("b",))


def test_on_a_gpu(make_record: MakeRecord) -> None:
    found = cells(built(full(make_record, ON_CUDA, device="cuda")))
    assert found["memory_train_allocator_slack_mb"] == ("20.0", ())
    assert found["memory_inference_context_or_process_mb"] == ("500.0", ())
    table = built(full(make_record, ON_CUDA | {"cuda_context_bytes": None}, device="cuda"))
    text, (mark,) = cells(table)["memory_train_context_or_process_mb"]
    assert (text, notes(table)[mark]) == ("–", "the driver does not report it, or other processes use the GPU")


def test_reasons_of_the_record(make_record: MakeRecord) -> None:
    content = full(make_record).model_dump()
    for speed in (content["training"]["speed"], content["inference"]):
        speed |= {"energy_joules_per_sample": None, "mfu_fraction": None}
    content |= {"memory": [], "latency": content["latency"][:1], "unknown": {
        "training.speed.energy_joules_per_sample": "no counter to read", "matmul_flops_per_second": "not measured",
        "inference.energy_joules_per_sample": "the counter failed", "memory": "a batch could not be watched",
        "latency.batch": "the split has fewer texts than a batch",
    }}  # fmt: skip
    table = built(Record.model_validate(content))
    reasons = {name: notes(table)[marks[0]] for name, (_, marks) in cells(table).items() if marks}
    assert reasons["train_energy_joules_per_sample"] == "no counter to read"
    assert reasons["inference_energy_joules_per_sample"] == "the counter failed"
    assert reasons["train_mfu_percent"] == reasons["inference_mfu_percent"] == "not measured"
    assert reasons["memory_train_weights_mb"] == reasons["memory_inference_peak_mb"] == "a batch could not be watched"
    assert reasons["latency_batch_study_p50_ms"] == "the split has fewer texts than a batch"
    assert "latency_batch_one_p50_ms" not in reasons


def test_a_method_that_trains_nothing(make_record: MakeRecord) -> None:
    reason = "nothing is trained"
    content = full(make_record).model_dump() | {"training": None, "unknown": {"training": reason}}
    content["memory"] = [ledger for ledger in content["memory"] if ledger["of"] != "train"]
    table = built(Record.model_validate(content))
    for name, (text, marks) in cells(table).items():
        if "train_" in name and name != "memory_train_allocator_slack_mb":
            assert (text, [notes(table)[mark] for mark in marks]) == ("–", [reason])
    assert cells(table)["memory_inference_weights_mb"] == ("90.0", ())


def test_means_and_intervals_over_seeds(make_record: MakeRecord) -> None:
    records = [full(make_record, seed=seed) for seed in (0, 1)]
    content = records[1].model_dump()
    content["training"]["speed"]["tokens_per_second"] = 2010.0
    table = built(records[0], Record.model_validate(content))
    # Student's t of one degree of freedom: 12.706 deviations of 7.071 over the root of 2.
    assert cells(table)["train_tokens_per_second"] == ("2005.0 ± 7.1 (1941.5 to 2068.5)", ())
    assert cells(table)["latency_batch_one_p50_ms"] == ("2.00 ± 0.00 (2.00 to 2.00)", ())
    assert cells(table)["seeds"] == ("2", ())


def test_failed_rows(make_record: MakeRecord) -> None:
    failed = cells(built(full(make_record), make_record("oom", method="BitFit")), 1)
    assert failed.pop("seeds") == ("oom in train", ())
    assert [text for text, _ in list(failed.values())[3:]] == ["–"] * (
        sum(len(QUANTITIES.of(place, [full(make_record)])) for _, place in GRIDS) + 1
    )


def test_files(make_record: MakeRecord) -> None:
    found = files(built(full(make_record), full(make_record, method="=BitFit")), ["csv", "md"])
    assert list(found) == ["efficiency.md", "efficiency.csv"]
    text, rows = found["efficiency.md"].decode(), list(csv.DictReader(found["efficiency.csv"].decode().splitlines()))
    assert text.startswith("# Run: efficiency\n\nMeasured with device CPU")
    headings = [f"## {heading}" for heading, place in GRIDS if QUANTITIES.of(place, [full(make_record)])]
    assert [line for line in text.splitlines() if line.startswith("## ")] == headings
    assert "## Search of the options" not in headings
    assert "the study's batch is 64" in text
    assert "| Weights | Gradients |" in " ".join(text.split())
    first = text[: text.index("## Latency")]
    assert "| Seeds |" in " ".join(first.split())
    assert "Validity |" in first
    assert [row["method"] for row in rows] == ["LoRA", "'=BitFit"]
    row = rows[0]
    assert (row["train_tokens_per_second_mean"], row["train_tokens_per_second_low"]) == ("2000.0", "")
    assert (row["latency_batch_one_timed_batches"], row["latency_batch_study_timed_batches"]) == ("299", "40")
    ends = [row[f"latency_batch_study_p90_within_cell_{end}_ms"] for end in ("low", "high")]
    assert ends == ["50.0", "200.0"]
    assert row["latency_batch_study_p99_within_cell_low_ms"] == ""
    assert (row["memory_train_peak_mb"], row["latency_batch_one_p50_ms_mean"]) == ("460.0", "2.0")
    assert (row["memory_train_allocator_slack_mb"], row["stamp"], row["weights"]) == ("", "valid", "pretrained")


OLD_LATENCY = {"batch_size": 1, "timed_batches": 9, "p50_seconds": 0.125, "p90_seconds": 0.25, "p99_seconds": None}


def test_an_older_record_is_read_by_the_rules_of_today(make_record: MakeRecord) -> None:
    """It has medians of windows with intervals, percentiles of few batches, and use of one matmul that read too low."""
    content = full(make_record).model_dump()
    for speed in (content["training"]["speed"], content["inference"]):
        speed |= {"within_cell": None, "mfu_fraction": 1.207}
        speed["windowed_samples_per_second"] = {
            "median": 90.0, "low": 88.0, "high": 92.0, "windows": 20, "window_steps": 4,
        }  # fmt: skip
    content |= {"latency": [OLD_LATENCY, OLD_LATENCY | {"batch_size": 64, "timed_batches": 100, "p99_seconds": 0.5}]}
    table = built(Record.model_validate(content))
    found, said = cells(table), notes(table)
    assert found["train_samples_per_second"] == ("100.0", ()), "the total, without an interval"
    assert not any("within_cell" in name for name in found), "no column that no record knows"
    assert "Standard error within cell" not in table.caption
    assert found["latency_batch_one_p50_ms"] == ("125.00", ())
    reasons = {name: said[found[name][1][0]] for name in ("latency_batch_one_p90_ms", "latency_batch_study_p99_ms")}
    assert reasons == {
        "latency_batch_one_p90_ms": "p90 needs 30 timed batches; there were 9",
        "latency_batch_study_p99_ms": "p99 needs 299 timed batches; there were 100",
    }  # fmt: skip
    assert found["latency_batch_study_p90_ms"][0] == "250.00"
    text, (mark,) = found["inference_mfu_percent"]
    assert (text, said[mark]) == ("–", "120.7 % of one reading of the large matmul, which was too low")
