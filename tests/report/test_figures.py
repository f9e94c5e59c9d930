"""Figures of insights: what is drawn of each kind, what hostile data cannot do, and files that are alike each time."""

import hashlib
import math
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.errors import RunFolderError
from bench.insight import Insight, Value
from bench.report import csv_text
from bench.report.charts import HATCHES, MARKERS, PALETTE
from bench.report.figures import figure, save, to_csv

ROOT = Path(__file__).parents[2]
HOSTILE = [
    "$x_1$ is \\frac{", "costs $5", "\x00\x1b[31m\u202e\u2028", "x" * 10_000, "word " * 2_000, "مرحبا بالعالم", "שלום",
    "😀👩‍👩‍👧 漢字 नमस्ते", "e\u0301\u0302", "\u0301" * 2_000, "a\nb\r\tc", "", '<b>&"\'', "\\textbf{x} 100% #1 ^_~",
    "_hidden",
]  # fmt: skip


def insight(kind: str, columns: dict[str, Any], **chart: Any) -> Insight:
    """An insight whose chart has x, y, and of a heatmap value in columns of these names."""
    title, caption = chart.pop("title", "A title"), chart.pop("caption", "n = 12 texts; p < 0.001.")
    whole = {"kind": kind, "x": "x", "y": "y", "x_label": "across", "y_label": "upwards", "value_label": "lift"}
    whole |= {"value": "value"} if kind == "heatmap" else {}
    return Insight.model_validate(
        {"name": "part", "title": title, "caption": caption, "columns": columns, "chart": whole | chart}
    )


def heatmap(width: int = 4, height: int = 3, **chart: Any) -> Insight:
    places = list(product((5, 11), range(height), range(width)))
    values = [layer / 10 + y - x / 4 for layer, y, x in places]
    columns: dict[str, Any] = {
        "x": [f"class {x}" for _, _, x in places],
        "y": [y for _, y, _ in places],
        "value": values,
    }
    return insight("heatmap", columns | {"layer": [layer for layer, _, _ in places]}, **{"panel": "layer"} | chart)


def lines(steps: int = 12, **chart: Any) -> Insight:
    places = list(product((5, 11), range(4), range(steps)))
    columns: dict[str, Any] = {"x": [x for _, _, x in places], "y": [0.2 + e / 10 + x / 100 for _, e, x in places]}
    names: dict[str, Any] = {"layer": [layer for layer, _, _ in places], "expert": [e for _, e, _ in places]}
    return insight("lines", columns | names, **{"colour": "expert", "panel": "layer", "reference": 0.25} | chart)


def bars(**chart: Any) -> Insight:
    columns: dict[str, Any] = {"x": ["a", "a", "b", "b"], "y": [3, 4.5, None, 1], "layer": ["5", "11", "5", "11"]}
    return insight("bars", columns, **{"colour": "layer"} | chart)


def scatter(count: int = 60, **chart: Any) -> Insight:
    angles = [i * 2.4 for i in range(count)]
    columns: dict[str, Any] = {"x": [a**0.5 * math.cos(a) for a in angles], "y": [a**0.5 * math.sin(a) for a in angles]}
    names: dict[str, Any] = {
        "class": [f"class {i % 4}" for i in range(count)],
        "when": [f"layer {i % 3}" for i in range(count)],
    }
    return insight("scatter", columns | names, **{"colour": "class", "panel": "when"} | chart)


KINDS: dict[str, Callable[..., Insight]] = {"heatmap": heatmap, "lines": lines, "bars": bars, "scatter": scatter}


def texts(page: Figure) -> list[str]:
    """All that is written on the page, in no order."""
    found = [text.get_text() for text in page.texts]
    for legend in page.legends:
        found += [text.get_text() for text in legend.get_texts()]
    for axes in page.axes:
        found += [axes.get_title(loc="left"), axes.get_ylabel(), *(text.get_text() for text in axes.texts)]
        found += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return found


def longer(value: Value) -> Value:
    return f"{value} quite a long name" if isinstance(value, str) else value


def points(line: Line2D) -> Any:
    return np.asarray(line.get_xydata()).tolist()


def words(svg: Path) -> str:
    """The text of an svg file, as a search finds it."""
    return " ".join("".join(element.itertext()) for element in ElementTree.parse(svg).iter() if "text" in element.tag)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_three_files(kind: str, tmp_path: Path) -> None:
    paths = save(KINDS[kind](caption="Of costs $5 and $6, n = 12 texts."), tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["part.png", "part.svg", "part.csv"]
    assert sorted(path.name for path in paths[0].parent.iterdir()) == ["part.csv", "part.png", "part.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    found = words(paths[1])
    for text in ("A title", "Of costs $5 and $6, n = 12 texts.", "across", "upwards"):
        assert text in found
    assert ("lift" in found) == (kind == "heatmap")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_leaves_the_page_or_lies_on_another(kind: str) -> None:
    content = KINDS[kind](title="T " * 90, caption="word " * 200)
    columns = {name: tuple(map(longer, values)) for name, values in content.columns.items()}
    content = content.model_copy(update={"columns": columns})
    page = figure(content)
    page.canvas.draw()
    title, caption, *others = [text.get_window_extent() for text in page.texts]
    drawn = [axes.get_tightbbox() for axes in page.axes] + [legend.get_window_extent() for legend in page.legends]
    for box in (title, caption, *others, *drawn):
        assert box is not None
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= page.bbox.x1
        assert box.y1 <= page.bbox.y1
    for box in filter(None, drawn):
        assert not [other for other in (title, caption, *others) if box.overlaps(other)]


class TestHeatmap:
    def test_values_stand_in_few_cells(self) -> None:
        page = figure(heatmap())
        first, second, scale = page.axes
        assert [text.get_text() for text in first.texts][:5] == ["0.50", "0.25", "0.00", "−0.25", "1.50"]
        assert len(second.texts) == 12
        assert [first.get_title(loc="left"), second.get_title(loc="left")] == ["layer 5", "layer 11"]
        assert scale.get_ylabel() == "lift"

    def test_an_unknown_value_is_blank(self) -> None:
        content = heatmap()
        values = (None, *content.columns["value"][1:])
        page = figure(content.model_copy(update={"columns": {**content.columns, "value": values}}))
        assert len(page.axes[0].texts) == 11
        mesh = page.axes[0].collections[0].get_array()
        assert mesh is not None
        assert np.ma.getmaskarray(mesh).ravel().tolist() == [True] + [False] * 11
        assert page.axes[0].patch.get_hatch()

    def test_many_cells_have_no_text(self) -> None:
        assert list(figure(heatmap(11, 10)).axes[0].texts) == []

    def test_panels_share_one_scale(self) -> None:
        first, second, _ = figure(heatmap()).axes
        assert first.collections[0].get_clim() == second.collections[0].get_clim() == (-0.25, 3.1)

    def test_a_centre_has_no_colour_and_as_much_room_on_both_sides(self) -> None:
        mesh = figure(heatmap(centre=1.0)).axes[0].collections[0]
        assert isinstance(mesh.norm, CenteredNorm)
        assert mesh.get_clim() == pytest.approx((-1.1, 3.1))
        red, green, blue, _ = mesh.to_rgba(np.array([1.0]))[0]
        assert min(red, green, blue) > 0.95

    def test_a_column_of_colour_says_nothing_there(self) -> None:
        assert len(figure(heatmap(10, 10, panel=None, colour="value")).axes[0].texts) == 100

    def test_first_category_is_on_top(self) -> None:
        axes = figure(heatmap()).axes[0]
        assert axes.get_ylim() == (3, 0)
        assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "1", "2"]


class TestBars:
    def test_bars_begin_at_zero_side_by_side(self) -> None:
        axes = figure(bars()).axes[0]
        assert axes.get_ylim()[0] == 0
        boxes = [[path.get_extents() for path in series.get_paths()] for series in axes.collections]
        assert [[(round(box.x0, 3), box.y1) for box in series] for series in boxes] == [
            [(0.1, 3.0)],  # the unknown one of b has no bar
            [(0.5, 4.5), (1.5, 1.0)],
        ]

    def test_a_later_panel_may_be_higher(self) -> None:
        page = figure(bars(colour=None, panel="layer"))
        assert [axes.get_ylim() for axes in page.axes] == [page.axes[0].get_ylim()] * 2
        assert page.axes[0].get_ylim()[1] > 4.5

    def test_negative_and_zero(self) -> None:
        columns: dict[str, Any] = {"x": ["a", "b"], "y": [-3, -1]}
        assert figure(insight("bars", columns)).axes[0].get_ylim() == pytest.approx((-3.15, 0))
        assert figure(insight("bars", columns | {"y": [0, 0]})).axes[0].get_ylim() == (0, 1)

    def test_many_categories_are_thinned_not_lost(self) -> None:
        columns: dict[str, Any] = {"x": [f"a word {i}" for i in range(150)], "y": list(range(150))}
        page = figure(insight("bars", columns))
        labels = page.axes[0].get_xticklabels()
        assert len(labels) <= 60
        assert len(page.axes[0].collections[0].get_paths()) == 150
        assert page.get_figwidth() <= 12
        boxes = [label.get_window_extent().x1 for label in labels if label.get_rotation() == 45]
        assert min(later - former for former, later in pairwise(boxes)) > 12


class TestLines:
    def test_a_line_a_colour_from_left_to_right(self) -> None:
        columns: dict[str, Any] = {
            "x": [3, 1, None, 2, 1],
            "y": [0.3, 0.1, 0.9, None, 7],
            "c": ["a", "a", "a", "a", "b"],
        }
        page = figure(insight("lines", columns, colour="c"))
        first, second = page.axes[0].lines
        assert points(first) == [[1, 0.1], [2, pytest.approx(math.nan, nan_ok=True)], [3, 0.3]]
        assert points(second) == [[1, 7]]
        assert "1 of 5 points have no place" in " ".join(texts(page))

    def test_a_reference_is_drawn_and_named(self) -> None:
        page = figure(lines(reference=0.9))
        for axes in page.axes:
            assert axes.lines[-1].get_ydata() == [0.9, 0.9]
            assert axes.get_ylim()[1] > 0.9
        assert "reference 0.9" in texts(page)

    def test_series_beyond_the_palette_differ(self) -> None:
        columns: dict[str, Any] = {"x": [0] * 24, "y": [1] * 24, "c": list(range(24))}
        drawn = figure(insight("lines", columns, colour="c")).axes[0].lines
        looks = {(line.get_color(), line.get_marker(), str(line.get_linestyle())) for line in drawn}
        assert len(drawn) == len(looks) == 24
        assert len({line.get_color() for line in drawn}) == len(PALETTE)
        series = figure(insight("bars", columns, colour="c")).axes[0].collections
        assert len({(np.asarray(one.get_facecolor()).tobytes(), one.get_hatch()) for one in series}) == 24
        assert len(set(MARKERS)) == len(MARKERS)
        assert len(set(HATCHES)) == len(HATCHES)

    def test_panels_of_other_sizes_have_scales_of_their_own(self) -> None:
        columns: dict[str, Any] = {"x": [0, 1, 0, 1], "y": [0, 1, 0, 1000], "p": ["a", "a", "b", "b"]}
        small, large = figure(insight("lines", columns, panel="p")).axes
        assert small.get_ylim()[1] < 2
        assert large.get_ylim()[1] >= 1000
        even, other = figure(insight("lines", columns | {"y": [0.25, 0.26, 0.01, 0.9]}, panel="p")).axes
        assert even.get_ylim() == other.get_ylim()


class TestScatter:
    def test_points_are_pixels_in_a_small_vector_file(self, tmp_path: Path) -> None:
        _, svg, _ = save(scatter(3000), tmp_path)
        assert svg.stat().st_size < 200_000
        assert b"<image" in svg.read_bytes()

    def test_points_by_panel_and_colour(self) -> None:
        page = figure(scatter(60))
        assert [axes.get_title(loc="left") for axes in page.axes] == ["layer 0", "layer 1", "layer 2"]
        assert [[len(np.asarray(series.get_offsets())) for series in axes.collections] for axes in page.axes] == [
            [5] * 4
        ] * 3

    def test_points_without_a_place_are_counted(self) -> None:
        content = insight("scatter", {"x": [1, None, 3, "a"], "y": [1, 2, None, 4]})
        page = figure(content)
        assert len(np.asarray(page.axes[0].collections[0].get_offsets())) == 1
        assert "n = 12 texts; p < 0.001. 3 of 4 points have no place and are not drawn." in texts(page)


def test_too_many_panels_and_colours_are_named() -> None:
    columns: dict[str, Any] = {
        "x": [1] * 90,
        "y": list(range(90)),
        "p": list(range(30)) * 3,
        "c": [i // 30 for i in range(90)],
    }
    page = figure(insight("lines", columns, panel="p"))
    assert len(page.axes) == 24
    assert "Drawn are the first 24 of 30 categories of panel." in " ".join(" ".join(texts(page)).split())
    assert page.get_figheight() < 25


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text(kind: str, tmp_path: Path) -> None:
    """Every text of an insight comes from elsewhere; warnings are errors here."""
    count = len(HOSTILE)
    places: list[Any] = HOSTILE if kind in ("heatmap", "bars") else list(range(count))
    columns: dict[str, Any] = {
        "x": places,
        "y": HOSTILE if kind == "heatmap" else list(range(count)),
        "value": list(range(count)),
    }
    columns |= {"c $x$\n": HOSTILE, "p😀": (HOSTILE[:2] * count)[:count]}
    chart: dict[str, Any] = {"colour": "c $x$\n", "panel": "p😀", "x_label": "".join(HOSTILE), "y_label": HOSTILE[0]}
    content = insight(kind, columns, **chart, value_label=HOSTILE[6], title=HOSTILE[1], caption=" ".join(HOSTILE))
    _, svg, _ = save(content, tmp_path)
    found = words(svg)
    assert "costs $5" in found
    assert "□" in found
    assert "\x1b" not in found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("numbers", [[5e-324, 1e-320, -0.0], [-1e99, 1e16, 1e16 + 2, 1e300, 10**400]], ids=["0", "inf"])
def test_extreme_numbers(kind: str, numbers: list[float]) -> None:
    columns: dict[str, Any] = {"x": numbers, "y": numbers, "value": numbers}
    figure(insight(kind, columns, centre=numbers[0], reference=1e300)).canvas.draw()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cells", [[], [None, None]], ids=["no rows", "no numbers"])
def test_nothing_to_draw_says_so(kind: str, cells: list[None]) -> None:
    page = figure(insight(kind, {"x": cells, "y": cells, "value": cells}))
    assert list(page.axes) == []
    assert texts(page)[0] == "A title"
    assert texts(page)[-1] == "no data"


def test_without_a_chart_only_the_numbers(tmp_path: Path) -> None:
    content = bars().model_copy(update={"chart": None})
    assert [path.name for path in save(content, tmp_path)] == ["part.csv"]
    with pytest.raises(ValueError, match="insight part has no chart"):
        figure(content)


def test_csv() -> None:
    columns: dict[str, Any] = {"=word": ["-1", "a,b\n", None], "count": [-1, 0.1, 10**20], "+": [None, "@x", "x"]}
    assert to_csv(insight("bars", columns, x="=word", y="count")) == (
        "'=word,count,'+\n'-1,-1,\n\"a,b \",0.1,'@x\n,100000000000000000000,x\n"
    )


def test_csv_quotes_no_data() -> None:
    columns: dict[str, Any] = {"x": ["a", "b" * 60], "y": [1, 2], "text": ["short", "b" * 61]}
    assert to_csv(insight("bars", columns)) == f"x,y\na,1\n{'b' * 60},2\n"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x"])
def test_a_spreadsheet_computes_nothing(text: str) -> None:
    assert csv_text.safe(text) == f"'{text}"
    assert csv_text.safe(f"x{text}") == f"x{text}"
    assert csv_text.safe(f"\t{text}") == f"' {text}"


@pytest.mark.parametrize(
    ("text", "wanted"), [("\tx", "' x"), ("\rx", "' x"), ("\nx", "' x"), ("a\x1b\0b\nc", "a  b c")]
)
def test_no_control_character_gets_into_a_csv_file(text: str, wanted: str) -> None:
    assert csv_text.safe(text) == wanted


def test_a_figure_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "part.svg").mkdir()
    with pytest.raises(RunFolderError, match=r"part\.svg cannot be written"):
        save(bars(), tmp_path)
    with pytest.raises(RunFolderError, match=r"part\.png cannot be written"):
        save(bars(), tmp_path / "part.png")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def digest(folder: Path) -> str:
    """A hash over the files of every kind."""
    paths = [path for kind in KINDS for path in save(KINDS[kind](), folder / kind)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def test_alike_to_the_byte(tmp_path: Path) -> None:
    """In another process with another hash seed, after other figures, and whatever the user's settings are."""
    code = (
        "import sys; from pathlib import Path; from tests.report.test_figures import digest; "
        "print(digest(Path(sys.argv[1])), 'matplotlib.pyplot' in sys.modules)"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=60,
    )
    theirs: dict[Any, Any] = {
        "font.size": 30,
        "axes.grid": True,
        "font.family": "serif",
        "svg.fonttype": "path",
        "text.usetex": True,
    }
    with matplotlib.rc_context(theirs):
        here = digest(tmp_path / "b")
        assert matplotlib.rcParams["font.size"] == 30
    assert other.stdout.split() == [here, "False"]
    content = b"".join(path.read_bytes() for path in (tmp_path / "b").rglob("part.*"))
    assert b"Software" not in content
    assert b"matplotlib.org" not in content
