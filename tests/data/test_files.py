"""Data files in all formats: their rows, or an error with its place."""

import csv
import json
from pathlib import Path

import pytest

from bench.data.files import LONGEST_TEXT
from bench.errors import DataError
from tests.data.forms import everywhere, jsonl, laid, loaded, parquet, rows_of

ROWS = [("a fine film", "pos"), ('he said "no", twice', "neg")]


def rows_read(folder: Path) -> list[tuple[str, str]]:
    dataset = loaded(folder)
    return rows_of(dataset.splits["test"], dataset.labels)


class TestCsv:
    @pytest.mark.parametrize("line", ["pos,In a word, superb", "pos", "pos,a,b,c", '"pos,a"'])
    def test_a_row_that_does_not_fit_the_header(self, line: str, tmp_path: Path) -> None:
        count = len(next(csv.reader([line])))
        folder = everywhere(tmp_path, "csv", f"label,text\nneg,fine\n{line}\n")
        with pytest.raises(DataError) as caught:
            loaded(folder)
        said = str(caught.value)
        assert f"train.csv: line 3: a row must have the 2 fields of the header (label, text), got {count};" in said
        assert "double quotes" in said

    def test_quoted_commas_quotes_and_line_breaks(self, tmp_path: Path) -> None:
        content = 'label,text\r\npos,"In a word, superb"\r\nneg,"two\r\nlines and ""quotes"""\r\n\r\n'
        rows = [("In a word, superb", "pos"), ('two\r\nlines and "quotes"', "neg")]
        assert rows_read(everywhere(tmp_path, "csv", content)) == rows

    def test_other_columns_may_be_empty(self, tmp_path: Path) -> None:
        content = ",text,label,\n0,a,pos,\n1,b,neg,x\n"
        assert rows_read(everywhere(tmp_path, "csv", content)) == [("a", "pos"), ("b", "neg")]

    def test_blanks_in_the_header(self, tmp_path: Path) -> None:
        assert rows_read(everywhere(tmp_path, "csv", "text , label\na, pos\nb, neg\n")) == [("a", "pos"), ("b", "neg")]

    def test_a_column_that_stands_there_twice(self, tmp_path: Path) -> None:
        folder = everywhere(tmp_path, "csv", "text,label,text\na,pos,b\nc,neg,d\n")
        with pytest.raises(DataError, match=r"train\.csv: line 1: column 'text' occurs twice"):
            loaded(folder)

    def test_another_column_may(self, tmp_path: Path) -> None:
        assert rows_read(everywhere(tmp_path, "csv", "text,label,x,x\na,p,1,2\nb,n,1,2\n")) == [("a", "p"), ("b", "n")]

    @pytest.mark.parametrize("content", ["text,label\n", "text,label", "\n\ntext,label\r\n"])
    def test_a_header_alone(self, content: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="split train is empty"):
            loaded(everywhere(tmp_path, "csv", content))

    @pytest.mark.parametrize("separator", [";", "\t"])
    def test_another_separator_says_so(self, separator: str, tmp_path: Path) -> None:
        content = "text,label\na,pos\n".replace(",", separator)
        with pytest.raises(DataError, match=r"columns of a \.csv are separated by commas, those of a \.tsv by tabs"):
            loaded(everywhere(tmp_path, "csv", content))

    def test_a_text_as_long_as_one_may_be(self, tmp_path: Path) -> None:
        before = csv.field_size_limit()
        long = "x" * LONGEST_TEXT
        folder = laid(tmp_path, train__csv=f'text,label\n"{long}",1\nshort,0\n', test__csv="text,label\na,1\nb,0\n")
        dataset = loaded(folder, validation_fraction=0.5)
        lengths = [len(text) for split in ("train", "validation") for text in dataset.splits[split].texts]
        assert sorted(lengths) == [5, LONGEST_TEXT]
        assert csv.field_size_limit() == before

    def test_a_longer_one(self, tmp_path: Path) -> None:
        folder = everywhere(tmp_path, "csv", "text,label\n" + "x" * (LONGEST_TEXT + 1) + ",1\nb,0\n")
        with pytest.raises(DataError, match=r"train\.csv: not valid CSV \(line 2\): field larger than field limit"):
            loaded(folder)

    @pytest.mark.parametrize("content", ["text,label\ra,pos\rb,neg\r", 'text,label\n"a"b,pos\n'])
    def test_what_is_no_csv_names_the_line(self, content: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"train\.csv: not valid CSV \(line \d\)"):
            loaded(everywhere(tmp_path, "csv", content))

    def test_utf_16(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"train\.csv: not UTF-8 text"):
            loaded(everywhere(tmp_path, "csv", "text,label\na,pos\n".encode("utf-16")))


class TestTsv:
    @pytest.mark.parametrize("suffix", ["tsv", "tsv.gz"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_is_read(self, suffix: str, end: str, tmp_path: Path) -> None:
        content = end.join(["label\ttext", "pos\tIn a word, superb", "neg\tan apostrophe's", ""])
        rows = [("In a word, superb", "pos"), ("an apostrophe's", "neg")]
        assert rows_read(everywhere(tmp_path, suffix, content)) == rows

    def test_a_quote_swallows_no_lines(self, tmp_path: Path) -> None:
        content = 'label\ttext\npos\t"a quote opens\nneg\tsaid "no"\npos\t"whole, ""quoted"" field"\nneg\tand closes"\n'
        assert rows_read(everywhere(tmp_path, "tsv", content)) == [
            ('"a quote opens', "pos"), ('said "no"', "neg"), ('whole, "quoted" field', "pos"), ('and closes"', "neg"),
        ]  # fmt: skip

    @pytest.mark.parametrize("line", ["pos", "pos\ta\tb"])
    def test_a_line_that_does_not_fit(self, line: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"train\.tsv: line 2: a row must have the 2 fields .* neither a tab nor"):
            loaded(everywhere(tmp_path, "tsv", f"label\ttext\n{line}\n"))

    def test_with_commas_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no column 'text'; it has text,label"):
            loaded(everywhere(tmp_path, "tsv", "text,label\na,pos\n"))


class TestMark:
    """Files with a byte order mark at the start."""

    @pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "csv", "tsv"])
    def test_is_no_part_of_the_file(self, suffix: str, tmp_path: Path) -> None:
        content = {
            "jsonl": jsonl([("a", "pos"), ("b", "neg")]), "csv": b"text,label\na,pos\nb,neg\n",
            "tsv": b"text\tlabel\r\na\tpos\r\nb\tneg\r\n",
        }[suffix.removesuffix(".gz")]  # fmt: skip
        rows = [("a", "pos"), ("b", "neg")]
        assert rows_read(everywhere(tmp_path, suffix, b"\xef\xbb\xbf" + content)) == rows


class TestJsonl:
    def test_windows_line_ends_and_empty_lines(self, tmp_path: Path) -> None:
        content = jsonl(ROWS).replace(b"\n", b"\r\n\r\n")
        assert rows_read(everywhere(tmp_path, "jsonl", content)) == ROWS

    def test_a_text_as_long_as_in_csv(self, tmp_path: Path) -> None:
        long = "é" * (LONGEST_TEXT // 8)
        dataset = loaded(everywhere(tmp_path, "jsonl", jsonl([(long, 0), ("short", 1)])))
        assert dataset.splits["test"].texts[0] == long

    @pytest.mark.parametrize("text", [None, 3, ["a"], {"a": 1}, True])
    def test_a_text_that_is_none(self, text: object, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"train\.jsonl: line 2: text must be a string, got "):
            loaded(everywhere(tmp_path, "jsonl", jsonl([("a", 0), (text, 1)])))


class TestShards:
    """Several files of a split, named as on the hub."""

    PARTS = ([("a", 0), ("b", 1)], [("c", 0)], [("d", 1), ("e", 0)])

    @pytest.mark.parametrize("folder", ["", "data/"])
    @pytest.mark.parametrize("form", ["parquet", "jsonl", "jsonl.gz", "csv", "tsv.gz"])
    def test_are_read_in_order(self, folder: str, form: str, tmp_path: Path) -> None:
        def content(rows: list[tuple[str, int]]) -> bytes:
            if form == "parquet":
                return parquet(rows)
            if "jsonl" in form:
                return jsonl(rows)
            mark = "," if form == "csv" else "\t"
            return f"text{mark}label\n".encode() + b"".join(f"{t}{mark}{y}\n".encode() for t, y in rows)

        files = {f"{folder}train-{at:05d}-of-00003.{form}": content(part) for at, part in enumerate(self.PARTS)}
        files |= {f"{folder}{split}-00000-of-00001.{form}": content(self.PARTS[0]) for split in ("validation", "test")}
        dataset = loaded(laid(tmp_path, **files))
        assert dataset.splits["train"].texts == ["a", "b", "c", "d", "e"]
        assert dataset.splits["train"].labels == [0, 1, 0, 1, 0]
        assert dataset.splits["train"].ids[-1] == "train/4"
        assert len(dataset.splits["validation"]) == 2

    def test_are_the_same_data_as_one_file(self, tmp_path: Path) -> None:
        test = {"test__jsonl": jsonl(self.PARTS[0])}
        parts = {f"train-{at:05d}-of-00003.jsonl": jsonl(part * 4) for at, part in enumerate(self.PARTS)}
        whole = jsonl([row for part in self.PARTS for row in part * 4])
        apart, together = (
            loaded(laid(tmp_path / "a", **parts, **test)),
            laid(tmp_path / "b", train__jsonl=whole, **test),
        )
        assert apart.sha256 == loaded(together).sha256

    def test_an_error_names_the_file_of_the_row(self, tmp_path: Path) -> None:
        files = {f"train-{at:05d}-of-00002.jsonl": jsonl(self.PARTS[at]) for at in range(2)}
        files["train-00001-of-00002.jsonl"] += b"{"
        with pytest.raises(DataError, match=r"train-00001-of-00002\.jsonl: line 2: not valid JSON"):
            loaded(laid(tmp_path, **files, test__jsonl=jsonl(self.PARTS[0])))


def test_an_array_of_json_is_no_jsonl(tmp_path: Path) -> None:
    content = json.dumps([{"text": "a", "label": 1}])
    with pytest.raises(DataError, match=r"line 1: must be a JSON object, got list"):
        loaded(everywhere(tmp_path, "jsonl", content))
