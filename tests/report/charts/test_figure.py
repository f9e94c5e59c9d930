"""Pictures: title and caption in them, alike to the byte, and nothing read from outside of the spec."""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.report.charts import figure, insight_chart, look
from bench.report.charts.chart_parts import framed, nothing
from tests.report.drawn import HOSTILE, KINDS, texts

ROOT = Path(__file__).parents[3]
MARK: dict[str, Any] = {"width": 100, "height": 40, "mark": "text", "encoding": {"text": {"field": "x"}}}


class Asked(list[str]):
    """Paths that a server was asked for, and its address."""

    address: str


@pytest.fixture
def asked() -> Iterator[Asked]:
    """A server that answers everything with a row of data."""
    paths = Asked()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'[{"x": "reached"}]')

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    paths.address = f"http://127.0.0.1:{server.server_port}"
    yield paths
    server.shutdown()
    server.server_close()


def test_the_server_of_these_tests_is_reached(asked: Asked) -> None:
    code = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read())"
    done = subprocess.run(
        [sys.executable, "-c", code, f"{asked.address}/x"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "reached" in done.stdout
    assert asked == ["/x"]


@pytest.mark.parametrize("name", ["data", "lookup", "image"])
def test_no_address_is_asked(asked: Asked, name: str) -> None:
    """In a process of its own, for the library lets no other thread of this one run while it draws."""
    url = f"{asked.address}/{name}"
    specs: dict[str, Any] = {
        "data": framed("t", "c", [], MARK) | {"data": {"url": url}},
        "lookup": framed("t", "c", [{"x": 1}], MARK)
        | {"transform": [{"lookup": "x", "from": {"data": {"url": url}, "key": "x", "fields": ["x"]}}]},
        "image": framed("t", "c", [{"x": url}], {**MARK, "mark": "image", "encoding": {"url": {"field": "x"}}}),
    }
    code = (
        "import json, sys; from bench.report.charts import figure\n"
        "try: figure.pixels(figure.svg(json.load(sys.stdin)))\n"
        "except ValueError as error: print(str(error))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(specs[name]), capture_output=True, text=True,
        check=True, timeout=60, cwd=ROOT,
    )  # fmt: skip
    assert "must not contain an image" in done.stdout if name == "image" else "not allowed" in done.stdout
    assert asked == []


@pytest.mark.parametrize("form", ["file://{}", "{}"])
def test_no_file_is_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / "x.json"
    path.write_text('[{"x": "reached"}]')
    spec = framed("t", "c", [], MARK) | {"data": {"url": form.format(path)}}
    try:
        drawn = figure.svg(spec)
    except ValueError as error:
        drawn = str(error)
    assert "reached" not in drawn


def test_title_and_caption_are_wrapped_above_and_below() -> None:
    spec = nothing("A title", "One sentence of the caption. " * 12)
    found = texts(figure.svg(spec))
    assert found == ["no data", ("One sentence of the caption. " * 12).strip(), "A title"]
    assert figure.svg(spec).count("<tspan") > 3
    root = ElementTree.fromstring(figure.svg(spec))
    assert root.get("role") == "img"
    assert root.get("aria-label") == spec["description"]
    assert spec["description"].startswith("A title. One sentence")


@pytest.mark.parametrize("text", [*HOSTILE, "\ud800", 'id="clip7" url(#gradient_7)'])
def test_hostile_titles(text: str) -> None:
    drawn = figure.svg(nothing(text, text))
    assert {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(drawn).iter()} <= {
        "svg", "rect", "g", "path", "text", "tspan"
    }  # fmt: skip
    assert "\x1b" not in drawn
    assert figure.pixels(drawn).startswith(b"\x89PNG")


def test_a_theme_is_its_configuration_alone() -> None:
    spec = insight_chart.spec(KINDS["bars"]())
    light, dark = figure.svg(spec), figure.svg(spec, "dark")
    assert texts(light) == texts(dark)
    for drawn, ours, theirs in ((light, look.LIGHT, look.DARK), (dark, look.DARK, look.LIGHT)):
        assert ours[0] in drawn
        assert theirs[0] not in drawn
    assert figure.pixels(figure.svg(spec, "dark")) != figure.pixels(figure.svg(spec))


def test_a_png_is_twice_as_large() -> None:
    spec = nothing("t", "c")
    width, height = (int(ElementTree.fromstring(figure.svg(spec)).attrib[side]) for side in ("width", "height"))
    header = figure.pixels(figure.svg(spec))[16:24]
    assert (int.from_bytes(header[:4]), int.from_bytes(header[4:])) == (2 * width, 2 * height)


def digest() -> str:
    """A hash over pictures of every kind."""
    specs = [insight_chart.spec(make()) for make in KINDS.values()]
    svgs = map(figure.svg, specs)
    return hashlib.sha256(b"".join(svg.encode() + figure.pixels(svg) for svg in svgs)).hexdigest()


def test_alike_to_the_byte() -> None:
    """In another process with another hash seed, which has drawn before: ids are counted over all pictures."""
    code = "from tests.report.charts.test_figure import digest; digest(); print(digest())"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert other.stdout.strip() == digest()
