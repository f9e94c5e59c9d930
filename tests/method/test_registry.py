"""Which methods there are, and what a file must not be."""

from pathlib import Path

import pytest

from bench.errors import PluginError, UnknownNameError
from bench.method import Method, importing
from bench.method.importing import Imports, announce_in
from bench.method.registry import (
    MethodSource,
    Plugin,
    describe,
    filled_options,
    find,
    get,
    load,
    load_planned,
    options,
)
from bench.method.source_hash import source_sha256

GOOD = """
from bench.method import Method, Options as Base

class Options(Base):
    rank: int = 8

class Good(Method):
    label = "Good"
    options_class = Options
    def adapt(self, model, task):
        return model
"""


def write(folder: Path, name: str, content: str = GOOD) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(content, encoding="utf-8")
    return path


class TestFind:
    def test_files_of_the_folder_by_name_and_nothing_private(self, tmp_path: Path) -> None:
        for name in ("beta", "alpha", "_hidden", "__init__"):
            write(tmp_path, name)
        (tmp_path / "notes.txt").write_text("no method")
        found = find(methods_folder=tmp_path)
        assert (list(found), found["alpha"].path) == (["alpha", "beta"], tmp_path / "alpha.py")

    def test_a_label_holds_no_credentials(self, tmp_path: Path) -> None:
        write(tmp_path, "leak", GOOD.replace('"Good"', '"Leak Authorization: Bearer X"'))
        assert describe(find(methods_folder=tmp_path)["leak"])["label"] == "Leak Authorization: Bearer REDACTED"

    def test_imports_nothing(self, tmp_path: Path) -> None:
        write(tmp_path, "bomb", "raise SystemExit(3)")
        assert "bomb" in find(methods_folder=tmp_path)

    def test_the_shipped_methods_are_found(self) -> None:
        assert {plugin.origin for plugin in find().values()} == {"methods/", "methods/baselines/"}

    def test_plugin_file(self, tmp_path: Path) -> None:
        mine = write(tmp_path / "mine", "mine")
        found = find([mine], methods_folder=tmp_path / "none")
        assert (found["mine"].origin, found["mine"].path) == ("--plugin", mine)

    def test_hash_follows_the_content(self, tmp_path: Path) -> None:
        path = write(tmp_path, "alpha")
        before = find(methods_folder=tmp_path)["alpha"].sha256
        path.write_text(GOOD + "# changed")
        assert find(methods_folder=tmp_path)["alpha"].sha256 != before

    def test_missing_plugin_file(self, tmp_path: Path) -> None:
        with pytest.raises(PluginError, match="no such file"):
            find([tmp_path / "absent.py"], methods_folder=tmp_path)

    def test_one_name_in_two_folders_names_both_files(self, tmp_path: Path) -> None:
        first, second = write(tmp_path / "a", "same"), write(tmp_path / "b", "same")
        with pytest.raises(PluginError, match="two methods are named 'same'") as caught:
            find([second], methods_folder=tmp_path / "a")
        assert str(first) in str(caught.value)
        assert str(second) in str(caught.value)

    def test_the_same_file_twice_is_one_method(self, tmp_path: Path) -> None:
        path = write(tmp_path, "same")
        link = tmp_path / "elsewhere" / "same.py"
        link.parent.mkdir()
        link.symlink_to(path)
        assert list(find([path, link, path], methods_folder=tmp_path)) == ["same"]

    @pytest.mark.parametrize("name", ["my-method", "1st", "a b", "a.b"])
    def test_name_must_be_an_identifier(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(PluginError, match="must be a Python identifier"):
            find([write(tmp_path, name)], methods_folder=tmp_path / "none")

    def test_unknown_method_comes_with_the_nearest(self, tmp_path: Path) -> None:
        write(tmp_path, "alpha")
        with pytest.raises(UnknownNameError, match="did you mean 'alpha'"):
            get(find(methods_folder=tmp_path), "alhpa")


class TestEntryPoint:
    @pytest.fixture
    def installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder on the import path; ``declare`` puts a distribution into it."""
        site = tmp_path / "site packages"
        site.mkdir()
        monkeypatch.syspath_prepend(str(site))
        return site

    def declare(self, site: Path, line: str) -> None:
        info = site / "their_methods-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-methods\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[tunebench.methods]\n{line}\n")

    def test_of_another_distribution(self, installed: Path, tmp_path: Path) -> None:
        path = write(installed / "their_methods", "gamma")
        write(installed / "their_methods", "__init__", "")
        self.declare(installed, "their_gamma = their_methods.gamma")
        found = find(methods_folder=tmp_path / "none")
        assert found["their_gamma"].path == path
        assert found["their_gamma"].origin == "entry point of their-methods"
        assert load("their_gamma", path).label == "Good"

    @pytest.mark.parametrize("module", ["absent_module", "absent_package.gamma"])
    def test_without_its_module(self, module: str, installed: Path, tmp_path: Path) -> None:
        self.declare(installed, f"their_gamma = {module}")
        found = find(methods_folder=tmp_path / "none")
        assert found["their_gamma"].error == (
            f"method their_gamma: entry point of their-methods: there is no module {module}"
        )

    def test_whose_package_does_not_import(self, installed: Path, tmp_path: Path) -> None:
        """Finding imports nothing, so the package around the module cannot break it."""
        write(installed / "bomb_methods", "__init__", "1 / 0")
        path = write(installed / "bomb_methods", "gamma")
        self.declare(installed, "their_gamma = bomb_methods.gamma")
        assert find(methods_folder=tmp_path / "none")["their_gamma"].path == path

    def test_of_the_name_of_a_file(self, installed: Path, tmp_path: Path) -> None:
        write(installed, "their_module")
        write(tmp_path / "methods", "alpha")
        self.declare(installed, "alpha = their_module")
        with pytest.raises(PluginError, match="two methods are named 'alpha'"):
            find(methods_folder=tmp_path / "methods")


class TestLoad:
    def test_gives_the_class(self, tmp_path: Path) -> None:
        method = load("good", write(tmp_path, "good"))
        assert issubclass(method, Method)
        assert method(method.options_class()).options.model_dump()["rank"] == 8

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("def broken(:", "does not import: SyntaxError"),
            ("import no_such_module_at_all", "does not import: ModuleNotFoundError"),
            ("from bench.method import NoSuchName", "does not import: ImportError"),
            ("import sys; sys.exit(0)", "does not import: SystemExit"),
            ("1 / 0", "does not import: ZeroDivisionError"),
            ("x = 'a\0b'", "does not import: (SyntaxError|ValueError)"),
            ("", "must define one subclass of bench.method.Method or bench.method.TextMethod, got 0"),
            (
                "from bench.method import Method",
                "must define one subclass of bench.method.Method or bench.method.TextMethod, got 0",
            ),
            (
                GOOD + "\nclass Other(Good):\n    pass",
                "must define one subclass of bench.method.Method or bench.method.TextMethod, got 2",
            ),
            (
                "from bench.method import Method\nclass A(Method):\n    label = 'A'",
                "class A does not define adapt",
            ),
            (GOOD.replace('label = "Good"', ""), "class Good has no label"),
            (GOOD.replace('label = "Good"', "label = 3"), "class Good has no label"),
            (GOOD.replace("= Options", "= dict"), "options_class must be a subclass"),
            (GOOD.replace("= Options", "= None"), "options_class must be a subclass"),
        ],
    )
    def test_what_is_no_method_says_which_file_and_why(self, content: str, message: str, tmp_path: Path) -> None:
        path = write(tmp_path, "mine", content)
        with pytest.raises(PluginError, match=message) as caught:
            load("mine", path)
        assert str(caught.value).startswith(f"method mine: {path}")

    def test_a_file_that_is_not_text(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.py"
        path.write_bytes(b"\xff\xfe\x00binary")
        with pytest.raises(PluginError, match="does not import"):
            load("mine", path)

    @pytest.mark.parametrize("name", ["absent.py", "mine.txt"])
    def test_a_file_that_is_missing_or_no_python(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(PluginError, match="method mine"):
            load("mine", tmp_path / name)


class TestSourceOfAPackage:
    """The hash covers all that the package may read, and nothing that only running it leaves."""

    @pytest.fixture
    def package(self, tmp_path: Path) -> Path:
        write(tmp_path / "mine", "__init__")
        return tmp_path / "mine"

    @pytest.mark.parametrize("name", ["part.py", "sizes.json", "page.html.jinja", "inner/deep.toml"])
    def test_a_file_that_is_added_changed_or_moved(self, name: str, package: Path) -> None:
        seen = [source_sha256(package)]
        path = package / name
        path.parent.mkdir(exist_ok=True)
        for content in ("", "1"):
            path.write_text(content)
            seen.append(source_sha256(package))
        path.rename(path.with_name("elsewhere"))
        seen.append(source_sha256(package))
        assert len(set(seen)) == 4
        path.with_name("elsewhere").unlink()
        assert source_sha256(package) == seen[0]

    def test_what_python_writes_there(self, package: Path) -> None:
        before = source_sha256(package)
        for folder in (package, package / "inner"):
            (folder / "__pycache__").mkdir(parents=True)
            (folder / "__pycache__" / "part.cpython-311.pyc").write_bytes(b"\0")
        assert source_sha256(package) == before


class TestLoadPlanned:
    """A worker runs the file that its cell names; whoever reads a cell from elsewhere runs only what was found here."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return write(tmp_path / "here", "mine")

    def source(self, file: Path, **changes: str) -> MethodSource:
        facts = {"name": "row", "label": "Row", "plugin": "mine", "path": str(file), "sha256": source_sha256(file)}
        return MethodSource.model_validate(facts | changes)

    def found(self, path: Path) -> dict[str, Plugin]:
        return find([path], methods_folder=path.parent / "none")

    def test_the_file_that_the_cell_names(self, path: Path) -> None:
        source = self.source(path)
        assert load_planned(source).label == "Good"
        path.write_text(GOOD + "# changed")
        with pytest.raises(PluginError, match=r"^method row: .*mine\.py was changed after the cell was planned"):
            load_planned(source)
        path.unlink()
        with pytest.raises(PluginError, match=r"^method row: .*mine\.py is missing; put it back, or run the study"):
            load_planned(source)

    def test_the_same_source_wherever_the_cell_had_it(self, path: Path) -> None:
        assert load_planned(self.source(path, path="/gone/mine.py"), self.found(path)).label == "Good"

    def test_a_method_that_is_not_here_is_not_run(self, path: Path, tmp_path: Path) -> None:
        source = self.source(write(tmp_path / "theirs", "bomb", "raise SystemExit(3)"), plugin="bomb")
        with pytest.raises(PluginError, match="method row: there is no method 'bomb' here; install it, or name its"):
            load_planned(source, self.found(path))

    def test_another_source_of_the_same_name_is_not_run(self, path: Path, tmp_path: Path) -> None:
        """Its hash is the one of the cell, but that too comes from elsewhere."""
        source = self.source(write(tmp_path / "theirs", "mine", "raise SystemExit(3)"))
        with pytest.raises(PluginError, match=f"{path} was changed after the cell was planned; restore it"):
            load_planned(source, self.found(path))

    def test_an_entry_point_without_its_module(self, path: Path) -> None:
        gone = Plugin(name="mine", path=Path(), sha256="", origin="entry point of x", error="there is no module mine")
        with pytest.raises(PluginError, match="there is no module mine"):
            load_planned(self.source(path), {"mine": gone})


class TestOptions:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"rnak": 4}, r"methods.good.options: rnak: unknown key 'rnak'; did you mean 'rank'\?"),
            ({"rank": "many"}, "methods.good.options: rank must be a valid integer"),
            ({"learning_rate": 0}, "methods.good.options: learning_rate must be above 0, got 0"),
            ({"learning_rate": float("nan")}, "learning_rate must be"),
            ({"weight_decay": -1}, "weight_decay must be at least 0, got -1"),
        ],
    )
    def test_out_of_range(self, given: dict[str, object], message: str, tmp_path: Path) -> None:
        with pytest.raises(PluginError, match=message):
            options("good", load("good", write(tmp_path, "good")), given)

    def test_defaults_are_filled_in(self, tmp_path: Path) -> None:
        found = options("good", load("good", write(tmp_path, "good")), {"rank": 2})
        assert found.model_dump() == {"learning_rate": 5e-5, "weight_decay": 0.01, "rank": 2}

    def test_a_validator_that_ends_the_process_is_a_plain_message(self, tmp_path: Path) -> None:
        method = load("asked", write(tmp_path, "asked", ASKED.replace("SEEN", "raise KeyboardInterrupt")))
        for ask in (options, filled_options):
            with pytest.raises(PluginError, match=r"method row: .*asked\.py: .* be validated: KeyboardInterrupt"):
                ask("row", method, {})


#: Tells what the announcement says while each part of it is asked.
ASKED = """
from pydantic import field_serializer, field_validator
from bench.method import Method, Options as Base
import builtins

class Options(Base):
    rank: int = 8

    @field_validator("rank", mode="before")
    @classmethod
    def _valid(cls, value):
        SEEN
        return value

    @field_serializer("rank")
    def _written(self, value):
        SEEN
        return value

    model_config = {**Base.model_config, "validate_default": True}

class Label(str):
    def __str__(self):
        SEEN
        return "Asked"

class Asked(Method):
    label = Label("Asked")
    options_class = Options

    @classmethod
    def supports(cls, kind):
        SEEN
        return True

    def adapt(self, model, task):
        return model
"""


class TestWhatAsksAPluginIsAnnounced:
    def test_each_part_has_the_limit_of_an_import(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[str | None] = []
        monkeypatch.setattr("builtins.tell", lambda: told.append(Imports(tmp_path, 0.0).trouble()), raising=False)
        monkeypatch.setattr(importing, "_place", None)
        announce_in(tmp_path)
        path = write(tmp_path, "asked", ASKED.replace("SEEN", "builtins.tell()"))
        assert describe(Plugin(name="asked", path=path, sha256="", origin=""))["label"] == "Asked"
        assert len(told) == 3, "two kinds and the label"
        method = load("asked", path)
        options("asked", method, {})
        assert len(told) == 4
        assert (filled_options("asked", method, {})["rank"], len(told)) == (8, 6)
        assert set(told) == {f"method asked: {path} was still being called after 0 s; make it faster"}

    def test_one_that_follows_another_has_a_limit_of_its_own(self, tmp_path: Path) -> None:
        imports = Imports(tmp_path)
        file, told = tmp_path / "importing-1", []
        for number in (1, 2):
            importing._write(file, {"name": "a", "path": "a.py", "doing": "called", "number": number})
            assert imports.under_way == "method a: a.py"
            told.append(next(iter(imports._begun.values()))[1])
        assert told[0] < told[1]

    def test_a_word_of_any_size_is_not_read_whole(self, tmp_path: Path) -> None:
        with (tmp_path / "importing-1").open("wb") as file:
            file.truncate(3 * 1024**4)
        assert Imports(tmp_path).under_way is None
