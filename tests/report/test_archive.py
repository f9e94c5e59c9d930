"""The records beside a report's tables: readable as records, without paths and without texts of the data."""

from pathlib import Path

import pytest

from bench.record import Record
from bench.report.archive import QUOTES_DATA, portable_command, write
from tests.report.conftest import MakeRecord

RUN = {"schema_version": 1, "study": {"name": "s"}, "command": "tunebench run s", "written_at": "", "cell_ids": []}


def test_records_hold_no_text_of_the_data(make_record: MakeRecord, tmp_path: Path) -> None:
    records = [make_record(), make_record(kind="causal", model="Qwen", generated_f1=0.5)]
    assert records[1].prompt is not None
    write(RUN, records, tmp_path)
    lines = (tmp_path / "records.jsonl").read_text(encoding="utf-8").splitlines()
    encoder, causal = (Record.model_validate_json(line) for line in lines)
    assert encoder.prompt is None
    assert causal.prompt == records[1].prompt.model_copy(update={"example": QUOTES_DATA})


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("tunebench run s --data-root /home/me/my\\ data", "tunebench run s --data-root 'my data'"),
        ("tunebench run '/a b/c.toml' --runs ../runs", "tunebench run c.toml --runs ../runs"),
        ("tunebench run / x", "tunebench run / x"),
        ("not 'closed /home/me", "not 'closed /home/me"),
    ],
)  # fmt: skip
def test_a_command_holds_no_absolute_path(command: str, wanted: str) -> None:
    assert portable_command(command) == wanted
