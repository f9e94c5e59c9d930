"""Published tables keep their digits; a table that breaks a rule is refused with file, line, column, rule and value."""

from decimal import Decimal
from pathlib import Path

import pytest

from bench.audit import published
from bench.audit.published import MANIFEST, PUBLISHED_FOLDER, find, load
from bench.audit.quantities import COLUMNS
from bench.errors import DataError, StudyError, UnknownNameError

HEADER = "dataset,model,method,f1"
ROW = "IMDb,RoBERTa,LoRA,0.9310"


def write(folder: Path, *lines: str, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def number(folder: Path, column: str, text: str) -> published.Number:
    path = write(folder, f"dataset,model,method,{column}", f"d,m,x,{text}")
    return load(path).tables[0].rows[0].numbers[COLUMNS[column].quantity]


def test_the_shipped_tables_load_with_their_rows() -> None:
    tables = {table.name: table for table in load(find("sentiment_moe")).tables}
    assert {name: len(table.rows) for name, table in tables.items()} == {"table2": 24, "table3": 33, "table4": 6}
    assert [name for name, table in tables.items() if table.compare] == ["table3"]
    assert tables["table3"].rows[0].named == ("imdb", "llama-3-8b-instruct", "lora")
    assert tables["table3"].rows[0].numbers["f1"].text == "0.9693"
    assert {row.named for row in tables["table2"].rows if row.printed[1] == "Baseline"} == {
        (dataset, None, None) for dataset in ("imdb", "tweet_eval_emotion", "sst5")
    }


def test_the_shipped_tables_are_found_by_name_study_and_path() -> None:
    folder = PUBLISHED_FOLDER / "sentiment_moe"
    assert find("sentiment_moe") == find("paper") == find(str(folder)) == folder
    assert load(folder) == load(folder / MANIFEST)
    with pytest.raises(UnknownNameError, match=r"did you mean 'sentiment_moe'"):
        find("sentiment-moe")


def test_an_installation_without_reports_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(published, "PUBLISHED_FOLDER", tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no shipped tables \(they lie in reports/published of a checkout\)"):
        find("sentiment_moe")
    path = write(tmp_path, HEADER, ROW)
    assert find(str(path)) == path


@pytest.mark.parametrize(
    ("column", "text", "value", "resolution"),
    [
        ("trainable_params_million", "41.94", "41940000", "10000"),
        ("trainable_params_million", "12.50", "12500000", "10000"),
        ("total_params", "1.2e3", "1200", "100"),
        ("total_params_billion", "7", "7000000000", "1000000000"),
        ("peak_memory_mib", "1.5", "1572864", "104857.6"),
        ("peak_memory_gb", "14.9", "14900000000", "100000000"),
        ("f1_percent", "93.1", "0.931", "0.001"),
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
        ([""], r"mine\.csv: empty; its first line must name the columns"),
        ([HEADER], r"mine\.csv: no rows below"),
        (["dataset,model,f1", "d,m,1"], r"line 1: must have the columns dataset, model, method, got no method"),
        (["dataset,model,method", "d,m,x"], r"line 1: no column of numbers"),
        ([f"{HEADER},gflop", f"{ROW},1"], r"line 1, column 'gflop': unknown column; did you mean 'gflops'\?"),
        ([f"{HEADER},peak_memory_tb", f"{ROW},1"], r"'tb' is no unit of peak_memory; write one of peak_memory_bytes"),
        ([f"{HEADER},peak_memory", f"{ROW},1"], r"column 'peak_memory': peak_memory needs a unit"),
        ([f"{HEADER},", f"{ROW},1"], r"a column without a name"),
        ([f"{HEADER},f1_percent", f"{ROW},93"], r"column 'f1_percent': says the same as column 'f1'; keep one"),
        ([HEADER, f"{ROW},7"], r"line 2: must have 4 cells as the first line has, got 5"),
        ([HEADER, "IMDb,,LoRA,0.5"], r"line 2, column model: must name a model, got nothing"),
        ([HEADER, "d,m,x,abc"], r"line 2, column f1: must be a number such as 45\.90.*got 'abc'"),
        ([HEADER, 'd,m,x,"1,234"'], r"must be a number such as 45\.90 without separators or unit, got '1,234'"),
        ([HEADER, "d,m,x,1_0"], r"must be a number"),
        ([HEADER, "d,m,x,\u0663"], r"must be a number"),
        ([HEADER, "d,m,x,-0.5"], r"line 2, column f1: must be at least 0, got '-0\.5'"),
        ([HEADER, "d,m,x,NaN"], r"must be finite, got 'NaN'"),
        ([HEADER, "d,m,x,-inf"], r"must be finite, got '-inf'"),
        ([HEADER, "d,m,x,1e999"], r"must be a number"),
        ([HEADER, "d,m,x,93.1"], r"must be at most 1, got '93\.1'; percentages go into the column f1_percent"),
        (["dataset,model,method,f1_percent", "d,m,x,101"], r"must be at most 100, got '101'$"),
        ([HEADER, ROW, "imdb,RoBERTa,lora,0.5"], r"line 3: the row 'imdb, RoBERTa, lora' stands already on line 2"),
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", r"not valid TOML"),
        ('study = "s"\n[tables.t]\nfile = "t.csv"', r"title is required"),
        ('title = "t"\nstudy = "s"\n[tables.t]\nfile = "../t.csv"', r"must be the name of a \.csv file"),
        ('title = "t"\nstudy = "s"\nauthor = "x"\n[tables.t]\nfile = "t.csv"', r"author: unknown key"),
        ('title = "t"\nstudy = "s"\n[tables.t]\nfile = "t.csv"\ncompare = false', r"no table is compared"),
    ],
)
def test_a_toml_file_that_breaks_a_rule_is_refused(text: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, HEADER, ROW, name="t.csv")
    path = write(tmp_path, text, name=MANIFEST)
    with pytest.raises(StudyError, match=message):
        load(path)


def test_a_mapping_names_the_rows_of_a_table_alone(tmp_path: Path) -> None:
    table = write(tmp_path, HEADER, "Movies,RoBERTa,LoRA r8,0.5")
    mapping = write(tmp_path, '[datasets]\nMovies = "imdb"\n[methods]\n"LoRA r8" = "lora"', name="names.toml")
    row = load(table, mapping).tables[0].rows[0]
    assert (row.named, row.mapped) == (("imdb", "RoBERTa", "lora"), (True, False, True))
    with pytest.raises(StudyError, match=r"names\.toml: titel: unknown key"):
        load(table, write(tmp_path, 'titel = "x"', name="names.toml"))
    with pytest.raises(StudyError, match=r"a mapping goes with a \.csv file alone"):
        load(find("sentiment_moe"), mapping)
