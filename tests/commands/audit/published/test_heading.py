"""A heading names a quantity with its unit, a name of the row, or nothing that is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.commands.audit.published.heading import read_heading
from bench.commands.audit.published.quantities import COLUMNS


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("# Trainable Parameters", "trainable_params"), ("# Trainable Params (M)", "trainable_params_million"),
        ("Total params (B)", "total_params_billion"), ("# Params (%)", "trainable_share_percent"),
        ("Trainable %", "trainable_share_percent"), ("GFLOPs", "gflops"), ("TFLOPs ↓", "tflops"), ("GMACs", "gmacs"),
        ("FLOPs (G)", "gflops"), ("Peak Memory [GiB]", "peak_memory_gib"), ("GPU Memory", "peak_memory"),
        ("Training time (h)", "train_hours"), ("Throughput (tokens/s)", "throughput_tokens_per_second"),
        ("tok/s", "throughput_tokens_per_second"), ("samples/s", "throughput_samples_per_second"),
        ("Acc. (%)", "accuracy_percent"),
        ("Macro F1", "f1"), ("MCC", "mcc"), ("Matthews corr.", "mcc"), ("Pearson", "pearson"),
    ],
)  # fmt: skip
def test_a_printed_heading(text: str, column: str) -> None:
    assert read_heading(text).column == COLUMNS[column]


@pytest.mark.parametrize(
    ("text", "name"),
    [("Dataset", "dataset"), ("Backbone", "model"), ("PEFT Method", "method"), ("Batch size", "batch_size")],
)
def test_a_name_or_condition(text: str, name: str) -> None:
    assert read_heading(text).name == name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SST-2", "unknown column"), ("gflopps", "did you mean 'gflops'?"), ("", "a column without a name"),
        ("# Params", "may be trainable or total parameters"), ("peak_memory_tb", "'tb' is no unit of peak_memory"),
        ("Accuracy (GB)", "unknown column"), ("Throughput", "throughput needs a unit"),
    ],
)  # fmt: skip
def test_other_columns_are_left_out_with_the_reason(text: str, reason: str) -> None:
    heading = read_heading(text)
    assert (heading.name, heading.column) == ("", None)
    assert reason in heading.left_out


def test_a_manifest_decides() -> None:
    assert read_heading("CoLA", "mcc_percent").column == COLUMNS["mcc_percent"]
    assert read_heading("# Params", "trainable_params").column == COLUMNS["trainable_params"]


@given(st.text(max_size=60))
def test_any_heading_has_one_meaning(text: str) -> None:
    heading = read_heading(text)
    assert [bool(heading.name), heading.column is not None, bool(heading.left_out)].count(True) == 1
