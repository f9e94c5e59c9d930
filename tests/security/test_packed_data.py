"""Files of a few kilobytes that unpack to gigabytes, and other data that is made to use up memory or time."""

import gzip
import io
import json
import resource
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.data import files, texts
from bench.errors import DataError, RequestError
from bench.run.answer import answer_of
from bench.run.executor import LocalExecutor
from bench.run.worker import preflight
from bench.study.cell import Cell
from tests.data.forms import jsonl, laid, loaded, located
from tests.report.conftest import _record

TEST = jsonl([("a", 1), ("b", 0)])


def parquet_of(text: Any, labels: list[int], **how: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": text, "label": labels}), sink, compression="zstd", store_schema=False, **how)
    return sink.getvalue()


def repeated(text: str, rows: int) -> bytes:
    """One text, stored once and named by each row: the file states what is stored, not what the rows hold."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    return parquet_of(column, [at % 2 for at in range(rows)])


def long_texts(characters: int, rows: int) -> bytes:
    return parquet_of([f"{at}" + "x" * characters for at in range(rows)], [0] * rows, use_dictionary=False)


def varint(number: int) -> bytes:
    """As Thrift writes a number: its sign last, seven bits a byte."""
    rest, found = number << 1, b""
    while rest:
        found += bytes([rest & 127 | (128 if rest > 127 else 0)])
        rest >>= 7
    return found


def understated(content: bytes) -> bytes:
    """The same file, which states that its texts have no bytes when they are unpacked."""
    metadata = pq.read_metadata(io.BytesIO(content))
    said = [
        varint(metadata.row_group(0).column(0).total_uncompressed_size),
        varint(metadata.row_group(0).total_byte_size),
    ]
    for each in said:
        content = content.replace(each, b"\x80" * (len(each) - 1) + b"\x00")
    assert pq.read_metadata(io.BytesIO(content)).row_group(0).column(0).total_uncompressed_size == 0
    return content


def refused(folder: Path, **contents: bytes | str) -> str:
    """The message of data that are not read, with the memory that this took bounded."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError) as caught:
        loaded(laid(folder, **contents, test__jsonl=TEST))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # KiB
    assert len(str(caught.value)) < 10_000
    return str(caught.value)


class TestParquet:
    @pytest.mark.parametrize(
        "content",
        [repeated("x" * 200_000, 40_000), long_texts(1_000_000, 500), understated(long_texts(1_000_000, 400))],
        ids=["a text that is stored once", "texts that say their size", "texts that understate it"],
    )  # fmt: skip
    def test_that_unpacks_to_gigabytes(self, content: bytes, tmp_path: Path) -> None:
        assert len(content) < 1_000_000
        said = refused(tmp_path, train__parquet=content)
        assert f"dataset mine: {tmp_path}/train.parquet: unpacks to more than 200 times its size" in said

    def test_of_very_many_rows_that_hold_nothing(self, tmp_path: Path) -> None:
        rows = 5_000_000
        content = parquet_of(pa.nulls(rows, pa.string()), pa.nulls(rows, pa.int64()))
        assert "its limit is 268 MB" in refused(tmp_path, train__parquet=content)

    def test_of_one_text_as_long_as_a_library(self, tmp_path: Path) -> None:
        content = parquet_of(["x" * 100_000_000, "y"], [0, 1])
        assert "text must have at most 16777216 characters, got 100000000" in refused(tmp_path, train__parquet=content)

    @pytest.mark.parametrize("as_stored", [True, False])
    def test_of_one_text_as_long_as_a_library_that_every_row_names(self, as_stored: bool, tmp_path: Path) -> None:
        texts = pa.DictionaryArray.from_arrays(pa.array([0] + [1] * 60, pa.int32()), pa.array(["y", "x" * 50_000_000]))
        sink = io.BytesIO()
        pq.write_table(pa.table({"text": texts, "label": [0] * 61}), sink, compression="zstd", store_schema=as_stored)
        assert pa.types.is_dictionary(pq.read_schema(sink).field("text").type) == as_stored
        said = refused(tmp_path, train__parquet=sink.getvalue())
        assert "train.parquet: a text must have at most 16777216 characters, got 50000000" in said

    @pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
    def test_of_a_long_text_of_any_type(
        self, kind: pa.DataType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(files, "LONGEST_TEXT", 1000)
        sink = io.BytesIO()
        pq.write_table(pa.table({"text": pa.array(["y", *["\u00e9" * 1001] * 9], kind), "label": [0, 1] * 5}), sink)
        said = refused(tmp_path, train__parquet=sink.getvalue())
        assert "train.parquet: a text must have at most 1000 characters, got 1001" in said

    def test_texts_that_are_long_come_a_few_at_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "UNPACKED_BYTES", 20_000)
        located_at = laid(tmp_path, train__parquet=repeated("x" * 6000, 3), test__jsonl=TEST) / "train.parquet"
        metadata = pq.read_metadata(located_at)
        assert files._batch_rows(located(tmp_path), located_at, metadata) == 3
        assert files._batch_rows(located(tmp_path, text="label"), located_at, metadata) == files.BATCH_ROWS

    def test_of_a_list_in_a_row(self, tmp_path: Path) -> None:
        said = refused(tmp_path, train__parquet=parquet_of([["a"], ["b"]], [0, 1]))
        assert "column 'text' must hold a text or a label in each row, got list<element: string>; set text" in said

    def test_other_columns_are_neither_counted_nor_read(self, tmp_path: Path) -> None:
        table = pa.table({"text": ["a", "b"] * 4, "label": [0, 1] * 4, "other": ["x" * 50_000_000] * 8})
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
        assert len(loaded(laid(tmp_path, train__parquet=sink.getvalue(), test__jsonl=TEST)).splits["train"]) == 7

    def test_of_a_hundred_thousand_columns(self, tmp_path: Path) -> None:
        sink = io.BytesIO()
        pq.write_table(pa.table({f"column {at}": [1] for at in range(10_000)}), sink)
        assert "and 9950 more" in refused(tmp_path, train__parquet=sink.getvalue())


class TestLines:
    def test_a_csv_of_a_million_columns(self, tmp_path: Path) -> None:
        header = ",".join(f"c{at}" for at in range(1_000_000))
        assert "no column 'text'; it has c0, c1, " in refused(tmp_path / "a", train__csv=header)
        assert "and 999952 more), got 2" in refused(tmp_path / "b", train__csv=f"text,label,{header}\na,1\n")

    def test_names_of_columns_as_long_as_books(self, tmp_path: Path) -> None:
        refused(tmp_path, train__csv=",".join("x" * 100_000 + str(at) for at in range(100)))

    @pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "jsonl__gz"])
    def test_a_line_without_end(self, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "LONGEST_LINE_BYTES", 1_000_000)
        assert "a line must have at most 1000000 bytes" in refused(tmp_path, **{f"train__{suffix}": "x" * 2_000_000})

    @pytest.mark.parametrize(
        "content", ["[" * 100_000, '{"a":' * 100_000, '{"text": "a", "label": ' + "9" * 1_000_000 + "}"],
        ids=["nested lists", "nested objects", "a million digits"],
    )  # fmt: skip
    def test_json_of_a_hundred_thousand_levels_or_a_million_digits(self, content: str, tmp_path: Path) -> None:
        assert "line 1: not valid JSON" in refused(tmp_path, train__jsonl=content)

    def test_lines_that_hold_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "UNPACKED_BYTES", 50_000_000)
        (tmp_path / "train.jsonl.gz").write_bytes(gzip.compress(b"\n" * 200_000) * 25)
        assert "train.jsonl.gz: unpacks to more than" in refused(tmp_path)


def cell_of(folder: Path) -> Cell:
    cell = _record().cell
    train = cell.train.model_copy(update={"precision": "fp32"})
    return cell.model_copy(update={"device": "cpu", "dataset": located(folder), "train": train})


def test_a_check_that_runs_out_of_memory_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cell_of(laid(tmp_path / "data", train__jsonl=TEST * 5, test__jsonl=TEST))

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(texts, "read_file", full)
    (tmp_path / "request.json").write_text(json.dumps([cell.model_dump(mode="json")]))
    preflight.check_cells(tmp_path, 0.0)
    (problem, *_) = json.loads((tmp_path / "answer.json").read_text())
    wanted = (
        f"reading dataset mine: {tmp_path}/data/train.jsonl needs more than the memory that was free when the check"
    )
    assert problem.startswith(wanted)


@pytest.mark.slow
def test_a_worker_s_limit_is_met_with_a_message(tmp_path: Path) -> None:
    line = json.dumps({"text": "a fine film " * 500, "label": 1}).encode() + b"\n"
    cell = cell_of(laid(tmp_path / "data", train__jsonl=line * 30_000 + TEST, test__jsonl=TEST))
    (tmp_path / "request.json").write_text(json.dumps([cell.model_dump(mode="json")]))
    executor = LocalExecutor()
    try:
        job = executor.start("bench.run.worker.preflight:check_cells", tmp_path, 500_000_000)
        (problem, *_) = answer_of(job, "bench.run.worker.preflight:check_cells", tmp_path, 120)
    except RequestError as error:
        problem = str(error)
    finally:
        executor.close()
    assert "reading dataset mine" in problem
    assert "0.5 GB" in problem
