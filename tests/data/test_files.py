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

    @pytest.mark.parametrize(
        ("content", "rows"),
        [
            ('label,text\r\npos,"In a word, superb"\r\nneg,"two\r\nlines and ""quotes"""\r\n\r\n',
             [("In a word, superb", "pos"), ('two\r\nlines and "quotes"', "neg")]),
            (",text,label,\n0,a,pos,\n1,b,neg,x\n", [("a", "pos"), ("b", "neg")]),
            ("text , label\na, pos\nb, neg\n", [("a", "pos"), ("b", "neg")]),
            ("text,label,x,x\na,p,1,2\nb,n,1,2\n", [("a", "p"), ("b", "n")]),
        ],
        ids=["quotes", "other columns are empty", "blanks in the header", "another column twice"],
    )  # fmt: skip
    def test_is_read(self, content: str, rows: list[tuple[str, str]], tmp_path: Path) -> None:
        assert rows_read(everywhere(tmp_path, "csv", content)) == rows

    def test_a_text_as_long_as_one_may_be(self, tmp_path: Path) -> None:
        before = csv.field_size_limit()
        long = "x" * LONGEST_TEXT
        folder = laid(tmp_path, train__csv=f'text,label\n"{long}",1\nshort,0\n', test__csv="text,label\na,1\nb,0\n")
        dataset = loaded(folder, validation_fraction=0.5)
        lengths = [len(text) for split in ("train", "validation") for text in dataset.splits[split].texts]
        assert (sorted(lengths), csv.field_size_limit()) == ([5, LONGEST_TEXT], before)


NOT_SEPARATED = r"columns of a \.csv are separated by commas, those of a \.tsv by tabs"
NO_CSV = r"train\.csv: not valid CSV \(line \d\)"
TOO_LONG = "x" * (LONGEST_TEXT + 1)


@pytest.mark.parametrize(
    ("suffix", "content", "said"),
    [
        ("csv", "text,label,text\na,pos,b\nc,neg,d\n", r"train\.csv: line 1: column 'text' occurs twice"),
        *(("csv", header, "split train is empty") for header in ("text,label\n", "text,label", "\n\ntext,label\r\n")),
        ("csv", "text;label\na;pos\n", NOT_SEPARATED), ("csv", "text\tlabel\na\tpos\n", NOT_SEPARATED),
        ("csv", f"text,label\n{TOO_LONG},1\nb,0\n", r"not valid CSV \(line 2\): field larger than field limit"),
        ("csv", "text,label\ra,pos\rb,neg\r", NO_CSV), ("csv", 'text,label\n"a"b,pos\n', NO_CSV),
        ("csv", "text,label\na,pos\n".encode("utf-16"), r"train\.csv: not UTF-8 text"),
        *(("tsv", f"label\ttext\n{line}\n", r"train\.tsv: line 2: a row must have the 2 fields .* neither a tab nor")
          for line in ("pos", "pos\ta\tb")),
        ("tsv", "text,label\na,pos\n", "no column 'text'; it has text,label"),
        *(("jsonl", jsonl([("a", 0), (text, 1)]), r"train\.jsonl: line 2: text must be a string, got ")
          for text in (None, 3, ["a"], {"a": 1}, True)),
        ("jsonl", json.dumps([{"text": "a", "label": 1}]), "line 1: must be a JSON object, got list"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_names_the_place(suffix: str, content: bytes | str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        loaded(everywhere(tmp_path, suffix, content))


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
        assert rows_read(everywhere(tmp_path, "jsonl", jsonl(ROWS).replace(b"\n", b"\r\n\r\n"))) == ROWS

    def test_a_text_as_long_as_in_csv(self, tmp_path: Path) -> None:
        long = "é" * (LONGEST_TEXT // 8)
        dataset = loaded(everywhere(tmp_path, "jsonl", jsonl([(long, 0), ("short", 1)])))
        assert dataset.splits["test"].texts[0] == long


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
        assert (dataset.splits["train"].labels, dataset.splits["train"].ids[-1]) == ([0, 1, 0, 1, 0], "train/4")
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
