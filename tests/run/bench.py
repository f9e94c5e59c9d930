"""Studies run by the command in a folder, and the processes that such a run leaves."""

import subprocess
from pathlib import Path
from typing import Any

import psutil

from tests.support import (
    COMMAND,
    TEST_ROWS,
    TRAIN_ROWS,
    command,
    environment,
    small_study,
    write_plugin,
    write_study,
    write_texts,
)


class Bench:
    """A folder with a dataset in which the command is run."""

    def __init__(self, folder: Path, encoder: Path) -> None:
        self.folder, self.encoder = folder, encoder
        self.texts = write_texts(folder / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
        self.plugins: list[Path] = []

    def plugin(self, name: str, adapt: str = "pass", extra: str = "") -> Path:
        self.plugins.append(write_plugin(self.folder, name, adapt, extra))
        return self.plugins[-1]

    def arguments(self, *more: object, runs: str = "runs", **changes: Any) -> list[str]:
        """Of ``tunebench run``, with all plugins; ``changes`` are of the study. One table is drawn."""
        study = write_study(self.folder / "small.toml", small_study(self.encoder, self.texts, **changes))
        named = [part for path in self.plugins for part in ("--plugin", path)]
        return ["run", *map(str, (study, *named, "--runs", runs, "--format", "csv", *more))]

    def run(self, *more: object, **changes: Any) -> subprocess.CompletedProcess[str]:
        done = command(*self.arguments(*more, **changes), cwd=self.folder)
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def start(self, *arguments: object, **how: Any) -> subprocess.Popen[str]:
        """A command that runs on, in a process group of its own."""
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)], cwd=self.folder, env=environment(), text=True, start_new_session=True,
            **streams,
        )  # fmt: skip

    def table(self) -> list[str]:
        return (self.folder / "reports" / "small" / "table3.csv").read_text(encoding="utf-8").splitlines()


def lives(process_id: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def family_of(process_id: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    try:
        return [each.pid for each in psutil.Process(process_id).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
