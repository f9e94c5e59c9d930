"""Published tables keep their digits; a table that breaks a rule is refused with file, line, column, rule and value."""

from decimal import Decimal
from pathlib import Path

import pytest

from bench.commands.audit.published import Number, load
from bench.commands.audit.published.quantities import COLUMNS
from bench.errors import DataError
from tests.commands.audit.published.conftest import HEADER, ROW, write


def number(folder: Path, column: str, text: str) -> Number:
    path = write(folder, f"dataset,model,method,{column}", f"d,m,x,{text}")
    return load(path).tables[0].rows[0].numbers[COLUMNS[column].quantity]


@pytest.mark.parametrize(
    ("column", "text", "value", "resolution"),
    [
        ("trainable_params_million", "41.94", "41940000", "10000"),
        ("trainable_params_million", "12.50", "12500000", "10000"), ("total_params", "1.2e3", "1200", "100"),
        ("total_params_billion", "7", "7000000000", "1000000000"), ("peak_memory_mib", "1.5", "1572864", "104857.6"),
        ("peak_memory_gb", "14.9", "14900000000", "100000000"), ("f1_percent", "93.1", "0.931", "0.001"),
        ("tflops", ".5", "500000000000", "100000000000"),
    ],
)  # fmt: skip
def test_a_number_keeps_its_digits_and_knows_its_unit(
    column: str, text: str, value: str, resolution: str, tmp_path: Path
) -> None:
    read = number(tmp_path, column, text)
    assert (read.text, read.value, read.resolution) == (text, Decimal(value), Decimal(resolution))


@pytest.mark.parametrize(
    ("value", "fits"),
    [("12.494", False), ("12.495", True), ("12.5", True), ("12.505", True), ("12.506", False)],
)
def test_halves_may_be_rounded_either_way(value: str, fits: bool, tmp_path: Path) -> None:
    assert number(tmp_path, "gflops", "12.50").fits(Decimal(value) * 10**9) is fits


def test_what_is_not_printed_is_absent_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff" + HEADER + ",gflops", "", "d,m,x,,45.90", ",,,,", "d,m,y,0.5,")
    rows = load(path).tables[0].rows
    assert [(row.line, sorted(row.numbers)) for row in rows] == [(3, ["flops"]), (5, ["f1"])]


def test_conditions_are_read_from_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path, "dataset,model,method,gflops,sequence_length,batch_size,precision_mode", "d,m,x,1,128,32,bf16"
    )
    stated = load(path).tables[0].rows[0].stated
    assert (stated.sequence_length, stated.batch_size, stated.precision_mode) == (128, 32, "bf16")
    with pytest.raises(DataError, match=r"line 2: sequence_length must be at least 1, got '0'"):
        load(write(tmp_path, "dataset,model,method,gflops,sequence_length", "d,m,x,1,0"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([""], r"mine\.csv: empty; its first line must name the columns"), ([HEADER], r"mine\.csv: no rows below"),
        (["dataset,model,f1", "d,m,1"], r"line 1: must have the columns dataset, model, method, got no method"),
        (["dataset,model,method", "d,m,x"], r"line 1: no column of numbers"),
        ([f"{HEADER},peak_memory", f"{ROW},1"], r"line 2, column peak_memory: needs a unit in the heading or in the c"),
        ([f"{HEADER},f1_percent", f"{ROW},93"], r"column 'f1_percent': says the same as column 'f1'; keep one"),
        ([HEADER, f"{ROW},7"], r"line 2: must have 4 cells as the first line has, got 5"),
        ([HEADER, "IMDb,,LoRA,0.5"], r"line 2, column model: must name a model, got nothing"),
        ([HEADER, "d,m,x,abc"], r"line 2, column f1: must be a number such as 45\.90.*got 'abc'"),
        ([HEADER, "d,m,x,1_0"], r"must be a number"), ([HEADER, "d,m,x,\u0663"], r"must be a number"),
        ([HEADER, "d,m,x,-0.5"], r"line 2, column f1: must be at least 0, got '-0\.5'"),
        ([HEADER, "d,m,x,NaN"], r"must be finite, got 'NaN'"), ([HEADER, "d,m,x,-inf"], r"must be finite, got '-inf'"),
        ([HEADER, "d,m,x,1e999"], r"must be a number"),
        ([HEADER, "d,m,x,93.1"], r"must be at most 1, got '93\.1'; percentages go into the column f1_percent"),
        (["dataset,model,method,f1_percent", "d,m,x,101"], r"must be at most 100, got '101'$"),
        ([HEADER, ROW, "imdb,RoBERTa,lora,0.5"], r"line 3: the row 'imdb, RoBERTa, lora' is already on line 2"),
        ([HEADER, 'd,m,"x,0.5'], r"line 2: not valid csv"),
    ],
)  # fmt: skip
def test_a_table_that_breaks_a_rule_is_refused(lines: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load(write(tmp_path, *lines))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.csv").write_bytes(b"dataset,model,method,f1\nd,m,\xff,0.5\n")
    with pytest.raises(DataError, match=r"bytes\.csv: not UTF-8 text \(byte 28\)"):
        load(tmp_path / "bytes.csv")
    with pytest.raises(DataError, match=r"none\.csv cannot be read: No such file"):
        load(tmp_path / "none.csv")
