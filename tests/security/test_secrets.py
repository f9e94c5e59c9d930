"""No credential leaves: not on the terminal, not in a file of the run folder, not in a report, be they old ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.record.files import write_text
from bench.report.export.mlflow_log import _said
from bench.report.results import archive
from tests.conftest import Tunebench
from tests.report.conftest import MakeRecord
from tests.report.conftest import make_record as make_record
from tests.report.predicted import TRUTH, Cells, flipped, study
from tests.support import (
    TEST_ROWS,
    TRAIN_ROWS,
    command,
    records,
    refused,
    small_study,
    write_files,
    write_plugin,
    write_study,
    write_texts,
)

#: Stands in every credential here.
SECRET = "SWORDFISH"
ADDRESS = f"https://user:{SECRET}1@host/x?token={SECRET}2"
#: What a plugin or a library may say.
SAID = f"GET {ADDRESS} Authorization: Bearer {SECRET}3abc; password={SECRET}4"


def holding(folder: Path) -> list[str]:
    """The files of a folder that hold the secret."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


@pytest.fixture
def old_run(make_record: MakeRecord, tmp_path: Path) -> Path:
    """A run folder as an older tunebench left it, which redacted nothing."""
    folder = tmp_path / "run"
    cells = Cells(make_record, folder / "cells")
    measured = [
        cells.measured(list(TRUTH), method="LoRA"),
        cells.measured(flipped(0), method="BitFit", options={"url": ADDRESS, "api_key": f"{SECRET}5", "rank": 8}),
    ]
    failed = make_record("error", method="Full FT")
    failed = failed.model_copy(
        update={"failure": failed.failure and failed.failure.model_copy(update={"message": SAID})}
    )
    told = {"warnings": (SAID,), "unknown": {"flops": SAID}}
    named = measured[1].record
    update = {
        place: getattr(named.cell, place).model_copy(update={"label": f"Leak {place}: {SAID}"} | more)
        for place, more in (
            ("dataset", {"hub_id": ADDRESS}), ("model", {"hub_id": f"hf_{SECRET}abcdef"}), ("method", {}),
        )
    }  # fmt: skip
    named = named.model_copy(update={"cell": named.cell.model_copy(update=update)})
    cells.of(failed).path.mkdir()
    for record in (measured[0].record.model_copy(update=told), named, failed):
        write_text(cells.of(record).record, record.model_dump_json())
    (cells.of(failed).record.parent / "stderr.txt").write_text(f"Traceback\n{SAID}\n")
    content = study() | {"notes": f"From {ADDRESS}.", "datasets": {"own": {"path": ADDRESS}}}
    run = {
        "schema_version": 1, "study": content, "written_at": "2026-01-02",
        "command": f"tunebench run s --log 'mlflow={ADDRESS}&k={SECRET}6' --token {SECRET}7",
        "cell_ids": [each.cell_id for each in (measured[0].record, measured[1].record, failed)],
    }  # fmt: skip
    write_text(folder / "run.json", json.dumps(run))
    return folder


def test_an_old_run_folder_drawn(old_run: Path, tunebench: Tunebench, tmp_path: Path) -> None:
    code, said = tunebench("report", old_run, *(f"--format={suffix}" for suffix in ("md", "csv", "tex", "html")))
    assert (code, SECRET in said) == (0, False)
    assert holding(Path()) == []
    told = json.loads(Path("reports/s/study.json").read_text())["command"]
    assert told == "tunebench run s --log 'mlflow=https://REDACTED@host/x?token=REDACTED&k=REDACTED' --token REDACTED"
    assert tunebench("report", "--verify", "reports/s")[0] == 0
    code, said = tunebench("report", "reports/s", "--reports", "again", "--format", "md")
    assert Path("again/s/records.jsonl").read_bytes() == Path("reports/s/records.jsonl").read_bytes()


def test_an_old_report_drawn(old_run: Path, tunebench: Tunebench, tmp_path: Path) -> None:
    tunebench("report", old_run, "--format", "md")
    old = tmp_path / "old"
    texts = {name: Path("reports/s", name).read_text() for name in (archive.RECORDS, archive.STUDY, archive.EVIDENCE)}
    texts |= {name: text.replace("https://REDACTED@host/x?token=REDACTED", ADDRESS) for name, text in texts.items()}
    write_files(old, texts)
    assert len(holding(old)) == 3
    assert tunebench("report", old, "--reports", "again", "--format", "md")[0] == 0
    assert holding(Path("again")) == []


@pytest.mark.parametrize("layout", ["table", "csv", "json"])
def test_old_run_folders_compared(old_run: Path, layout: str, tunebench: Tunebench, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for path in (path for path in old_run.rglob("*") if path.is_file()):
        write_files(other / path.relative_to(old_run).parent, {path.name: path.read_text().replace("host/x", "host/y")})
    code, said = tunebench("compare", old_run, other, "--format", layout)
    assert (code, "host/y" in said, SECRET in said) == (0, True, False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "x", "--password", SECRET], ["report", "x", f"--api-key={SECRET}"], ["report", ADDRESS],
        ["report", "--verify", ADDRESS], ["report", "x", "--log", f"wandb={ADDRESS}"],
        ["report", "x", "--log", f"mlflow=ftp://user:{SECRET}@host"], ["run", ADDRESS],
        ["run", "demo", "--plugin", ADDRESS], ["run", "demo", "--only", f"token={SECRET}"],
        ["run", "demo", "--data-root", ADDRESS, "--scale", f"hf_{SECRET}abcdef"], ["audit", ADDRESS],
        ["compare", ADDRESS, ADDRESS], ["check", ADDRESS], ["explain", ADDRESS, "x", "y"],
        ["doctor", "--data", ADDRESS], ["plan", "demo", "--model", ADDRESS],
    ],
)  # fmt: skip
def test_what_is_said_of_wrong_arguments(arguments: list[str], tunebench: Tunebench) -> None:
    code, said = tunebench(*arguments)
    assert (code, said != "", SECRET in said) == (2, True, False)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"methods": {"full_ft": {"options": {"url": ADDRESS}}}}, "must not hold credentials"),
        ({"methods": {"full_ft": {"options": {"deep": [{"api_key": SECRET}]}}}}, "must not hold credentials"),
        ({"datasets": {"reviews": {"path": ADDRESS}}}, "no such folder"),
        ({"models": {"tiny": {"path": ADDRESS}}}, "has no config.json"),
        ({"data": {"password": SECRET}}, "unknown key 'password'"),
        ({"models": {"tiny": {"hub_id": f"hf_{SECRET}abcdef@x"}}}, "hub_id"),
    ],
)
def test_a_study_that_holds_credentials(
    section: dict[str, Any], said: str, tunebench: Tunebench, tmp_path: Path
) -> None:
    content = small_study(tmp_path, write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS), **section)
    code, told = tunebench("run", write_study(tmp_path / "small.toml", content))
    assert (code, said in told, SECRET in told) == (2, True, False), told.replace(SECRET, "")
    assert holding(Path()) == []


def test_what_mlflow_says_of_a_request() -> None:
    """Its client quotes the path of the address without what comes before."""
    uri = f"http://user:{SECRET}%2F1@host/?k={SECRET}%202&page=2"
    error = OSError(f"Max retries exceeded with url: /?k={SECRET}%202/api as {SECRET}/1, {SECRET} 2, {SECRET}%2F1")
    said = _said(uri, error)
    assert said.startswith("mlflow=http://host/: Max retries exceeded with url: /?k=REDACTED/api as REDACTED")
    assert SECRET not in said


@pytest.mark.slow
def test_a_run_whose_plugins_say_all_they_know_and_more(tiny_encoder: Path, tmp_path: Path) -> None:
    """What they say holds credentials, is of megabytes, or cannot be read; sockets do not fit into TMPDIR."""
    here, plugins = tmp_path / "here", tmp_path / "plugins"
    here.mkdir()
    temporary = tmp_path / ("t" * 120)
    temporary.mkdir()
    known = "os.environ['MY_API_KEY']"
    adapts = {
        "leaky": f"raise ValueError({SAID!r} + {known})",
        "dead": f"print({SAID!r}, {known}, file=__import__('sys').stderr, flush=True); os._exit(3)",
        "huge": "raise ValueError('x' * 20_000_000)",
        "mute": "raise type('E' * 100_000, (ValueError,), {'__str__': lambda self: 1 / 0})()",
    }
    files = [write_plugin(plugins, name, adapt) for name, adapt in adapts.items()]
    texts = write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    content = small_study(tiny_encoder, texts, methods=list(adapts), notes=f"See {ADDRESS} and hf_{SECRET}abcdef.")
    done = command(
        "run", write_study(tmp_path / "small.toml", content), *(f"--plugin={path}" for path in files),
        "--log", f"mlflow=http://user:{SECRET}5@127.0.0.1:9/?token={SECRET}6&k={SECRET}7",
        cwd=here, MY_API_KEY=f"{SECRET}-of-the-environment", TMPDIR=str(temporary),
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="1", MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR="0",
    )  # fmt: skip
    refused(done, "the records are kept, and tunebench report RUN --log logs them later")
    assert SECRET not in done.stdout + done.stderr
    assert len(done.stdout + done.stderr) < 30_000
    assert holding(here) == []
    found = records(here / "runs" / "small")
    messages = {name: found[f"{name}/0"]["failure"]["message"] for name in adapts}
    assert messages["leaky"].startswith("GET https://REDACTED@host/x?token=REDACTED Authorization: Bearer REDACTED")
    assert messages["dead"].endswith("REDACTED")
    assert max(map(len, messages.values())) <= 8000
    assert messages["mute"] == "(its message cannot be read: ZeroDivisionError)"
    told = json.loads((here / "runs/small/run.json").read_text())
    assert told["command"].endswith("'mlflow=http://REDACTED@127.0.0.1:9/?token=REDACTED&k=REDACTED'")
    assert told["study"]["notes"] == "See https://REDACTED@host/x?token=REDACTED and REDACTED."
    assert all(path.stat().st_size < 300_000 for path in (here / "runs").rglob("*") if path.is_file())
