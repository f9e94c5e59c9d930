"""Messages about tables from which nothing can be inferred."""

from pathlib import Path

import pytest

from bench.commands.audit.infer import infer
from bench.commands.audit.published import load
from bench.errors import DataError
from tests.commands.audit.conftest import MatchText
from tests.support import command


def test_a_table_without_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("dataset,model,method,gflops\nimdb,roberta-base,full_ft,45.90\n")
    done = command("audit", "mine.csv", "--study", "paper", "--infer", cwd=tmp_path)
    assert done.returncode == 2
    said = "--infer needs a column of peak memory, and no compared table has one; known: peak_memory, peak_memory_bytes"
    assert said in done.stderr


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("imdb,llama-3-8b-instruct,lora,14955.8,,", "its sequence length is not known"),
        ("imdb,llama-3-8b-instruct,zero_shot,14955.8,,", "it trains nothing"),
        ("imdb,roberta-base,full_ft,2702.8,8,256", "the publication states its batch size"),
        ("imdb,roberta-base,full_ft,0,,256", "it prints a peak of 0"),
    ],
)
def test_rows_that_cannot_be_used_say_why(tmp_path: Path, matched: MatchText, line: str, reason: str) -> None:
    columns = "dataset,model,method,peak_memory_mb,batch_size,sequence_length"
    rows = matched(columns, line)
    published = load(tmp_path / "mine.csv")
    (found,) = infer(published, rows, {}, lambda *_: pytest.fail("nothing is to be predicted"), "cuda")
    assert found.verdict == "not identifiable"
    assert found.text.endswith("got 0: any of many conditions reproduces fewer")
    assert len(found.left_out) == 1
    assert reason in found.left_out[0]


def test_rows_of_unknown_models_are_not_used(matched: MatchText, tmp_path: Path) -> None:
    columns = "dataset,model,method,peak_memory_mb"
    rows = matched(columns, "imdb,unheard-of,lora,1512.8", "imdb,llama-3-8b-instruct,zero_shot,1.0")
    (found,) = infer(load(tmp_path / "mine.csv"), rows, {}, lambda *_: pytest.fail("nothing to predict"), "cuda")
    assert "imdb, unheard-of, lora: not in the study: model 'unheard-of'" in found.left_out[0]


def test_a_table_of_unknown_models_alone_is_refused(matched: MatchText) -> None:
    with pytest.raises(DataError, match="unheard-of"):
        matched("dataset,model,method,peak_memory_mb", "imdb,unheard-of,lora,1512.8")
