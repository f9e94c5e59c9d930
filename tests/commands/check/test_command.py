"""``tunebench check`` from the parent's side: what is named, workers that die or hang, and what is printed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.commands.check.command import check
from bench.commands.check.finding import (
    FINISHED,
    RESULTS,
    RUNNING,
    Finding,
    Result,
    failed,
    not_applicable,
    not_run,
    passed,
)
from bench.commands.check.watch import chosen
from bench.errors import PluginError, RequestError, UnknownNameError
from tests.commands.check.support import write_method
from tests.support import command, write_plugin

DONE = Result.of("BERT", "adapt", passed("trains 3 of 4 parameters"))


class Worker:
    """An executor and its job: leaves these results, and ends as told, or not at all."""

    exit_code: int | None = 0

    def __init__(self, *results: Result, running: str | None = None, code: int | None = 0, ends: bool = True) -> None:
        self.results, self.running, self.code, self.ends = results, running, code, ends
        self.killed = self.closed = False

    def start(self, entry: str, folder: Path, memory_bytes: int | None = None) -> "Worker":
        assert entry == "bench.commands.check.entry:run"
        (folder / RESULTS).write_text("".join(f"{r.model_dump_json()}\n" for r in self.results) + '{"half')
        if self.running is None:
            (folder / FINISHED).touch()
        else:
            (folder / RUNNING).write_text(json.dumps(["BERT", self.running]))
            (folder / "stderr.txt").write_text("last words\n")
        self.exit_code = self.code if self.ends else None
        return self

    def wait(self, seconds: float) -> bool:
        return self.ends

    def kill(self) -> None:
        self.killed, self.exit_code = True, -9

    def close(self) -> None:
        self.closed = True


Show = Callable[..., tuple[bool, str]]


def rows(said: str) -> list[str]:
    """The printed lines with single blanks."""
    return [" ".join(line.split()) for line in said.splitlines()]


@pytest.fixture
def show(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Show:
    """Runs the command on a method with this worker; whether it is sound, and what is printed."""

    monkeypatch.setenv("COLUMNS", "60")

    def run(worker: Worker, timeout_seconds: float = 300.0, traceback: bool = False) -> tuple[bool, str]:
        code = check(
            methods=[str(write_method(tmp_path))], timeout_seconds=timeout_seconds, traceback=traceback, format="table",
            make_executor=lambda: worker,
        )  # fmt: skip
        assert worker.closed
        return code == 0, capsys.readouterr().out

    return run


class TestChosen:
    def test_names_files_and_packages_each_once(self, tmp_path: Path) -> None:
        path = write_plugin(tmp_path, "mine")
        package = tmp_path / "packed"
        package.mkdir()
        path.rename(package / "__init__.py")
        path = write_plugin(tmp_path, "mine")
        plugins = chosen(["lora", str(path), "lora", str(package)])
        assert [plugin.name for plugin in plugins] == ["lora", "mine", "packed"]
        assert plugins[2].path == package

    def test_a_shipped_method_by_its_file_is_itself(self) -> None:
        (plugin,) = chosen(["lora"])
        (same,) = chosen([str(plugin.path)])
        assert (same.name, same.path) == (plugin.name, plugin.path)

    def test_unknown_name_gives_the_nearest(self) -> None:
        with pytest.raises(UnknownNameError, match=r"unknown method 'lara'; did you mean 'lora'\?.*or give the path"):
            chosen(["lara"])

    def test_what_is_no_method_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "notes.txt").write_text("no method")
        with pytest.raises(PluginError, match=r"empty: a folder must have an __init__\.py to be a method"):
            chosen([str(tmp_path / "empty")])
        with pytest.raises(PluginError, match=r"notes\.txt: must be a \.py file or a package"):
            chosen([str(tmp_path / "notes.txt")])

    @pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_time_limit_that_is_none(self, seconds: float) -> None:
        with pytest.raises(RequestError, match="--timeout must be a number of seconds above 0, got"):
            check(methods=["lora"], timeout_seconds=seconds, traceback=False, format="table")


class TestOutcomes:
    def test_all_well(self, show: Show) -> None:
        sound, said = show(Worker(DONE, Result.of("BERT", "explain", not_applicable("the method explains nothing"))))
        assert sound
        adapt, explain = (
            "BERT adapt pass trains 3 of 4 parameters",
            "explain not applicable the method explains nothing",
        )
        assert rows(said)[2] == "Model Check Verdict Found"
        assert rows(said)[4:6] == [adapt, explain]
        assert "mine: 1 pass, 0 fail, 1 not applicable, 0 not run; " in said

    def test_a_failure_says_what_to_do_on_one_line(self, show: Show) -> None:
        finding = failed("x" * 100, "do it", traceback="Traceback\n  File a\nValueError: no")
        sound, said = show(Worker(DONE, Result.of("BERT", "merged", finding)))
        assert not sound
        assert f"merged fail {'x' * 100}; do it" in rows(said)
        assert "File a" not in said
        _, said = show(Worker(Result.of("BERT", "merged", finding)), traceback=True)
        assert "BERT / merged\n    Traceback\n      File a\n    ValueError: no\n" in said

    def test_checks_that_were_not_run_share_a_line(self, show: Show) -> None:
        left = [Result.of("BERT", name, not_run("it needs: adapt")) for name in ("devices", "padding")]
        sound, said = show(Worker(*left, Result.of("Llama", "adapt", passed("fine"))))
        assert not sound
        assert "BERT the rest not run devices, padding" in rows(said)
        assert "1 pass, 0 fail, 0 not applicable, 2 not run" in said

    def test_text_of_a_plugin_is_neither_markup_nor_obeyed(self, show: Show) -> None:
        said = show(Worker(Result.of("BERT", "adapt", failed("[red]a\x1b[2Jb\nc", "mend it"))))[1]
        assert r"[red]a\x1b[2Jb c; mend it" in said

    @pytest.mark.parametrize(
        ("code", "wanted"),
        [
            (-9, "the process was killed by SIGKILL"), (-11, "the process was killed by SIGSEGV"),
            (3, "the process ended with exit code 3"), (0, "the process ended with exit code 0"),
        ],
    )  # fmt: skip
    def test_a_worker_that_died_fails_what_it_was_at(self, code: int, wanted: str, show: Show) -> None:
        sound, said = show(Worker(DONE, running="meta build", code=code), traceback=True)
        assert not sound
        assert f" meta build fail {wanted}" in " ".join(rows(said))
        assert "last words" in said
        assert "the rest not run the rest" in rows(said)

    def test_a_worker_that_hangs_is_killed(self, show: Show) -> None:
        worker = Worker(DONE, running="overfit", ends=False)
        sound, said = show(worker, timeout_seconds=1e-9)
        assert worker.killed
        assert not sound
        assert " overfit fail killed after 1e-09 s, unfinished; make it faster, or raise" in " ".join(rows(said))

    def test_a_worker_that_is_done_and_does_not_end_is_killed(self, show: Show) -> None:
        worker = Worker(DONE, ends=False)
        sound, _ = show(worker)
        assert worker.killed
        assert sound

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        finding = Finding(verdict="fail", found="a", advice="b", traceback="c")
        worker = Worker(DONE, Result.of("", "label", finding))
        code = check(
            methods=["lora", "moe"], timeout_seconds=300.0, traceback=False, format="json", make_executor=lambda: worker
        )
        assert code == 1
        methods = json.loads(capsys.readouterr().out)["methods"]
        assert [method["name"] for method in methods] == ["lora", "moe"]
        assert methods[0]["results"][1] == {"model": "", "check": "label", **finding.model_dump()}


@pytest.mark.slow
class TestWorkers:
    def test_plugins_that_end_their_process_hang_or_are_right(self, tmp_path: Path) -> None:
        ends = {"leaves": "os._exit(0)", "shot": "os.kill(os.getpid(), 9)", "hangs": "time.sleep(1000)"}
        paths = [
            write_method(tmp_path, ("        model.req", f"        {end}\n        model.req"), name=name)
            for name, end in ends.items()
        ]
        done = command("check", *paths, "--timeout", 8, "--format", "json", cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        methods = {method["name"]: method["results"] for method in json.loads(done.stdout)["methods"]}
        failures = {
            name: [(r["model"], r["check"], r["found"]) for r in results if r["verdict"] == "fail"]
            for name, results in methods.items()
        }
        assert failures == {
            "leaves": [("BERT", "adapt", "the process ended with exit code 0")],
            "shot": [("BERT", "adapt", "the process was killed by SIGKILL")],
            "hangs": [("BERT", "adapt", "killed after 8 s, unfinished")],
        }
        assert {len(results) for results in methods.values()} == {6}

    def test_a_right_method_by_its_file(self, tmp_path: Path) -> None:
        done = command("check", write_method(tmp_path), cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "0 fail" in done.stdout.splitlines()[-1]
        assert done.stderr == ""
