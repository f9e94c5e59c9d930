"""README and docs/: commands run, studies and code are valid, links and paths resolve, and the front page is short."""

import argparse
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.commands.cli import _parser, main
from bench.method import registry
from bench.study.study import load_study
from tests import pages
from tests.pages import OTHERS, PAGES, README, ROOT
from tests.support import records, write_study, write_texts

#: Command lines that are parsed and not run here, each with the reason.
NOT_RUN = {
    "tunebench run my_study.toml --plugin norms.py": "the fixture `reader` runs it",
    "tunebench check norms.py": "docs/methods.md checks it beside another method",
    "tunebench audit paper": "tests/commands/audit/test_command.py runs it",
    "tunebench audit paper --run runs/my_run": "tests/commands/audit/ puts runs beside tables; the plan takes minutes",
    "tunebench audit gpu_memory --within 3": "tests/plan/test_gpu_memory.py runs it",
    "tunebench plan gpu_validation --run runs/gpu_validation": "needs a run on a GPU",
    "tunebench run gpu_validation": "needs a GPU",
    "tunebench run minilm_real": "takes hours; tests/run/search searches a small study",
    "tunebench tune minilm_real": "takes hours; tests/run/search searches a small study",
    "tunebench run paper_resources": "needs a GPU",
    "tunebench run paper_resources --scale tiny": "33 cells; tests/run/ runs such cells",
    "tunebench doctor": "tests/commands/test_cli.py runs it",
    "tunebench doctor --prompt qwen2.5-7b-instruct sst5 --study my_study.toml": "needs a tokenizer from the hub",
    "tunebench report --verify reports/minilm_real": "tests/report/test_verify.py verifies every committed report",
    "tunebench report runs/demo --log mlflow=runs/mlflow": "tests/report/export/ logs to such a folder",
    "./run_all.sh": "installs packages and measures the demo, which takes minutes",
}
#: Lines that are not commands of tunebench, each with the reason to show them.
OTHER_LINES = {
    ". .venv/bin/activate": "the shell's",
    "./run_all.sh --setup-only dev,demo": "run_tests.sh, and so CI, begins with it",
    "TUNEBENCH_QUIET=1 pytest tests/benchmarks -s": "holds times against a clock; CI runs that folder too",
}
#: Further arguments that keep a command short: fewer rows, no memory, no pictures.
SHORTENED = {
    "tunebench run my_study.toml": "--format csv", "tunebench run my_study.toml --retry oom": "--format csv",
    "tunebench report runs/here runs/there": "--format csv", "tunebench report reports/minilm_real": "--format csv",
    "tunebench plan my_study.toml": "--only method=lora", "tunebench plan my_study.toml --device cpu": "--no-memory",
    "tunebench plan my_study.toml --device cuda:1": "--no-memory",
    "tunebench plan my_study.toml --fits 24GB --format csv": "--only method=full_ft",
    "tunebench plan paper": "--only method=bitfit --only dataset=imdb --no-memory",
    "tunebench plan paper_resources": "--only method=bitfit --only dataset=imdb --no-memory",
    "tunebench plan minilm_real --model ./config.json": "--only method=bitfit --only dataset=sst5 --no-memory",
    "tunebench audit my_table.csv --study my_study.toml": "--no-memory",
    "tunebench audit my_table.csv --study my_study.toml --names my_names.toml": "--no-memory",
}  # fmt: skip
#: Roots of paths that a page may name; what is there must exist, but for what a user's own run writes.
NAMED_PATH = re.compile(r"(bench|methods|reports|tests|docs)/[\w./-]*")
WRITTEN_BY_RUNS = ("reports/demo", "reports/my_study")
#: A word in capitals that stands for a name of the reader's.
STANDS_FOR = re.compile(r"\b(NAME|STUDY)\b")

MOST_LINES, MOST_PLUGIN_LINES, MOST_COLUMNS = 150, 15, 6

TABLE = "dataset,model,method,trainable_params_million,gflops\nsynthetic_emotion,minilm,full_ft,22.71,2.87\n"
NAMES = '[methods]\n"full_ft" = "full_ft"\n'

LINES = sorted({line for page in PAGES for line in pages.commands(page)})


def arguments(line: str) -> list[str]:
    """What a line gives to ``tunebench``; ``./run_all.sh`` hands its arguments to ``tunebench run``."""
    command, *rest = shlex.split(line)
    return rest if command == "tunebench" else ["run", *(rest or ["demo"])]


def is_synopsis(line: str) -> bool:
    """Whether a line has a word in capitals for something of the reader's, e.g. ``DIR``."""
    return any(re.fullmatch(r"[A-Z][A-Z_]*", word) for word in shlex.split(line))


COMMANDS = [line for line in LINES if line not in OTHER_LINES]
TO_RUN = [line for line in COMMANDS if line not in NOT_RUN and not is_synopsis(line)]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_understood(line: str) -> None:
    assert line.startswith(("tunebench ", "./run_all.sh"))
    _parser().parse_args(arguments(line))


def test_the_lists_of_commands_name_no_line_that_is_gone() -> None:
    assert {*NOT_RUN, *OTHER_LINES, *SHORTENED} <= set(LINES)
    assert set(SHORTENED) <= set(TO_RUN)


@pytest.mark.parametrize("page", PAGES, ids=pages.name)
def test_a_verb_or_option_in_the_text_exists(page: Path) -> None:
    (action,) = (found for found in _parser()._actions if isinstance(found, argparse._SubParsersAction))
    verbs: dict[str, argparse.ArgumentParser] = dict(action.choices)
    known = {option for verb in verbs.values() for option in verb._option_string_actions}
    for code in pages.inline_code(page):
        if code.startswith("tunebench "):
            assert code.split()[1] in verbs, code
        if "mkdocs" not in code:
            assert set(re.findall(r"(?<!\S)--[a-z0-9-]+", code)) <= known | {"--setup-only"}, code


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=pages.name)
def test_links_and_pictures_resolve(page: Path) -> None:
    for path, anchor in pages.links(page):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in pages.anchors(target), f"{path}#{anchor}"
        if page.parent == ROOT / "docs":  # the site has no other files
            assert target.parent == page.parent, path


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=pages.name)
def test_paths_in_the_text_exist(page: Path) -> None:
    for code in pages.inline_code(page):
        if NAMED_PATH.fullmatch(code) and not code.startswith(WRITTEN_BY_RUNS) and not STANDS_FOR.search(code):
            assert (ROOT / code).exists(), code


def test_every_page_is_in_the_site_and_linked_from_the_front_pages() -> None:
    there = {page.name for page in PAGES if page != README}
    assert set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)) == there
    assert {Path(path).name for path, _ in pages.links(README) if path.startswith("docs/")} == there - {"index.md"}
    index = ROOT / "docs" / "index.md"
    assert {path for path, _ in pages.links(index)} == there - {"index.md"}
    front = re.findall(r"^\| (\[.+\]\()docs/(.+\)) \| (.+) \|$", pages.read(README), re.MULTILINE)
    assert re.findall(r"^- (\[.+\]\()(.+\)): (.+)$", pages.read(index), re.MULTILINE) == front


def settings_of(page: Path) -> Iterator[dict[str, Any]]:
    """The studies of a page; of a part of one, with a grid around it."""
    for block in pages.blocks(page, "toml"):
        grid = {"datasets": ["sst5"], "models": ["minilm"], "methods": ["full_ft"]}
        yield {"name": "shown", "grid": [grid]} | tomllib.loads(block)


@pytest.mark.parametrize("page", PAGES, ids=pages.name)
def test_settings_are_those_of_a_study(page: Path, tmp_path: Path) -> None:
    found = registry.find()
    for content in settings_of(page):
        study = load_study(str(write_study(tmp_path / "shown.toml", content)))
        given = [(study.methods[name].plugin or name, study.methods[name].options) for name in study.methods]
        for grid in study.grid:
            given += grid.options.items()
            for dataset in grid.datasets:
                study.prompt_settings(grid, dataset, {})
                study.data_settings(grid, dataset)
            for entry in (None, *study.methods.values()):
                study.train_settings(grid, entry, "shown")
        for name, options in given:
            registry.options(name, registry.load_any(name, found[name].path), options)


@pytest.mark.parametrize("page", PAGES, ids=pages.name)
def test_python_compiles(page: Path) -> None:
    for block in pages.blocks(page, "python"):
        compile(block, pages.name(page), "exec")


def test_the_methods_that_ship_are_listed() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", pages.read(ROOT / "docs" / "methods.md"), flags=re.MULTILINE)
    assert set(registry.find()) <= set(rows)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Iterator[Path]:
    """The folder of somebody who has followed the pages: files of the names that commands use, and runs.

    The study of README is there with a tiny model, few texts, two steps and experts, and has been run with the plugin.
    """
    folder = tmp_path_factory.mktemp("reader")
    norms, last_layers = pages.blocks(ROOT / "docs" / "methods.md", "python")
    files = {"norms.py": norms, "last_layers.py": last_layers, "my_table.csv": TABLE, "my_names.toml": NAMES}
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    write_texts(folder / "data" / "reviews", train=[("good", 1), ("bad", 0)] * 8, test=[("fine", 1), ("poor", 0)])
    write_study(folder / "my_study.toml", small_study())
    shutil.copy(tiny_encoder / "config.json", folder)
    for copy in ("reports/minilm_real", "runs/minilm_real", "runs/here"):
        shutil.copytree(ROOT / "reports" / "minilm_real", folder / copy)
    shutil.copytree(ROOT / "reports" / "repeatability", folder / "runs" / "there")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT))  # workers import the code under test, wherever it is installed from
        assert main(["run", "my_study.toml", "--plugin", "norms.py", "--format", "csv"]) == 0
        shutil.copytree("runs/my_study", "runs/demo")
        yield folder


def small_study() -> dict[str, Any]:
    """The study of README, small enough for a test, with the experts that ``explain`` is shown on."""
    (block,) = pages.blocks(README, "toml")
    content = tomllib.loads(block)
    (grid,) = content["grid"]
    return content | {
        "baselines": False,
        "grid": [grid | {"methods": [*grid["methods"], "moe"], "seeds": [0]}],
        "data": {"max_length": 16, "max_train_samples": 16, "max_evaluation_samples": 16},
        "train": {"max_steps": 2, "batch_size": 8},
        "models": {"minilm": {"base": "minilm", "weights": "random", "scale": "tiny"}},
        "methods": {"moe": {"options": {"layers": "last:1"}, "train": {"keep_artifact": True}}},
        "datasets": {"reviews": {"path": "data/reviews"}},
    }


@pytest.mark.slow
@pytest.mark.parametrize("line", TO_RUN)
def test_a_command_succeeds(line: str, reader: Path) -> None:
    assert main([*arguments(line), *shlex.split(SHORTENED.get(line, ""))]) == 0


@pytest.mark.slow
def test_the_plugin_becomes_a_row(reader: Path) -> None:
    found = records(reader / "runs" / "demo")
    assert found["norms/0"]["status"] == "ok"
    assert 0 < found["norms/0"]["parameters"]["trainable_params"] < found["full_ft/0"]["parameters"]["trainable_params"]
    assert main(["report", "runs/demo", "--reports", "drawn", "--format", "md"]) == 0
    assert "LayerNorm only" in (reader / "drawn" / "my_study" / "table3.md").read_text(encoding="utf-8")


def test_the_front_page_is_short() -> None:
    (plugin,) = pages.blocks(README, "python")
    assert len(pages.read(README).splitlines()) <= MOST_LINES
    assert len(plugin.splitlines()) <= MOST_PLUGIN_LINES
    assert pages.read(README).count("![") == 1
    assert plugin in pages.blocks(ROOT / "docs" / "methods.md", "python")


def test_its_table_is_part_of_a_committed_report() -> None:
    ((source, shown),) = re.findall(r"<!-- table: (\S+) -->\n(.*?)<!-- end -->", pages.read(README), flags=re.DOTALL)
    whole, part = pages.table(pages.read(ROOT / source)), pages.table(shown)
    columns = [whole[0].index(title) for title in part[0]]
    assert len(columns) <= MOST_COLUMNS
    assert part[1:] == [[row[column] for column in columns] for row in whole[1:]]
