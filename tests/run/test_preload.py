"""What the fork server imports: with what starts CUDA kept out, and with a clear error where an import fails."""

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from threading import RLock
from types import ModuleType

import pytest
from tqdm import tqdm

from bench.run.preload import MODULES, Order, Progress, imported_later, preload
from tests.support import environment

#: A module that says when it is imported, and one that imports it as peft does: at its top, if it is there.
STARTER = "print('started')\nvalue = 7\n"
USER = """
import importlib.util
there = importlib.util.find_spec("starter") is not None
try:
    import starter
except ImportError:
    starter = None
"""


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with the modules ``starter`` and ``user_of_starter``, neither of them imported."""
    (tmp_path / "starter.py").write_text(STARTER)
    (tmp_path / "user_of_starter.py").write_text(USER)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("starter", "user_of_starter"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))  # so that what the test imports goes with it
        del sys.modules[name]
    return tmp_path


class TestImportedLater:
    def test_it_is_imported_when_it_is_used_after_the_block(
        self, user: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with imported_later("starter"):
            module = importlib.import_module("user_of_starter")
        assert "starter" not in sys.modules
        assert capsys.readouterr().out == ""
        assert module.there is True, "libraries remember whether it is there"
        assert module.starter.value == 7
        assert capsys.readouterr().out == "started\n"
        assert sys.modules["starter"].value == 7

    def test_in_the_block_it_has_nothing_to_use(self, user: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with imported_later("starter"):
            module = importlib.import_module("user_of_starter")
            assert not hasattr(module.starter, "__file__"), "what looks through all modules does not import it"
            with pytest.raises(AttributeError, match="starter is not imported before the fork"):
                _ = module.starter.value
            with pytest.raises(ImportError):
                importlib.import_module("starter.part")
        assert capsys.readouterr().out == ""

    def test_what_is_not_installed_is_not_made_up(self, user: Path) -> None:
        (user / "starter.py").unlink()
        importlib.invalidate_caches()
        with imported_later("starter"):
            module = importlib.import_module("user_of_starter")
        assert module.there is False
        assert module.starter is None

    def test_what_is_imported_already_stays(self, user: Path) -> None:
        starter = importlib.import_module("starter")
        with imported_later("starter"):
            assert importlib.import_module("user_of_starter").starter is starter
        assert sys.modules["starter"] is starter


def test_progress_says_what_is_imported(user: Path, tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    assert Progress.read(path) == Progress()
    preload(Order(modules=["starter"], progress=str(path)))
    assert Progress.read(path) == Progress(module="starter", done=True)
    assert isinstance(tqdm.get_lock(), type(RLock())), "the default lock has a semaphore, which a killed worker leaks"


#: Starts one worker whose server imports the modules named, and prints why it could not.
START = """
import sys
from pathlib import Path
from bench.errors import RequestError
from bench.run.executor import LocalExecutor

executor = LocalExecutor(sys.argv[2:])
for _ in range(2):
    try:
        job = executor.start("bench.run.worker.entry:run", Path(sys.argv[1]))
    except RequestError as error:
        print(error)
    else:
        job.wait(60)
        print("started")
executor.close()
"""


def started(folder: Path, *modules: str) -> tuple[list[str], str]:
    """What two attempts to start a worker end with, a line each, and what went to the error stream."""
    done = subprocess.run(
        [sys.executable, "-c", START, str(folder), *modules], capture_output=True, text=True, timeout=120, check=True,
        env=environment(PYTHONPATH=f"{Path(__file__).parents[2]}:{folder}"),
    )  # fmt: skip
    return done.stdout.splitlines(), done.stderr


@pytest.mark.slow
class TestAnImportThatFails:
    @pytest.mark.parametrize(
        ("raises", "said"),
        [
            ("raise ImportError('libcudart.so.12: no such file')", "ImportError: libcudart.so.12: no such file"),
            ("raise SystemExit('no licence')", "SystemExit: no licence"),
            ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
        ],
    )
    def test_is_named_with_its_reason(self, tmp_path: Path, raises: str, said: str) -> None:
        (tmp_path / "broken.py").write_text(f"{raises}\n")
        (first, second), errors = started(tmp_path, "json", "broken", "csv")
        assert first == second
        assert first.startswith(f"broken, which every worker needs, does not import: {said}")
        assert errors == ""

    @pytest.mark.parametrize(
        ("ends", "how"),
        [("os._exit(7)", "with exit code 7"), ("os.kill(os.getpid(), signal.SIGSEGV)", "by signal 11 (SIGSEGV)")],
    )
    @pytest.mark.skipif(
        sys.platform != "linux", reason="only Linux tells how a process ended that is still to be reaped"
    )
    def test_is_named_where_it_takes_the_process_along(self, tmp_path: Path, ends: str, how: str) -> None:
        (tmp_path / "broken.py").write_text(f"import os, signal\n{ends}\n")
        (first, second), errors = started(tmp_path, "broken")
        assert first == second
        assert first.startswith(f"the fork server ended {how} while it imported broken; ")
        assert errors == ""

    def test_a_server_without_the_harness(self, tmp_path: Path) -> None:
        """The library passes over an ImportError of the module that it is told to import."""
        hides = "import bench.run.executor as executor\nexecutor.SERVER = 'bench.run.no_such_server'\n"
        (tmp_path / "hides.py").write_text(hides)
        done = subprocess.run(
            [sys.executable, "-c", f"import hides\n{START}", str(tmp_path)], capture_output=True, text=True,
            timeout=120, check=True, env=environment(PYTHONPATH=f"{Path(__file__).parents[2]}:{tmp_path}"),
        )  # fmt: skip
        assert done.stdout.splitlines()[0].startswith("the fork server could not import bench.run.no_such_server")


def test_every_module_of_the_preload_is_there() -> None:
    assert [name for name in MODULES if importlib.util.find_spec(name) is None] == []
