"""The command as its users type it: what it says, what it returns, and that a wrong request runs nothing."""

import gzip
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from bench import __version__
from bench.commands.cli import main
from bench.errors import RequestError, StoppedError
from bench.method import registry
from tests.support import (
    ROOT,
    TEST_ROWS,
    TRAIN_ROWS,
    command,
    environment,
    records,
    refused,
    small_study,
    write_plugin,
    write_study,
    write_texts,
)

HELP_SECONDS = 0.3
LIGHT = """
import sys
from bench.commands.cli import COMMANDS, main
for verb in ("", *COMMANDS):
    try:
        main([*verb.split(), "--help"])
    except SystemExit:
        pass
heavy = {"torch", "transformers", "pandas", "numpy", "rich", "pydantic"}
print(sorted({name.partition(".")[0] for name in sys.modules} & heavy))
"""
NO_TORCH = """
import sys
from bench.commands.cli import main
code = main(sys.argv[1:])
assert "torch" not in sys.modules, "the parent imported torch"
sys.exit(code)
"""


@pytest.fixture
def study(tiny_encoder: Path, tmp_path: Path) -> dict[str, Any]:
    """A study file's content with nothing wrong; its texts lie in ``tmp_path``."""
    texts = write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    return small_study(tiny_encoder, texts)


def run_study(folder: Path, content: dict[str, Any], *arguments: object) -> subprocess.CompletedProcess[str]:
    """``tunebench run`` of this content, in the folder."""
    return command("run", write_study(folder / "small.toml", content), *arguments, cwd=folder)


Done = subprocess.CompletedProcess[str]


@pytest.fixture
def run_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Done]:
    """``run_study`` in ``tmp_path``, but in this process, and asking for a worker is an error."""

    def no_worker() -> NoReturn:
        raise AssertionError("a worker was asked for")

    monkeypatch.setattr("bench.run.executor.LocalExecutor", no_worker)
    monkeypatch.chdir(tmp_path)

    def run(content: dict[str, Any], *arguments: str) -> Done:
        code = main(["run", str(write_study(tmp_path / "small.toml", content)), *arguments])
        said = capsys.readouterr()
        return Done(arguments, code, said.out, said.err)

    return run


def nothing_ran(folder: Path) -> bool:
    return not list(folder.glob("runs/*/cells/*")) and not list(folder.glob("reports/*/*"))


class TestQuickAnswers:
    @pytest.mark.timed
    def test_help_is_quick(self, tmp_path):
        def seconds() -> float:
            start = time.perf_counter()
            done = command("--help", cwd=tmp_path)
            assert done.returncode == 0
            assert "run" in done.stdout
            return time.perf_counter() - start

        assert statistics.median(seconds() for _ in range(5)) < HELP_SECONDS

    def test_help_loads_no_heavy_library(self, tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", LIGHT], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == "[]"

    def test_version(self, tmp_path):
        done = command("--version", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, f"tunebench {__version__}\n")

    @pytest.mark.parametrize("arguments", [[], ["runn"], ["run"], ["run", "demo", "--nope"]], ids=" ".join)
    def test_a_wrong_command_line(self, arguments, capsys):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert "usage: tunebench" in capsys.readouterr().err


@pytest.mark.parametrize("error", [RequestError, StoppedError])
def test_what_a_terminal_would_obey_is_spelled_out(error, capsys, monkeypatch):
    def refuse(**arguments: object) -> NoReturn:
        raise error("first \x1b[2Jline\nsecond \r\u202eline")

    monkeypatch.setattr("bench.commands.report.report", refuse)
    code = main(["report", "runs/small"])
    assert code == (2 if error is RequestError else 1)
    assert capsys.readouterr().err == "tunebench: first \\x1b[2Jline\ntunebench: second \\r\\u202eline\n"


class TestWrongRequestsKnownAtOnce:
    """What the study file and the command line alone can tell."""

    def test_an_unknown_study(self, tmp_path):
        refused(command("run", "deno", cwd=tmp_path), "unknown study 'deno'", "did you mean 'demo'?")

    @pytest.mark.parametrize(
        ("section", "value", "said"),
        [
            ("train", {"batchsize": 8}, "train.batchsize: unknown key 'batchsize'; did you mean 'batch_size'?"),
            ("data", {"max_length": 3}, "data.max_length must be at least 4, got 3"),
            ("limits", {"cell_timeout_seconds": 0}, "limits.cell_timeout_seconds must be above 0, got 0"),
            ("name", "../up", "name must"),
            ("seeds", [-1], "seeds must be at least 0"),
            ("methods", ["full_ft", "bitfot"], "unknown method 'bitfot'; did you mean 'bitfit'?"),
        ],
    )
    def test_a_study_that_breaks_a_rule(self, study, run_at_once, tmp_path, section, value, said):
        if section in ("seeds", "methods"):
            study["grid"][0][section] = value
        else:
            study[section] = value
        refused(run_at_once(study), said)
        assert nothing_ran(tmp_path)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--only", "foo=bar"], "unknown key of --only 'foo'; known: dataset, method, model, seed"),
            (["--only", "method"], "--only must be KEY=VALUE[,VALUE], got 'method'"),
            (["--plugin", "missing.py"], "--plugin missing.py: no such file"),
            (["--plugin", "my-method.py"], "must be a Python identifier, got 'my-method'"),
            (["--runs", "a_file/runs"], "a_file/runs/small cannot be written"),
            (["--reports", "a_file/reports"], "a_file/reports/small cannot be written"),
        ],
    )
    def test_a_wrong_option(self, study, run_at_once, tmp_path, arguments, said):
        (tmp_path / "a_file").touch()
        (tmp_path / "my-method.py").touch()
        refused(run_at_once(study, *arguments), said)
        assert nothing_ran(tmp_path)


class TestWrongNamesInAFolderThatKnowsItsMethods:
    """The methods were described by an earlier run, so that no worker has to start before these are noticed."""

    @pytest.fixture(autouse=True)
    def described(self, tmp_path: Path) -> None:
        says = {"label": "Full FT", "kinds": ["encoder"], "trains": True}
        known = {"full_ft": {"sha256": registry.find()["full_ft"].sha256, "says": says}}
        folder = tmp_path / "runs" / "small"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"schema_version": 1, "methods": known}))

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("datasets", "synthetic_star", "unknown dataset 'synthetic_star'; did you mean 'synthetic_stars'?"),
            ("models", "minilmm", "unknown model 'minilmm'; did you mean 'minilm'?"),
            ("datasets", "./nowhere", "no such folder"),
            ("models", "./nowhere", "nowhere has no config.json"),
        ],
    )
    def test_an_unknown_name(self, study, run_at_once, tmp_path, key, value, said):
        study["grid"][0][key] = [value]
        refused(run_at_once(study), said)
        assert nothing_ran(tmp_path)

    def test_only_with_an_unknown_value(self, study, run_at_once, tmp_path):
        done = run_at_once(study, "--only", "method=full_tf")
        refused(done, "method in --only 'full_tf'; did you mean 'full_ft'?")
        assert nothing_ran(tmp_path)


@pytest.mark.slow
class TestWrongRequestsThatAWorkerFinds:
    def test_every_bad_dataset_is_said_at_once(self, study, tmp_path):
        good = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in TRAIN_ROWS)
        bad_test_splits = {
            "mislabelled": b'{"text": "fine", "label": 0}\n{"text": "good", "label": 7}\n', "empty": b"",
            "latin": b'{"text": "fine", "label": 0}\n{"text": "caf\xe9", "label": 1}\n', "unquoted": b"{text: 1}\n",
            "columns": b'{"body": "fine", "label": 0}\n',
        }  # fmt: skip
        for name, content in bad_test_splits.items():
            write_texts(tmp_path / name)
            (tmp_path / name / "train.jsonl").write_text(good)
            (tmp_path / name / "test.jsonl").write_bytes(content)
        write_texts(tmp_path / "cut", train=TRAIN_ROWS)
        packed = bytearray(gzip.compress(good.encode() * 20))
        (tmp_path / "cut" / "test.jsonl.gz").write_bytes(packed[:-20])
        write_texts(tmp_path / "flipped", train=TRAIN_ROWS)
        packed[12:40] = bytes(byte ^ 0xFF for byte in packed[12:40])
        (tmp_path / "flipped" / "test.jsonl.gz").write_bytes(packed)

        names = [*bad_test_splits, "cut", "flipped"]
        study["grid"][0]["datasets"] = [f"./{name}" for name in names]
        done = run_study(tmp_path, study)
        refused(
            done, f"dataset mislabelled: {tmp_path}/mislabelled/test.jsonl: line 2: bad label 7; wanted one of 0, 1",
            "dataset empty: split test is empty", f"{tmp_path}/latin/test.jsonl: line 2: not UTF-8 text",
            f"{tmp_path}/unquoted/test.jsonl: line 1: not valid JSON",
            f"{tmp_path}/columns/test.jsonl: line 1: no column 'text'; it has body, label",
            f"{tmp_path}/cut/test.jsonl.gz: corrupt or cut short",
            f"{tmp_path}/flipped/test.jsonl.gz: corrupt or cut short",
        )  # fmt: skip
        assert len(done.stderr.splitlines()) == len(names), done.stderr
        assert nothing_ran(tmp_path)

    def test_every_bad_option_is_said_at_once(self, study, tmp_path):
        study["grid"][0]["methods"] = ["slow_ft", "bitfit"]
        study["methods"] = {
            "slow_ft": {"plugin": "full_ft", "options": {"learning_rate": 0}},
            "bitfit": {"options": {"train_heads": True}},
        }
        refused(
            run_study(tmp_path, study),
            "methods.slow_ft.options: learning_rate must be above 0, got 0",
            "methods.bitfit.options: train_heads: unknown key 'train_heads'; did you mean 'train_head'?",
        )
        assert nothing_ran(tmp_path)

    @pytest.mark.parametrize("named", [False, True], ids=["added", "named in the grid"])
    def test_a_broken_plugin(self, study, tmp_path, named):
        (tmp_path / "mine.py").write_text("import no_such_library\n")
        if named:
            study["grid"][0]["methods"] = ["mine"]
        refused(
            run_study(tmp_path, study, "--plugin", "mine.py"),
            f"method mine: {tmp_path}/mine.py does not import: ModuleNotFoundError: No module named 'no_such_library'",
        )
        assert nothing_ran(tmp_path)


Measured = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def measured(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """A folder in which ``tunebench run`` measured two cells."""
    folder = tmp_path_factory.mktemp("measured")
    texts = write_texts(folder / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    content = small_study(tiny_encoder, texts, seeds=[0, 1])
    study = write_study(folder / "small.toml", content)
    return folder, command("run", study, cwd=folder, TUNEBENCH_CACHE=str(folder / "cache"))


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.*"))}


@pytest.mark.slow
class TestAfterARun:
    def test_it_went_well_and_said_so_in_plain_text(self, measured):
        folder, done = measured
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        assert "\x1b" not in done.stdout
        assert "2 cells to measure, 0 finished before" in done.stdout
        assert "wrote reports/small/table3.md" in done.stdout
        assert {row["status"] for row in records(folder / "runs" / "small").values()} == {"ok"}

    def test_report_redraws_the_same_bytes(self, measured):
        folder, _ = measured
        drawn = command("report", "runs/small", "--reports", "again", cwd=folder)
        assert drawn.returncode == 0, drawn.stderr
        assert "\x1b" not in drawn.stdout
        assert tables(folder / "again" / "small") == tables(folder / "reports" / "small")
        assert set(tables(folder / "again" / "small")) >= {"table3.md", "table3.csv", "table3.tex"}

    def test_without_new_cells_the_parent_imports_no_torch_and_draws_nothing(self, measured):
        folder, _ = measured
        page = folder / "reports" / "small" / "report.html"
        drawn = page.stat()
        again = subprocess.run(
            [sys.executable, "-c", NO_TORCH, "run", "small.toml"], cwd=folder, env=environment(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert again.returncode == 0, again.stderr
        assert "0 cells to measure, 2 finished before" in again.stdout
        assert (page.stat().st_mtime_ns, page.stat().st_ino) == (drawn.st_mtime_ns, drawn.st_ino)

    def test_report_leaves_a_damaged_record_out(self, measured):
        folder, _ = measured
        path = sorted((folder / "runs").rglob("record.json"))[0]
        whole = path.read_text()
        path.write_text(whole[:50])
        try:
            drawn = command("report", "runs/small", "--reports", "damaged", cwd=folder)
        finally:
            path.write_text(whole)
        assert drawn.returncode == 0, drawn.stderr
        assert f"warning: left out: {path.relative_to(folder)} is not a record" in drawn.stdout
        assert (
            "Left out, for their records cannot be read: " in (folder / "damaged" / "small" / "table3.md").read_text()
        )


@pytest.mark.slow
class TestLookingAround:
    def test_methods_lists_each_with_its_options(self, tmp_path):
        done = command("methods", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        for path in (ROOT / "methods").glob("[!_]*.py"):
            assert path.stem in done.stdout
        assert "learning_rate = 0.002  peak learning rate of AdamW" in done.stdout
        assert "\x1b" not in done.stdout

    def test_methods_names_a_broken_plugin_and_lists_the_others(self, tmp_path):
        (tmp_path / "mine.py").write_text("import no_such_library\n")
        own = write_plugin(tmp_path, "special")
        done = command("methods", "--plugin", "mine.py", "--plugin", own, cwd=tmp_path)
        assert done.returncode == 1
        said = " ".join((done.stdout + done.stderr).split())
        assert "Traceback" not in said
        assert "mine (--plugin) skipped: method mine:" in said
        assert "No module named 'no_such_library'" in said
        assert "special (--plugin) Special: " in said
        assert "bitfit (methods/) BitFit: " in said

    def test_doctor_says_what_this_machine_has(self, tmp_path):
        done = command("doctor", "--data-root", "nowhere", cwd=tmp_path)
        assert done.returncode == 1, "the data root has no folders"
        assert "Traceback" not in done.stdout + done.stderr
        for text in (f"tunebench: {__version__}", "python: 3.", "torch ", "model roberta-base:", "dataset imdb: "):
            assert text in done.stdout
        assert "--data-root nowhere has no folder imdb" in " ".join(done.stdout.split())
