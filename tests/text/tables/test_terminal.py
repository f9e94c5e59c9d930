"""The table in a terminal: whole numbers at any width, nothing read as markup."""

import io
from functools import partial

import pytest
from rich.console import Console

from bench.report.tables.merged import merged
from bench.report.tables.table import Table
from bench.report.tables.table3 import build
from bench.text.tables import table as tables
from bench.text.tables.table import Column, Values
from bench.text.tables.terminal import show
from tests.report.conftest import MakeRecord


def padded(name: str, row: Values) -> str:
    return f"{row[name]:06d}"


def printed(table: Table, width: int, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    show(table, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def table(make_record: MakeRecord) -> Table:
    """Two rows of two seeds, a marked one and a failed one."""
    records = [make_record(method=name, seed=seed) for name in ("LoRA", "BitFit") for seed in (0, 1)]
    records += [make_record(dataset="Made up", synthetic=True, model="[red]", weights="random")]
    records += [make_record(dataset="[/]", method="a:smile:b", status="oom", message="[bold]full[/bold]")]
    return build("Run [green]", records, missing=2)


def test_wide(table: Table) -> None:
    lines = printed(table, 220).splitlines()
    assert lines[0] == "Run [green]"
    row = next(line for line in lines if "LoRA" in line)
    numbers = "0.89 125.53 100.0 ± 0.0 300.0 ± 0.0 46.05 1512.8 700.0 valid"
    assert " ".join(row.split()) == f"IMDb RoBERTa LoRA 0.9300 ± 0.0000 (n=2) 0.9300 to 0.9300 {numbers}"
    assert next(line for line in lines if "BitFit" in line).split()[0] == "BitFit"
    assert any(line.split()[:5] == ["Made", "up", "[†]", "[red]", "[‡]"] for line in lines)
    assert any(line.split()[2:6] == ["a:smile:b", "oom", "in", "train"] for line in lines)


def test_footnotes_then_caption(table: Table) -> None:
    text = printed(table, 400)
    ends = [
        "\n† synthetic dataset", "\n‡ random weights", "\na the model has random weights",
        "\nb oom in train: [bold]full[/bold]\n", "\n2 cells not",
    ]  # fmt: skip
    places = [text.index(end) for end in [*ends, "\nMeasured with device CPU"]]
    assert places == sorted(places)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("width", [24, 40, 60, 80, 120, 140, 150, 160, 165, 170, 175, 180, 200])
def test_numbers_are_never_cut(table: Table, width: int, terminal: bool) -> None:
    text = printed(table, width, terminal)
    lines = text.splitlines()
    assert max(len(line) for line in lines) <= width
    for row in table.shown():
        for value, _ in row[3:]:
            # Below 40 columns a value may break at a space, never within a number.
            for part in [value] if width >= 40 else value.split():
                assert any(part in line for line in lines), (part, text)
    assert "…" not in text


def test_narrow_is_one_block_a_row(table: Table) -> None:
    text = printed(table, 60)
    assert "\nIMDb / RoBERTa / LoRA\n" in text
    assert "\n  Peak memory train (MB)            1512.8\n" in text
    assert "\nMade up [†] / [red] [‡] / LoRA\n" in text


@pytest.mark.parametrize("columns", [4, 7, 13])
def test_the_grid_is_shown_where_it_fits_and_nowhere_else(columns: int) -> None:
    names = {"0": "Dataset", "1": "Model", "2": "Method"}
    numbers = tuple(Column(str(at), f"number\n{at:09d}", partial(padded, str(at))) for at in range(3, columns))
    row = {name: f"00000{name}" for name in names} | {str(at): at for at in range(3, columns)}
    marks = {(0, str(at)): ("a",) for at in range(1, columns, 2)}
    grid = tables.Table(title="", heads=names, columns=numbers, rows=[row], marks=marks)

    def lines(width: int) -> list[str]:
        console = Console(file=io.StringIO(), width=width)
        show(grid, console)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue().splitlines()

    needed = max(map(len, lines(400)))
    assert max(map(len, lines(needed))) == needed
    assert "─" in "".join(lines(needed))
    assert "000000 / 000001 [a] / 000002" in lines(needed - 1)


def test_long_names_fold(make_record: MakeRecord) -> None:
    name = "".join(chr(ord("a") + i % 26) for i in range(60))
    text = printed(build("Run", [make_record(dataset=name)]), 190)
    grid = text[: text.index("Baselines on")]
    assert name not in grid
    folded = "".join(line.split()[0] for line in grid.splitlines() if line.startswith(" ") and line.split())
    assert name in folded.replace("─", "")


def test_an_encoding_without_daggers(table: Table) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    show(table, Console(file=file, width=180))
    text = raw.getvalue().decode("ascii")
    assert "0.9300 +/- 0.0000 (n=2)" in text
    assert "Made up [+]" in text
    assert "\n++ random weights" in text


@pytest.mark.parametrize("width", [60, 240])
def test_best_and_second_are_bold_and_underlined(ranked: Table, width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system="standard")
    show(ranked, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "\x1b[1m0.9050 ± 0.0071 (n=2)\x1b[0m" in text
    assert "\x1b[4m0.8050 ± 0.0071 (n=2)\x1b[0m" in text
    assert "\x1b[1m0.7050" not in text


def test_names_of_several_machines(make_record: MakeRecord) -> None:
    table = merged([(name, build("Run", [make_record()], source="records x")) for name in ("here", "there")])
    lines = printed(table, 220).splitlines()
    assert [line.split()[:4] for line in lines if "here" in line][:2] == [
        ["IMDb", "RoBERTa", "LoRA", "here"], ["there", "0.9300", "(n=1)", "–"],
    ]  # fmt: skip
    assert "\nIMDb / RoBERTa / LoRA / there\n" in printed(table, 60)
    assert "\nSource: records x\n" in printed(table, 220)
