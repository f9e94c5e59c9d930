"""What is said of a file is bounded, however wide, long or deep the file is."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.method import registry
from tests.conftest import Tunebench
from tests.support import write_plugin

MOST_CHARACTERS = 12_000
WIDE = ",".join(f"column_{at}" for at in range(1_000_000))
LONG = "L" * 200_000


FILES = {
    "wide.csv": (f"{WIDE}\n", "no column 'text'; it has column_0, column_1,", "; set text and label in [datasets."),
    "ragged.csv": (f"text,label,{WIDE}\na,b\n", "must have the 1000002 fields of the header (text, label,", "got 2"),
    "keys.jsonl": (json.dumps({LONG: 1}), "no column 'text'; it has LLL", "; set text and label in [datasets."),
    "labels.csv": (
        "text,label\n" + "".join(f"text {at},{LONG}{at % 2}\n" for at in range(200)),
        "a label must have at most 1000 characters, got 200001", "; set text and label in [datasets.",
    ),
    "classes.csv": (
        "text,label\n" + "".join(f"text {at},class {at}\n" for at in range(9000)),
        "different labels; wanted 2 to 1000", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_dataset(name: str, tunebench: Tunebench) -> None:
    content, rule, advice = FILES[name]
    Path(name).write_text(content)
    code, shown = tunebench("doctor", "--data", name)
    assert (code, rule in shown, advice in shown) == (2, True, True), shown[:MOST_CHARACTERS]
    assert len(shown) < MOST_CHARACTERS


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", LONG], ["run", "demo", "--plugin", LONG], ["run", "demo", "--scale", LONG],
        ["run", "demo", "--runs", LONG], ["report", LONG], ["report", "x", "--reports", LONG], ["compare", LONG, LONG],
        ["check", LONG], ["explain", LONG, "x", "y"], ["doctor", "--data", LONG], [LONG],
    ],
)  # fmt: skip
def test_an_argument(arguments: list[str], tunebench: Tunebench) -> None:
    code, shown = tunebench(*arguments)
    assert code == 2
    assert 0 < len(shown.strip()) < MOST_CHARACTERS


@pytest.mark.parametrize(
    "raised",
    [
        "ValueError('x' * 20_000_000)",
        "type('E' * 200_000, (ValueError,), {'__str__': lambda self: 1 / 0})()",
        "SystemExit('x' * 9**7)",
    ],
)
def test_a_plugin_that_does_not_import(raised: str, tmp_path: Path) -> None:
    path = write_plugin(tmp_path, "wordy")
    path.write_text(f"{path.read_text()}\nraise {raised}\n")
    shown = registry.describe(registry.find([path])["wordy"])["error"]
    assert "does not import" in shown
    assert len(shown) < MOST_CHARACTERS


@pytest.mark.parametrize("content", [{"cell_ids": [LONG]}, {LONG: 1, "schema_version": {LONG: LONG}, "cell_ids": []}])
def test_a_run_folder(content: dict[str, Any], tunebench: Tunebench) -> None:
    Path("run.json").write_text(json.dumps({"schema_version": 1} | content))
    code, shown = tunebench("report", ".")
    assert code == 2
    assert len(shown) < MOST_CHARACTERS
