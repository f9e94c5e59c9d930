"""The parent's side of a check: the conformance kit runs for each method in a separate process."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.clocks import monotonic_seconds
from bench.commands.check.finding import FINISHED, REQUEST, RESULTS, RUNNING, Result, failed, not_run
from bench.errors import PluginError, UnknownNameError
from bench.method import registry
from bench.method.importing import Imports
from bench.record.files import read_text, write_json
from bench.record.log_end import end_of_log
from bench.run.executor import Executor, Job
from bench.run.own_process import how_it_ended
from bench.run.socket_folder import temporary_folder

ENTRY = "bench.commands.check.entry:run"
POLL_SECONDS = 0.2
#: Time limit until the first check, since the fork server imports torch.
START_SECONDS = 600.0
#: Characters kept from the log of a worker that ended early.
LOG_CHARACTERS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A method's results.

    Attributes:
        plugin: the method.
        results: results in the order of the checks.
        seconds: duration of the checks.
    """

    plugin: registry.Plugin
    results: tuple[Result, ...]
    seconds: float

    @property
    def sound(self) -> bool:
        """Whether no check failed and every check was run."""
        return not any(result.verdict in ("fail", "not run") for result in self.results)


def chosen(methods: Sequence[str]) -> list[registry.Plugin]:
    """The plugins for names and paths, each once. A name takes precedence over an equal path.

    Raises:
        UnknownNameError: there is neither a method nor a path of that name.
        PluginError: a folder without ``__init__.py``, or a file that claims another method's name.
    """
    named = registry.find()
    paths = {text: Path(text).expanduser() for text in methods if text not in named}
    for text, path in paths.items():
        if not path.exists():
            raise UnknownNameError("method", text, named, "or give the path of its file")
        if path.is_dir() and not (path / "__init__.py").is_file():
            raise PluginError(f"{text}: a folder must have an __init__.py to be a method")
        if not path.is_dir() and path.suffix != ".py":
            raise PluginError(f"{text}: must be a .py file or a package")
    found = registry.find(list(paths.values()))
    names = [paths[text].resolve().stem if text in paths else text for text in methods]
    return [found[name] for name in dict.fromkeys(names)]


def check(
    plugin: registry.Plugin, executor: Executor, timeout_seconds: float, options: Mapping[str, Any] | None = None
) -> Report:
    """Check one method.

    Args:
        plugin: the method.
        executor: executor that starts its process.
        timeout_seconds: wall-clock limit of the method's checks.
        options: options of the method; None: its defaults.
    """
    started = monotonic_seconds()
    with temporary_folder("tunebench-check-") as name:
        folder = Path(name)
        facts = asdict(plugin) | {"path": str(plugin.path)}
        write_json(folder / REQUEST, {"plugin": facts, "options": dict(options or {})})
        job = executor.start(ENTRY, folder)
        try:
            killed_for = _watch(job, folder, timeout_seconds, plugin.name)
        except BaseException:
            job.kill()
            raise
        results = _read(folder)
        if not (folder / FINISHED).exists():
            results += _cut_short(folder, job, killed_for)
        elif job.exit_code is None:
            job.kill()  # a thread of the plugin keeps the process alive
    return Report(plugin=plugin, results=tuple(results), seconds=monotonic_seconds() - started)


def _watch(job: Job, folder: Path, timeout_seconds: float, name: str) -> tuple[str, str] | None:
    """Wait until the checks are done or the process has ended; if it was killed, return the reason and the remedy."""
    started = began = monotonic_seconds()
    imports = Imports(folder, timeout_seconds)
    with Console(stderr=True).status(name) as status:
        while not job.wait(POLL_SECONDS):
            now = monotonic_seconds()
            if (folder / FINISHED).exists():
                return None
            if trouble := imports.trouble():
                job.kill()
                return trouble, "make the plugin's import short and silent"
            if not (folder / RUNNING).exists() and now - started < START_SECONDS:
                began = now  # the limit excludes the start of the process
            elif now - began >= timeout_seconds:
                job.kill()
                return f"killed after {timeout_seconds:g} s, unfinished", "make it faster, or raise --timeout"
            status.update(" ".join([name, *_running(folder)]))
    return None


def _cut_short(folder: Path, job: Job, killed_for: tuple[str, str] | None) -> list[Result]:
    """Results of a worker that did not finish: the current check has failed, the rest was not run."""
    model, check = _running(folder)
    ended = f"the process {how_it_ended(job.exit_code)}", "do not end the process in a method"
    said, advice = killed_for or ended
    log = end_of_log(folder / "stderr.txt", LOG_CHARACTERS)
    return [
        Result.of(model, check, failed(said, advice, log or None)),
        Result.of(model, "the rest", not_run(f"it needs: {check}")),
    ]


def _running(folder: Path) -> tuple[str, str]:
    try:
        model, check = json.loads(read_text(folder / RUNNING))
        return str(model), str(check)
    except (OSError, ValueError):
        return "", "start"


def _read(folder: Path) -> list[Result]:
    """The results that were written completely."""
    try:
        lines = read_text(folder / RESULTS).split("\n")[:-1]
    except (OSError, ValueError):
        return []
    return [Result.model_validate_json(line) for line in lines]
