"""Published tables are found by name and path, and their names stand for those of a study."""

from pathlib import Path

import pytest

from bench.commands.audit.published import find, folder, load
from bench.commands.audit.published.folder import PUBLISHED_FOLDER
from bench.commands.audit.published.manifest import MANIFEST
from bench.errors import DataError, StudyError, UnknownNameError
from tests.commands.audit.published.conftest import HEADER, ROW, write


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
    path = PUBLISHED_FOLDER / "sentiment_moe"
    assert find("sentiment_moe") == find("paper") == find(str(path)) == path
    assert load(path) == load(path / MANIFEST)
    with pytest.raises(UnknownNameError, match=r"did you mean 'sentiment_moe'"):
        find("sentiment-moe")


def test_an_installation_without_reports_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folder, "PUBLISHED_FOLDER", tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no shipped tables \(they lie in reports/published of a checkout\)"):
        find("sentiment_moe")
    path = write(tmp_path, HEADER, ROW)
    assert find(str(path)) == path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", r"not valid TOML"),
        ('study = "s"\n[tables.t]\nfile = "t.csv"', r"title is required"),
        ('title = "t"\nstudy = "s"\n[tables.t]\nfile = "../t.csv"', r"must be the name of a \.csv, \.md or \.tex file"),
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
    with pytest.raises(StudyError, match=r"give a mapping only with a single table"):
        load(find("sentiment_moe"), mapping)
