"""An explanation in a terminal and as a page; texts, names and what plugins say do no harm in either."""

import dataclasses
import io
import re
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from bench.commands.explain.explanation import Explanation, Token
from bench.commands.explain.render import INK, show, tint, to_html
from bench.method.insight import Step, Trace
from bench.report.charts.look import LIGHT
from bench.study.cell import Cell
from tests.html_page import Page

EVIL = "<img src=x onerror=alert(1)> & \"quoted\" 'x' [bold]x[/bold]"
CONTROL = "a\x1b[31mb\x00c\u202ed\n\te"


def cell(label: str = "Method") -> Cell:
    return Cell.model_validate(
        {
            "study": "s", "seed": 3, "data": {}, "train": {}, "limits": {},
            "dataset": {"name": "d", "label": "Data", "kind": "hub", "fingerprint": "f"},
            "model": {"name": "m", "label": "Model", "kind": "encoder", "weights": "pretrained", "fingerprint": "f"},
            "method": {"name": "x", "label": label, "plugin": "x", "path": "x.py", "sha256": "0"},
        }
    )  # fmt: skip


def token(text: str, before: str = " ") -> Token:
    return Token(before=before, text=text, label=text)


def explanation(
    tokens: tuple[str, ...] = ("[CLS]", "good", "film"), places: int = 2, categories: int = 3, **changes: Any
) -> Explanation:
    steps = tuple(
        tuple(
            Step(text=f"t{row}p{place} (0.61), 0 (0.39)", category=(row + place) % categories, weight=0.61)
            for place in range(places)
        )
        for row in range(len(tokens))
    )
    trace = Trace(
        title="Experts by token", legend="expert (its weight)",
        places=tuple(f"layer {place}" for place in range(places)),
        categories=tuple(f"expert {number}" for number in range(categories)), steps=steps,
    )  # fmt: skip
    whole = Explanation(
        cell=cell(), answer=(("positive", 0.75), ("negative", 0.25)), tokens=tuple(map(token, tokens)), trace=trace,
        notes=("A note.",),
    )  # fmt: skip
    return dataclasses.replace(whole, **changes)


def hostile(said: str) -> Explanation:
    """Everything that comes from data or plugins says this."""
    trace = Trace(
        title=said, legend=said, places=(said,), categories=(said,),
        steps=((Step(text=said, category=0, weight=1),),),
    )  # fmt: skip
    return Explanation(
        cell=cell(said), answer=((said, 1.0),), tokens=(Token(before=said, text=said, label=said),), trace=trace,
        notes=(said,),
    )  # fmt: skip


def printed(shown: Explanation, width: int = 80, encoding: str = "utf-8", **settings: Any) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    show(shown, Console(file=file, width=width, **settings))
    file.flush()
    return raw.getvalue().decode(encoding)


class TestTerminal:
    def test_answer_legend_table_and_notes(self) -> None:
        text = printed(explanation())
        assert text.index("0.7500  positive") < text.index("0.2500  negative")
        for part in ("Experts by token", "Data / Model / Method, seed 3", "expert (its weight)", "expert 2", "A note."):
            assert part in text
        assert re.search(r"^ token +layer 0 +layer 1 *$", text, re.MULTILINE)
        assert re.search(r"^ good +t1p0 \(0\.61\), 0 \(0\.39\) +t1p1 ", text, re.MULTILINE)

    @pytest.mark.parametrize("width", [40, 80, 200])
    def test_many_places_are_never_cut(self, width: int) -> None:
        text = printed(explanation(places=12), width=width)
        assert max(map(cell_len, text.splitlines())) <= width
        for row in range(3):
            for place in range(12):
                assert f"t{row}p{place} (0.61), 0 (0.39)" in text
        assert text.count("token ") >= (12 if width == 40 else 3 if width == 80 else 2)

    def test_a_console_narrower_than_one_step(self) -> None:
        assert max(map(cell_len, printed(explanation(), width=20).splitlines())) <= 20

    def test_a_long_token_is_folded(self) -> None:
        text = printed(explanation(tokens=("z" * 100,)))
        assert text.count("z") == 100
        assert max(map(cell_len, text.splitlines())) <= 80

    def test_no_place_at_all(self) -> None:
        assert "A note." in printed(explanation(places=0))

    def test_the_colour_is_the_category_and_its_strength_the_weight(self) -> None:
        shown = explanation(tokens=("one",), places=1)
        colour = ";".join(str(int(tint(0, 0.61)[start : start + 2], 16)) for start in (1, 3, 5))
        assert f"48;2;{colour}mt0p0" in printed(shown, force_terminal=True, color_system="truecolor")

    def test_only_the_likeliest_of_many_classes(self) -> None:
        text = printed(explanation(answer=tuple((f"class {number}", 1 / 16) for number in range(16))))
        assert "class 9" in text
        assert "class 10" not in text
        assert "0.3750  6 more classes" in text

    def test_markup_is_shown_as_it_is(self) -> None:
        assert printed(hostile("[bold]x[/bold] [/] [link=y]"), width=200).count("[bold]x[/bold] [/] [link=y]") >= 7

    def test_control_characters_are_spelled_out(self) -> None:
        text = printed(hostile(CONTROL), width=200)
        assert text.count(r"a\x1b[31mb\x00c\u202ed e") >= 7
        assert {char for char in text if not char.isprintable()} == {"\n"}

    def test_a_console_that_knows_ascii_alone(self) -> None:
        assert r"caf\xe9 \u017a" in printed(explanation(tokens=("café ź",)), encoding="ascii")


class TestPage:
    def test_holds_everything_and_needs_nothing(self) -> None:
        page = Page(to_html(explanation()))
        for part in (
            "Experts by token", "Data / Model / Method, seed 3", "positive", "0.7500", "[CLS]", "good", "film",
            "expert (its weight)", "t2p1 (0.61), 0 (0.39)", "layer 1", "expert 2", "A note.",
        ):  # fmt: skip
            assert part in page.text
        assert not {"script", "link", "img", "iframe", "object"} & page.tags
        assert not {"src", "href", "srcset"} & {name for name, _ in page.attributes}
        assert "url(" not in to_html(explanation())
        assert page.text.index("positive") < page.text.index("negative")

    def test_the_text_flows_once_a_place(self) -> None:
        shown = explanation(tokens=("a", "film", "s"), places=3)
        joined = (*shown.tokens[:2], Token(before="", text="s", label="##s"))
        assert Page(to_html(dataclasses.replace(shown, tokens=joined))).text.count(" a films") == 3

    @pytest.mark.parametrize("said", [EVIL, "</style><script>alert(1)</script>", "{{ 7 * 7 }}{% raw %}"])
    def test_what_data_and_plugins_say_is_escaped(self, said: str) -> None:
        html = to_html(hostile(said))
        page = Page(html)
        assert said not in html or not set(said) & set("<&\"'")
        assert {"script", "img", "b"}.isdisjoint(page.tags)
        assert page.text.count(said) == 14
        assert ("title", f"{said}: {said}") in page.attributes

    def test_control_characters_are_spelled_out(self) -> None:
        html = to_html(hostile(CONTROL))
        assert r"a\x1b[31mb\x00c\u202ed e" in html
        assert {char for char in html if not char.isprintable()} == {"\n"}

    def test_more_categories_than_colours_have_other_lines(self) -> None:
        chips = re.findall(r'class="chip" style="([^"]+)"', to_html(explanation(categories=20, places=20)))
        assert len(set(chips)) == len(chips) == 20

    def test_every_style_is_ours(self) -> None:
        allowed = (
            r"background:#[0-9a-f]{6}(;border-bottom:3px (solid|dashed|dotted|double) #[0-9a-f]{6})?|width:[\d.]+%"
        )
        styles = [value for name, value in Page(to_html(hostile(EVIL))).attributes if name == "style"]
        assert styles
        assert all(re.fullmatch(allowed, style) for style in styles)


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("category", range(len(LIGHT)))
def test_ink_is_legible_on_every_tint(category: int) -> None:
    """WCAG 2.2, success criterion 1.4.3: a contrast of 4.5 to 1."""
    for weight in (0.0, 0.5, 1.0):
        assert (luminance(tint(category, weight)) + 0.05) / (luminance(INK) + 0.05) >= 4.5
    assert luminance(tint(category, 0)) > luminance(tint(category, 0.5)) > luminance(tint(category, 1))
