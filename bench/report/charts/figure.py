"""Charts as files: Vega-Lite specs drawn as svg and png, with title and caption."""

import html
import re
from collections.abc import Collection, Mapping
from typing import Any

from bench.report.charts import look
from bench.report.charts.chart_parts import NARROWEST
from bench.report.charts.figure_text import wrapped
from bench.report.charts.look import Theme

VEGA_LITE = "6.4"
#: Keys that only the top level of a spec may have.
TOP = ("$schema", "description", "params")
#: Scale of a png: dots per pixel.
SCALE = 2


def page(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec with the title and caption of its ``usermeta``, wrapped to its width."""
    meta = spec["usermeta"]
    width = max(NARROWEST, meta["width"])
    caption = {"text": wrapped(meta["caption"], width), "orient": "bottom", "style": "caption", "offset": 12}
    title = {"text": wrapped(meta["title"], width, look.CHARACTER * 1.4)}
    outer: dict[str, Any] = {key: spec[key] for key in TOP if key in spec} | {"title": title}
    inner = {key: value for key, value in spec.items() if key not in (*TOP, "usermeta")}
    return outer | {"concat": [inner | {"title": caption | {"lineHeight": look.LINE}}]}


def svg(spec: Mapping[str, Any], theme: Theme = "light") -> str:
    """Draw a spec as svg with real text; no file or URL is read.

    Raises:
        ValueError: the spec is not valid, or loads external data.
    """
    import vl_convert  # imported late, as most commands draw nothing

    drawn: str = vl_convert.vegalite_to_svg(
        page(spec), vl_version=VEGA_LITE, config=look.config(theme), allowed_base_urls=[]
    )
    if "<image" in drawn:  # its URL would be fetched for the png
        raise ValueError("a figure must not contain an image")
    said = html.escape(spec["description"])
    return _renumbered(drawn.replace("<svg ", f'<svg role="img" aria-label="{said}" ', 1)) + "\n"


def _renumbered(drawn: str) -> str:
    """The svg with ids counted from 0; Vega counts them over all figures of a process."""
    ids: dict[str, str] = {}

    def own(found: re.Match[str]) -> str:
        start, name, number = found.groups()
        return f"{start}{name}{ids.setdefault(number, str(len(ids)))}"

    return re.sub(r'(\bid="|url\(#)(gradient_|clip)(\d+)', own, drawn)


def pixels(drawn: str) -> bytes:
    """The png of an svg that ``svg`` drew; it is reproducible byte by byte."""
    import vl_convert

    return vl_convert.svg_to_png(drawn, scale=SCALE)


def draw(spec: Mapping[str, Any], kinds: Collection[str]) -> dict[str, bytes]:
    """One chart as files of these kinds, svg and png; see ``svg`` for errors."""
    drawn = svg(spec)
    made = {"svg": drawn.encode, "png": lambda: pixels(drawn)}
    return {kind: made[kind]() for kind in kinds}


def script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that needs no network."""
    import vl_convert

    return str(vl_convert.javascript_bundle())  # type: ignore[call-arg] # its types want a snippet; it does not
