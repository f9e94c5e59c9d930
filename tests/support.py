"""What the end-to-end tests share: a small study as a file or a value, and the command run as its users run it."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from bench.clocks import monotonic_seconds
from bench.record.record import Record
from bench.run.executor import Executor, call
from bench.run.run import run
from bench.study.request import Request
from bench.study.study import Study

ROOT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "bench")
COMMAND_SECONDS = 240.0

WORDS = (("good", 1), ("bad", 0), ("fine", 1), ("poor", 0))
TRAIN_ROWS = [(f"a {word} film", label) for _ in range(6) for word, label in WORDS]
TEST_ROWS = [("good", 1), ("a bad film, a very bad film", 0), ("fine", 1), ("poor and bad", 0), ("good film", 1)]

PLUGIN = '''
"""A method for one test."""

import os, signal, time
from pathlib import Path

from bench.errors import UnsupportedError
from bench.method import Method


class Special(Method):
    label = "Special"

    def adapt(self, model, task):
        {adapt}
        return model.requires_grad_(True)
'''


def write_texts(folder: Path, **splits: Sequence[tuple[Any, Any]]) -> Path:
    """A dataset folder of jsonl files."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        lines = [json.dumps({"text": text, "label": label}) + "\n" for text, label in rows]
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def write_files(folder: Path, contents: Mapping[str, str]) -> None:
    """Write texts by file name into a folder, which is made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")


def write_plugin(folder: Path, name: str, adapt: str = "pass", extra: str = "") -> Path:
    """A method file whose ``adapt`` first runs these statements; ``extra`` goes to the end of its class."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(PLUGIN.format(adapt=adapt) + extra, encoding="utf-8")
    return path


def small_study(encoder: Path, texts: Path, **changes: Any) -> dict[str, Any]:
    """The content of a study file: full_ft on the encoder and the texts, four steps; ``changes`` replace sections."""
    content = {
        "name": "small",
        "device": "cpu",
        "baselines": False,
        "grid": [{"datasets": ["reviews"], "models": ["tiny"], "methods": ["full_ft"], "seeds": [0]}],
        "data": {"max_length": 12},
        "train": {"epochs": 1, "max_steps": 4, "batch_size": 4, "precision": "fp32", "timing_warmup_steps": 1},
        "datasets": {"reviews": {"path": str(texts)}},
        "models": {"tiny": {"path": str(encoder)}},
    }
    for key, value in changes.items():
        if key in ("methods", "seeds") and isinstance(value, list):
            content["grid"][0][key] = value  # type: ignore[index]
        else:
            content[key] = value
    return content


class InlineExecutor:
    """Runs each job in this process, at once; it is its own job, which has ended."""

    exit_code = 0

    def start(self, entry: str, folder: Path, memory_bytes: int | None = None) -> "InlineExecutor":
        call(entry, folder, monotonic_seconds())
        return self

    def wait(self, seconds: float) -> bool:
        return True

    def kill(self) -> None: ...
    def close(self) -> None: ...


class _Silent:
    """A watcher that tells nobody."""

    def started(self, pending: Sequence[Any], finished: int) -> None: ...
    def checking(self, what: str) -> None: ...
    def warned(self, message: str) -> None: ...
    def cell_started(self, cell: Any) -> None: ...
    def cell_progress(self, cell: Any, phase: str, done: int, of: int) -> None: ...
    def cell_ended(self, cell: Any, record: Any) -> None: ...


def run_cell(
    content: Mapping[str, Any], folder: Path, *plugins: Path, executor: Callable[[], Executor] = InlineExecutor
) -> Record:
    """The record of the one cell of a study, measured in this process unless told otherwise; see ``small_study``."""
    study = Study.model_validate(content)
    (record,) = run(Request(study=study, plugin_files=plugins), folder / "runs" / study.name, executor, _Silent())
    assert record is not None
    return record


def write_study(path: Path, content: dict[str, Any]) -> Path:
    """The content as a TOML file."""
    path.write_text(toml(content), encoding="utf-8")
    return path


def toml(content: Mapping[str, Any]) -> str:
    """The content in TOML, whatever its texts hold: a line a key, tables and lists inside it."""
    return "".join(f"{_toml(key)} = {_toml(value)}\n" for key, value in content.items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        shown = (char if char.isascii() and char.isalnum() else f"\\U{ord(char):08x}" for char in value)
        return '"' + "".join(shown) + '"'
    if isinstance(value, int) and abs(value) >= 10**4000:  # more digits than Python writes
        return hex(value) if value > 0 else "-" + "9" * 5000
    return value.isoformat() if isinstance(value, date | time) else repr(value)


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with one thread a worker, so that tests do not fight over cores."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **changes}


def command(*arguments: object, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """``tunebench ARGUMENTS`` in a process of its own, output captured; ``changes`` go into its environment."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


def python(code: str, *arguments: object) -> str:
    """What these statements print in a process of their own."""
    words = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60, cwd=ROOT).stdout.strip()


def children_cpu_seconds() -> float:
    """Processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def refused(done: subprocess.CompletedProcess[str], *said: str) -> None:
    """Assert that a command refused its request in plain words."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    for text in said:
        assert text in done.stderr, f"{text!r} is not in {done.stderr!r}"


def records(run_folder: Path) -> dict[str, dict[str, Any]]:
    """The records of a run folder by ``method/seed``, read as any reader of the files would."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in run_folder.glob("cells/*/record.json")]
    return {f"{record['cell']['method']['name']}/{record['cell']['seed']}": record for record in found}


def wait_for(what: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes to hold within so many seconds."""
    deadline = monotonic() + seconds
    while not (done := what()) and monotonic() < deadline:
        sleep(0.01)
    return done
