"""The rules of the house, read from its source: imports point down, the parent is small, no method is named."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import LONGEST
from tests.support import python

ROOT = Path(__file__).parents[1]
#: Rooms, low to high. A module imports its own room and those above it in this list.
ROOMS = (
    "text", "clocks", "errors", "schema", "method", "study", "record", "measure", "data", "model", "train", "plan",
    "run", "report", "ratios", "commands", "__main__",
)  # fmt: skip
#: Folders of bench/report/, low to high, in the same order of imports; the others are not ordered.
REPORT_ROOMS = ("results", "analysis", "tables", "charts", "page")
#: A report is drawn from records alone, on any machine.
REPORT_MAY_IMPORT = {"text", "clocks", "errors", "schema", "method", "study", "record", "report"}
#: Public names of the package, imported when they are first asked for.
PUBLIC = {"bench.report.frame"}
METHODS_MAY_IMPORT = {"torch", "transformers", "peft", "pydantic", "numpy", "sklearn"} | sys.stdlib_module_names
METHOD_NAMES = re.compile(r"\b(full_ft|bitfit|lora|p_tuning|moe|zero_shot|linear_probe|tfidf_linear)\b")
MOST_ROOT_FILES = 6
FEWEST_LINES, MOST_LINES = 15, 300


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for folder in ("bench", "methods") for path in sorted((ROOT / folder).rglob("*.py"))}
BENCH = [name for name in MODULES if name.split(".")[0] == "bench"]
METHODS = [name for name in MODULES if name.startswith("methods.")]


def imports(name: str) -> Iterator[str]:
    """Every module that a module imports, wherever in its text."""
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level == 1 and name.count(".") >= 2 - (MODULES[name].name == "__init__.py") and name in METHODS:
                continue  # a method that is a package, whose name is not its own to know, imports its parts
            assert node.level == 0, f"{name} imports relatively"
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [submodule for submodule in submodules if submodule in MODULES]
            yield from found
            if len(found) < len(submodules):
                yield str(node.module)


def room(name: str) -> str:
    """The room of a module of bench; the package itself is in the lowest."""
    return name.split(".")[1] if "." in name else ROOMS[0]


def report_room(name: str) -> int:
    """The place of a module in REPORT_ROOMS; -1 if it has none."""
    parts = name.split(".")
    ordered = parts[:2] == ["bench", "report"] and parts[2:] and parts[2] in REPORT_ROOMS
    return REPORT_ROOMS.index(parts[2]) if ordered else -1


def points_up(name: str, other: str) -> bool:
    """Whether an import of ``other`` in ``name`` is one of a higher room, or of a higher folder of the report."""
    if name == "bench" and other in PUBLIC:
        return False
    return ROOMS.index(room(other)) > ROOMS.index(room(name)) or report_room(other) > report_room(name) >= 0


def arrows_up(imported: Mapping[str, set[str]]) -> list[str]:
    """Imports that point up.

    Args:
        imported: the modules that each module imports.
    """
    return [
        f"{name} imports {other}"
        for name, others in imported.items()
        for other in sorted(others)
        if points_up(name, other)
    ]


def ours(name: str) -> set[str]:
    return {other for other in imports(name) if other.split(".")[0] == "bench"} - {name}


def test_no_import_points_up() -> None:
    assert len(ROOMS) <= 20
    assert {room(name) for name in BENCH} <= set(ROOMS), "a new room needs its place in ROOMS"
    assert arrows_up({name: ours(name) for name in BENCH}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        ("bench.errors", "bench.study.study"),
        ("bench.report.draw", "bench.commands.cli"),
        ("bench", "bench.run"),
        ("bench.report.results.load", "bench.report.page"),
    ],
)
def test_an_import_that_points_up_is_found(wrong: tuple[str, str]) -> None:
    assert arrows_up({wrong[0]: {wrong[1]}}) == [f"{wrong[0]} imports {wrong[1]}"]


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter({name: ours(name) - PUBLIC for name in BENCH}).prepare()
    except CycleError as error:
        pytest.fail(f"import circle: {' -> '.join(error.args[1])}")


def test_few_files_stand_in_the_root() -> None:
    assert len(list((ROOT / "bench").glob("*.py"))) <= MOST_ROOT_FILES


def test_every_source_file_has_a_size_to_read() -> None:
    sizes = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in MODULES.items()
        if path.name not in ("__init__.py", "__main__.py")
    }
    assert {name: lines for name, lines in sizes.items() if not FEWEST_LINES <= lines <= MOST_LINES} == {}


def test_the_test_files_that_begin_first_are_there() -> None:
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []


def test_the_harness_imports_and_names_no_method() -> None:
    for name in BENCH:
        assert [other for other in imports(name) if other.split(".")[0] in ("methods", "tests")] == [], name
        lines = MODULES[name].read_text(encoding="utf-8").splitlines()
        found = [f"{number}: {line}" for number, line in enumerate(lines, start=1) if METHOD_NAMES.search(line)]
        assert found == [], name


def test_report_reads_records_and_nothing_else() -> None:
    for name in (name for name in BENCH if name.startswith("bench.report")):
        assert {room(other) for other in ours(name)} <= REPORT_MAY_IMPORT, name


def test_a_method_knows_the_contract_and_the_model_libraries() -> None:
    for name in METHODS:
        shared = {other for other in MODULES if other.startswith("methods._")}
        others = set(imports(name)) - {"bench.method", "bench.errors"} - shared
        assert {other for other in others if other.split(".")[0] not in METHODS_MAY_IMPORT} == set(), name


def test_the_parent_never_imports_torch() -> None:
    commands = ("cli", "audit", "explain.measured_cell", "compare.result", "check.watch")
    modules = [
        "bench.run.run",
        "bench.run.executor",
        "bench.run.progress",
        "bench.ratios.measure",
        "bench.ratios.table",
    ]
    modules += [f"bench.commands.{name}" for name in commands]
    modules += [name for name in BENCH if name.startswith("bench.report")]
    code = (
        f"import sys, importlib; [importlib.import_module(name) for name in {modules!r}]; "
        "print(sorted({'torch', 'transformers', 'peft', 'datasets'} & set(sys.modules)))"
    )
    assert python(code) == "[]"
