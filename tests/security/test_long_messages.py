"""What is said of a file is bounded, however wide, long or deep the file is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.method import registry
from tests.support import write_plugin

MOST_CHARACTERS = 12_000
Said = Callable[..., str]
WIDE = ",".join(f"column_{at}" for at in range(1_000_000))
LONG = "L" * 200_000


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Said:
    """What the command prints of a wrong request, run in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(str(ended.code))
        shown = capsys.readouterr()
        assert code == 2
        return shown.out + shown.err

    return run


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
def test_a_dataset(name: str, said: Said, tmp_path: Path) -> None:
    content, rule, advice = FILES[name]
    (tmp_path / name).write_text(content)
    shown = said("doctor", "--data", name)
    assert rule in shown
    assert advice in shown
    assert len(shown) < MOST_CHARACTERS


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", LONG], ["run", "demo", "--plugin", LONG], ["run", "demo", "--scale", LONG],
        ["run", "demo", "--runs", LONG], ["report", LONG], ["report", "x", "--reports", LONG], ["compare", LONG, LONG],
        ["check", LONG], ["explain", LONG, "x", "y"], ["doctor", "--data", LONG], [LONG],
    ],
)  # fmt: skip
def test_an_argument(arguments: list[str], said: Said) -> None:
    shown = said(*arguments)
    assert shown.strip()
    assert len(shown) < MOST_CHARACTERS


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


def test_a_run_folder(said: Said, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema_version": 1, "cell_ids": [LONG]}))
    assert len(said("report", ".")) < MOST_CHARACTERS
    (tmp_path / "run.json").write_text(json.dumps({LONG: 1, "schema_version": {LONG: LONG}, "cell_ids": []}))
    assert len(said("report", ".")) < MOST_CHARACTERS
