"""The house's rules, read from its source: arrows point down, the parent is small, the harness names no method."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Low to high; a module imports its own row and those above it in this list. A new module is given its row here.
LAYERS = (
    {
        "bench",
        "bench.redaction",
        "bench.message",
        "bench.json_text",
        "bench.errors",
        "bench.clocks",
        "bench.toml_file",
        "bench.palette",
        "bench.printable",
        "bench.runner.guard",
        "bench.runner.preload",
        "bench.host_memory",
        "bench.notices",
        "bench.time_limit",
        "bench.tokenizer_panic",
        "bench.weight_files",
        "bench.hidden_gpus",
        "bench.out_of_memory",
        "bench.interrupts",
        "bench.importing",
        "bench.log_end",
        "bench.runner.server_watch",
        "bench.own_process",
    },
    {"bench.runner.server", "bench.runner.socket_folder"},
    {"bench.study"},
    {"bench.insight", "bench.published"},
    {"bench.data.synthetic", "bench.data.profile"},  # the catalog asks them for their versions and labels
    {"bench.split_files", "bench.checkpoint"},
    {"bench.sources"},
    {"bench.access", "bench.artifact", "bench.datasheet"},
    {"bench.cell"},
    {"bench.record", "bench.floors"},
    {"bench.retry", "bench.runner.watcher"},
    {"bench.store"},
    {"bench.marks"},
    {"bench.publish", "bench.runner.failures", "bench.runner.recovery"},
    {"bench.kept", "bench.runner.failures", "bench.runner.recovery"},
    {"bench.runner.finished"},
    {"bench.measure.flops.closed_form"},  # a method says in closed form what it adds
    {"bench.method"},
    {"bench.registry"},
    {"bench.runner.executor", "bench.expand"},
    {"bench.runner.answer"},
    {"bench.runner.question"},
    {
        "bench.allocator",
        "bench.device_waits",
        "bench.dropout",
        "bench.packing",
        "bench.positions",
        "bench.quantization",
        "bench.measure",
    },
    {"bench.data"},
    {"bench.asking"},
    {"bench.model_config"},
    {"bench.model"},
    {"bench.head"},
    {"bench.weights", "bench.room"},
    {"bench.measure.warmup", "bench.seeding"},
    {"bench.losses", "bench.optimizers"},
    {"bench.train"},
    {"bench.evaluate"},
    {"bench.reading", "bench.ledger", "bench.worker.speed", "bench.worker.latency", "bench.worker.phases"},
    {
        "bench.worker.stamp",
        "bench.worker.lost_time",
        "bench.worker.steps_again",
        "bench.worker.validation",
        "bench.worker.early_stopping",
        "bench.worker.memory_record",
        "bench.worker.samples",
    },
    {"bench.worker.agreement", "bench.worker.counting"},
    {"bench.worker.work"},
    {"bench.worker.prepare"},
    {"bench.worker.training"},
    {"bench.worker.measurement"},
    {"bench.plan"},
    {"bench.preflight", "bench.worker"},
    {"bench.explain"},
    {"bench.runner.again", "bench.runner.attempt", "bench.runner.smaller"},
    {"bench.report.results"},
    {"bench.report.analysis"},
    {"bench.report.tables"},
    {"bench.report.frame", "bench.report.frame_columns"},
    {"bench.report.charts"},
    {"bench.report.page"},
    {"bench.runner", "bench.report"},
    {"bench.audit", "bench.compare", "bench.export"},
    {"bench.check"},
    {"bench.gpu_report"},
    {"bench.inspection"},
    {"bench.verbs"},
    {"bench.cli"},
    {"bench.__main__"},
)
#: Public names of the package, imported when they are first asked for.
PUBLIC = {"bench.report.frame"}
REPORT_MAY_IMPORT = {
    "clocks", "errors", "json_text", "message", "palette", "printable", "redaction", "cell", "study", "sources",
    "insight",    "kept", "publish", "published", "record", "floors", "store", "report",
}  # fmt: skip
METHODS_MAY_IMPORT = {"torch", "transformers", "peft", "pydantic", "numpy", "sklearn"} | sys.stdlib_module_names
METHOD_NAMES = re.compile(r"\b(full_ft|bitfit|lora|p_tuning|moe|zero_shot)\b")


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


def row(name: str) -> int:
    """The row of the longest prefix of a module's name."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        prefix = ".".join(parts[:end])
        for number, members in enumerate(LAYERS):
            if prefix in members and (prefix != "bench" or name == "bench"):
                return number
    pytest.fail(f"{name} has no row in LAYERS of tests/test_architecture.py")


@pytest.mark.parametrize("name", BENCH)
def test_no_arrow_points_up(name: str) -> None:
    wrong = [other for other in imports(name) if other.split(".")[0] == "bench" and row(other) > row(name)]
    wrong = [other for other in wrong if name != "bench" or other not in PUBLIC]
    assert wrong == [], f"{name} imports what stands above it"


@pytest.mark.parametrize("name", BENCH)
def test_the_harness_imports_no_method(name: str) -> None:
    assert [other for other in imports(name) if other.split(".")[0] in ("methods", "tests")] == []


@pytest.mark.parametrize("name", BENCH)
def test_the_harness_names_no_method(name: str) -> None:
    lines = MODULES[name].read_text(encoding="utf-8").splitlines()
    assert [f"{number}: {line}" for number, line in enumerate(lines, start=1) if METHOD_NAMES.search(line)] == []


@pytest.mark.parametrize("name", [name for name in BENCH if name.startswith("bench.report")])
def test_report_reads_records_and_nothing_else(name: str) -> None:
    ours = {other.split(".")[1] for other in imports(name) if other.startswith("bench.")}
    assert ours <= REPORT_MAY_IMPORT


@pytest.mark.parametrize("name", METHODS)
def test_a_method_knows_the_contract_and_the_model_libraries(name: str) -> None:
    wrong = {
        other
        for other in imports(name)
        if other not in ("bench.method", "bench.errors") and other.split(".")[0] not in METHODS_MAY_IMPORT
    }
    assert wrong == set()


@pytest.mark.parametrize(
    "modules",
    [
        ["bench.runner.run", "bench.runner.executor", "bench.runner.progress"],
        [
            "bench.cli",
            "bench.verbs",
            "bench.inspection",
            "bench.explain.command",
            "bench.compare.command",
            "bench.check.command",
        ],
        [name for name in BENCH if name.startswith("bench.report")],
    ],
    ids=["runner", "cli", "report"],
)
def test_the_parent_never_imports_torch(modules: list[str]) -> None:
    code = (
        f"import sys, importlib; [importlib.import_module(name) for name in {modules!r}]; "
        "print(sorted({'torch', 'transformers', 'peft', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
