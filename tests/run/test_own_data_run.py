"""Data as people have them, from the command to the record and the table."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from bench.data import texts
from bench.errors import DataError
from bench.model.prompting.prompts import Prompt
from bench.study.settings import DataSettings
from bench.train.cell_prompt import prompt_of
from bench.train.inputs import Inputs
from tests.conftest import Tunebench
from tests.data.forms import everywhere, jsonl, laid, located, parquet
from tests.model.prompting.support import byte_tokenizer
from tests.run.test_text_pairs import cell_of
from tests.support import command, records, small_study, write_study

WORDS = (("good", "pos"), ("bad", "neg"), ("fine", "pos"), ("poor", "neg"))
ROWS = [(f"a {'very ' * times}{word} film", label) for times in range(12) for word, label in WORDS]


def study_of(folder: Path, encoder: Path, dataset: dict[str, Any], **changes: Any) -> Path:
    return write_study(folder / "s.toml", small_study(encoder, folder, datasets={"reviews": dataset}, **changes))


@pytest.mark.slow
def test_one_file_is_divided_alike_for_every_cell_and_the_split_is_kept(tmp_path: Path, tiny_encoder: Path) -> None:
    laid(tmp_path, tickets__tsv="text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in ROWS))
    study = study_of(tmp_path, tiny_encoder, {"path": "tickets.tsv"}, methods=["full_ft", "bitfit"])
    done = command("run", study, "--format", "csv", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = records(tmp_path / "runs" / "small")
    assert {record["status"] for record in found.values()} == {"ok"}
    assert len({record["data"]["sha256"] for record in found.values()}) == 1
    rows = {"train": 34, "validation": 4, "test": 10}
    kept = sorted((tmp_path / "runs" / "small" / "cells").glob("*/split.csv"))
    assert len(kept) == 2
    assert kept[0].read_bytes() == kept[1].read_bytes()
    lines = list(csv.DictReader(kept[0].read_text(encoding="utf-8").splitlines()))
    assert [line["id"] for line in lines] == [f"line/{number}" for number in range(2, len(ROWS) + 2)]
    assert {split: sum(line["split"] == split for line in lines) for split in rows} == rows
    for record in found.values():
        assert record["data"]["rows"] == rows
        predictions = (tmp_path / "runs/small/cells" / record["cell_id"] / "predictions.jsonl").read_text("utf-8")
        ids = {json.loads(line)["id"] for line in predictions.splitlines()}
        assert ids == {line["id"] for line in lines if line["split"] == "test"}


@pytest.mark.slow
def test_what_makes_numbers_mislead_is_in_the_record_and_under_the_table(tmp_path: Path, tiny_encoder: Path) -> None:
    train = [*ROWS, ("", "mixed"), ("a mixed film", "mixed"), ("a mixed FILM", "Mixed"), ("so so", "mixed")]
    laid(tmp_path / "d", train__jsonl=jsonl(train * 2), validation__jsonl=jsonl(ROWS), test__jsonl=jsonl(ROWS[:8]))
    study = study_of(tmp_path, tiny_encoder, {"path": "d"}, seeds=[0, 1])
    done = command("run", study, "--format", "md", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [
        "labels 'Mixed', 'mixed' differ only by case, blanks or Unicode form and are separate classes",
        "test has no text of Mixed, mixed: macro F1 can reach 0.500 at most",
        "100.0 % of the test texts are in train too (8 of 8)",
        "2.5 % of the texts occur again with another label (4 of 160)",
        "1.2 % of the texts are empty (2 of 160)",
    ]
    for record in records(tmp_path / "runs" / "small").values():
        assert record["warnings"] == told
        data = record["data"]
        assert data["texts_in_train"] == {"validation": 48, "test": 8}
        assert data["repeated_texts"] == {"train": 52, "validation": 0, "test": 0}
        assert data["conflicting_texts"] == {"train": 4, "validation": 0, "test": 0}
        assert data["empty_texts"] == {"train": 2, "validation": 0, "test": 0}
    table = (tmp_path / "reports" / "small" / "table3.md").read_text(encoding="utf-8")
    for sentence in told:
        assert table.count(sentence.replace("'", "&#39;")) == 1 or table.count(sentence) == 1
    assert "seed 0: " not in table


class TestDoctor:
    def test_shows_a_file_before_anything_is_run(self, tunebench: Tunebench) -> None:
        laid(Path(), tickets__csv="text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS))
        code, said = tunebench("doctor", "--data", "tickets.csv")
        assert code == 0, said
        assert "dataset tickets.csv: file, " in said
        assert "classes: 2: neg, pos\n" in said
        assert "train: 34 texts; neg 17, pos 17\n" in said
        assert "test: 0 of 10 texts in train too\n" in said
        assert "model " not in said
        assert not Path("runs").exists()

    def test_takes_the_study_s_columns(self, tunebench: Tunebench, tiny_encoder: Path) -> None:
        laid(Path("d"), **{f"{s}__csv": "a,b,y\nx,z,0\nv,w,1\n" for s in ("train", "validation", "test")})
        study = study_of(Path(), tiny_encoder, {"path": "d", "text": ["a", "b"], "label": "y"})
        _, said = tunebench("doctor", "--data", "reviews", "--study", study)
        assert "pairs of a and b\n" in said
        assert "test: 2 of 2 texts in train too: test/0, test/1\n" in said
        assert "caution: 100.0 % of the test texts are in train too (2 of 2)\n" in said

    @pytest.mark.parametrize(
        ("arguments", "wrong"),
        [
            (["./d"], "train.csv: line 2: a row must have the 2 fields"),
            (["nothing"], "unknown dataset 'nothing'"),
            (["d", "--prompt", "m", "d"], "give one of --data, --prompt and --clear-weights"),
        ],
    )
    def test_says_what_is_wrong(self, tunebench: Tunebench, arguments: list[str], wrong: str) -> None:
        everywhere(Path("d"), "csv", "label,text\npos,In a word, superb\n")
        code, said = tunebench("doctor", "--data", *arguments)
        assert code == 2
        assert wrong in said


def test_an_llm_is_asked_for_the_names_that_a_file_declares(tmp_path: Path) -> None:
    source = located(everywhere(tmp_path, "parquet", parquet([("a", 1), ("b", 0)], ["sad", "joyful"])))
    cell = cell_of(source, "causal")
    assert cell.prompt is not None
    cell = cell.model_copy(update={"prompt": cell.prompt.model_copy(update={"label_words": None})})
    prompt: Prompt = prompt_of(cell, texts.load(source, DataSettings()), byte_tokenizer())
    assert prompt.label_words == ("sad", "joyful")
    assert "exactly one of these labels and nothing else: sad, joyful." in prompt.prefix_text


def test_a_text_of_no_token_is_named(tmp_path: Path) -> None:
    source = located(everywhere(tmp_path, "jsonl", jsonl([("a", 0), ("b", 1), ("", 1)])))
    dataset = texts.load(source, DataSettings())
    Inputs.of(cell_of(source, "causal"), dataset, byte_tokenizer(), ["test"]).require_tokens()
    inputs = Inputs.of(cell_of(source), dataset, byte_tokenizer(), ["test"])
    with pytest.raises(
        DataError, match=r"test/2: the tokenizer of .* gives no token for this text; remove empty texts"
    ):
        inputs.require_tokens()
