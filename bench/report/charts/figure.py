"""Charts as files: a spec of Vega-Lite, its title above and its caption below it, drawn as svg and png."""

import html
import re
from collections.abc import Collection, Mapping
from typing import Any

from bench.report.charts import look
from bench.report.charts.chart_parts import NARROWEST
from bench.report.charts.figure_text import wrapped
from bench.report.charts.look import Theme

VEGA_LITE = "6.4"
#: Keys that only the outermost part of a spec may have.
TOP = ("$schema", "description", "params")
#: Dots of a png that make a pixel, each way.
SCALE = 2


def page(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec with the title and the caption of its ``usermeta`` in the picture, wrapped to its ``width`` there."""
    meta = spec["usermeta"]
    width = max(NARROWEST, meta["width"])
    caption = {"text": wrapped(meta["caption"], width), "orient": "bottom", "style": "caption", "offset": 12}
    title = {"text": wrapped(meta["title"], width, look.CHARACTER * 1.4)}
    outer: dict[str, Any] = {key: spec[key] for key in TOP if key in spec} | {"title": title}
    inner = {key: value for key, value in spec.items() if key not in (*TOP, "usermeta")}
    return outer | {"concat": [inner | {"title": caption | {"lineHeight": look.LINE}}]}


def svg(spec: Mapping[str, Any], theme: Theme = "light") -> str:
    """The picture of a spec, text as text; nothing outside of the spec is read, be it a file or an address.

    Raises:
        ValueError: not a valid spec, or one that asks for data from elsewhere.
    """
    import vl_convert  # late: most runs draw nothing

    drawn: str = vl_convert.vegalite_to_svg(
        page(spec), vl_version=VEGA_LITE, config=look.config(theme), allowed_base_urls=[]
    )
    if "<image" in drawn:  # whose address would be fetched, when it is made a png
        raise ValueError("a picture holds no other")
    said = html.escape(spec["description"])
    return _renumbered(drawn.replace("<svg ", f'<svg role="img" aria-label="{said}" ', 1)) + "\n"


def _renumbered(drawn: str) -> str:
    """The same with ids that do not depend on what was drawn before: Vega counts them over all figures."""
    ids: dict[str, str] = {}

    def own(found: re.Match[str]) -> str:
        start, name, number = found.groups()
        return f"{start}{name}{ids.setdefault(number, str(len(ids)))}"

    return re.sub(r'(\bid="|url\(#)(gradient_|clip)(\d+)', own, drawn)


def pixels(drawn: str) -> bytes:
    """The png of a picture that ``svg`` drew, alike to the byte each time."""
    import vl_convert

    return vl_convert.svg_to_png(drawn, scale=SCALE)


def draw(spec: Mapping[str, Any], kinds: Collection[str]) -> dict[str, bytes]:
    """One chart as files of these kinds, svg and png.

    Raises:
        ValueError: not a valid spec, or one that asks for data from elsewhere.
    """
    drawn = svg(spec)
    made = {"svg": drawn.encode, "png": lambda: pixels(drawn)}
    return {kind: made[kind]() for kind in kinds}


def script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that asks the network for nothing."""
    import vl_convert

    return str(vl_convert.javascript_bundle())  # type: ignore[call-arg] # its types want a snippet; it does not
