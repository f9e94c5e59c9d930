"""A cell is read as people print it; its digits, spread, range and unit are kept apart."""

import string
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.commands.audit.published.number import is_nothing, read_number
from bench.commands.audit.published.quantities import COLUMNS
from bench.errors import DataError

WHERE = "t.md line 3, column x"


@pytest.mark.parametrize(
    ("column", "text", "value", "resolution"),
    [
        ("trainable_params", "0.3M", "300000", "100000"), ("trainable_params", "1,234,567", "1234567", "1"),
        ("trainable_params", "36.8K", "36800", "100"), ("total_params", "6.7 B", "6700000000", "100000000"),
        ("trainable_params_million", "0.3M", "300000", "100000"), ("total_params", "1\u202f234", "1234", "1"),
        ("trainable_share", "0.84%", "0.0084", "0.0001"), ("trainable_share_percent", "0.84", "0.0084", "0.0001"),
        ("accuracy_percent", "**94.8**", "0.948", "0.001"), ("accuracy_percent", "94.8†", "0.948", "0.001"),
        ("accuracy_percent", "94.8 ‡", "0.948", "0.001"), ("accuracy_percent", "94.8*", "0.948", "0.001"),
        ("mcc", "-0.12", "-0.12", "0.01"), ("mcc", "\u22120.12", "-0.12", "0.01"), ("pearson", "–0.5", "-0.5", "0.1"),
        ("gmacs", "22.5", "45000000000", "200000000"), ("tflops", "0.5", "500000000000", "100000000000"),
        ("flops", "1.1e12", "1.1e12", "1e11"), ("flops", "1.1 × 10^12", "1.1e12", "1e11"),
        ("flops", "45.9 GFLOPs", "45900000000", "100000000"), ("flops", "22.5 GMACs", "45000000000", "200000000"),
        ("macs", "22.5G", "45000000000", "200000000"), ("macs", "22.5 GMACs", "45000000000", "200000000"),
        ("peak_memory", "14.4GB", "14400000000", "100000000"), ("peak_memory", "1.5 GiB", "1610612736", "107374182.4"),
        ("peak_memory", "0.36G", "360000000", "10000000"), ("train_hours", "1.5", "5400", "360"),
        ("train_seconds", "568 min", "34080", "60"), ("throughput_tokens_per_second", "1,250", "1250", "1"),
        ("throughput_tokens_per_second", "1.2K tokens/s", "1200", "100"),
    ],
)  # fmt: skip
def test_value_and_resolution(column: str, text: str, value: str, resolution: str) -> None:
    read = read_number(text, COLUMNS[column], WHERE)
    assert (read.value, read.resolution, read.spread) == (Decimal(value), Decimal(resolution), None)


@pytest.mark.parametrize("text", ["87.5±.3", "87.5 ± 0.3", "87.5 +/- 0.3", "87.5+-0.3"])
def test_a_spread_is_kept_apart(text: str) -> None:
    read = read_number(text, COLUMNS["accuracy_percent"], WHERE)
    assert (read.value, read.spread) == (Decimal("0.875"), Decimal("0.003"))
    assert (read.low, read.high) == (Decimal("0.8745"), Decimal("0.8755"))


@pytest.mark.parametrize("text", ["1.2-1.4", "1.2–1.4", "1.2 — 1.4", "1.2 to 1.4"])
def test_a_range_fits_what_lies_in_it(text: str) -> None:
    read = read_number(text, COLUMNS["gflops"], WHERE)
    assert [read.fits(Decimal(value) * 10**9) for value in ("1.14", "1.15", "1.3", "1.45", "1.46")] == [
        False, True, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("mcc", "-1.2", "must be at least -1, got '-1.2'"), ("f1", "-0.1", "must be at least 0"),
        ("mcc_percent", "-101", "must be at least -100"), ("mcc", "1.5", "must be at most 1"),
        ("gflops", "1.4-1.2", "a range must end above its start"), ("peak_memory", "14.4", "needs a unit"),
        ("trainable_params", "0.3", "must be a whole number of parameters, or have a unit such as M"),
        ("trainable_params_million", "0.3K", "the cell says K and the heading M"),
        ("trainable_params", "3 GB", "'GB' is no unit of trainable_params"), ("f1", "0.9 (0.1)", "must be a number"),
        ("gflops", "1,23", "must be a number"), ("gflops", "1.2.3", "must be a number"),
        ("trainable_params", "0.1K-0.3M", "must have one unit"), ("accuracy_percent", "90.6/89.1", "must be a number"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_where_and_why(column: str, text: str, message: str) -> None:
    with pytest.raises(DataError) as raised:
        read_number(text, COLUMNS[column], WHERE)
    assert str(raised.value).startswith(f"{WHERE}: ")
    assert message in str(raised.value)


def test_dashes_stand_for_nothing() -> None:
    assert all(is_nothing(text) for text in ("", "-", "–", "—", "--", "n/a", "N/A", "OOM"))
    assert not any(is_nothing(text) for text in ("0", "-1", "0.0"))


@given(value=st.decimals(0, 10**9, places=3), separated=st.booleans(), spread=st.decimals(0, 10, places=2))
def test_any_printed_number_comes_back(value: Decimal, separated: bool, spread: Decimal) -> None:
    text = f"{value:,}" if separated else f"{value}"
    read = read_number(f"{text} ± {spread} h", COLUMNS["train_seconds"], WHERE)
    assert (read.value, read.spread) == (value * 3600, spread * 3600)
    assert read.fits(value * 3600)


@given(st.text(string.digits + ".,-–±+/ eEkMGB%×^†'x(", max_size=40), st.sampled_from(sorted(COLUMNS)))
def test_any_text_is_read_or_refused(text: str, column: str) -> None:
    try:
        read = read_number(text, COLUMNS[column], WHERE)
    except DataError as error:
        refused = str(error)
    else:
        assert read.low <= read.value <= read.high
        return
    assert WHERE in refused
