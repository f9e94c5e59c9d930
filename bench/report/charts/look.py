"""Appearance of all charts, in a light and a dark theme."""

from typing import Any, Literal

Theme = Literal["light", "dark"]
#: The colours of categories, on paper and on a dark screen: blue, orange, teal, purple, olive, green, pink, grey. Told
#: apart with any colour vision (CIEDE2000 of at least 10 between each two, also as people without one kind of cone see
#: them; Machado, Oliveira and Fernandes 2009), the first three also in grey, and with a contrast of at least 3 to 1 to
#: the background (WCAG 2.2, success criterion 1.4.11). A colour has its hue in both themes.
LIGHT = ("#184073", "#b84a00", "#28a39c", "#a84ec5", "#999709", "#16794f", "#dc5487", "#414448")
DARK = ("#4776ef", "#e89576", "#82f3eb", "#c195cc", "#f4e468", "#279732", "#d46082", "#abafb3")
#: Seven, beside eight colours: 56 pairs differ.
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-left")
#: Pixels drawn and left out; five, beside eight colours: 40 pairs differ.
DASHES = ((1, 0), (6, 2), (2, 2), (8, 2, 2, 2), (12, 3))
#: The renderer includes Liberation Sans; Arial has the same widths.
FAMILY = "Liberation Sans, Arial, Helvetica, sans-serif"
TITLE, TEXT, SMALL = 14, 11, 10
#: Pixels of a character of TEXT, and of a line of it.
CHARACTER, LINE = 5.6, 14
#: Pixels of the longest label that is not cut, and of the shortest that may be.
LABEL, SHORTEST_LIMIT = 150, 120

_BLUES = ("#eef3f8", "#b5cee4", "#6b9cc8", "#2f6ba6", "#123259")
_NIGHT_BLUES = ("#20303f", "#1f517f", "#3f82bd", "#8dbce6", "#e3effb")
_THEMES: dict[Theme, dict[str, Any]] = {
    "light": {
        "background": "#ffffff", "ink": "#1b1b1b", "quiet": "#4a4d52", "line": "#7c8086", "grid": "#e6e7e9",
        "palette": LIGHT, "ramp": _BLUES, "diverging": ("#184073", "#7fa3cd", "#f7f7f7", "#e5a070", "#943b00"),
    },
    "dark": {
        "background": "#15181d", "ink": "#eceef0", "quiet": "#b9bdc3", "line": "#878c94", "grid": "#2b3038",
        "palette": DARK, "ramp": _NIGHT_BLUES, "diverging": ("#8db4ff", "#3f6aae", "#23272e", "#a85c33", "#ffb48c"),
    },
}  # fmt: skip


def config(theme: Theme) -> dict[str, Any]:
    """The Vega-Lite configuration, whose styles and ranges specs name; specs contain no colours."""
    of = _THEMES[theme]
    apart = {"top": {"margin": 28}}  # between legends; Vega-Lite hands it on, though its schema does not name it
    ink, quiet, line = of["ink"], of["quiet"], of["line"]
    return {
        "background": of["background"], "font": FAMILY, "padding": 8,
        "title": {"anchor": "start", "frame": "bounds", "color": ink, "fontSize": TITLE, "lineHeight": 18, "offset": 8},
        "axis": {
            "labelColor": ink, "titleColor": ink, "domainColor": line, "tickColor": line, "gridColor": of["grid"],
            "labelFontSize": SMALL, "titleFontSize": TEXT, "titleFontWeight": "normal", "labelLimit": LABEL,
            "titleLimit": 320, "titlePadding": 5,
        },
        "axisQuantitative": {"tickCount": 5, "labelOverlap": "greedy"},
        "axisDiscrete": {"grid": False, "labelOverlap": False, "ticks": False, "labelPadding": 4},
        "legend": {
            "orient": "top", "labelColor": ink, "titleColor": quiet, "labelFontSize": TEXT, "titleFontSize": TEXT,
            "titleFontWeight": "normal", "labelLimit": LABEL, "titleLimit": 400, "symbolLimit": 0, "columnPadding": 14,
            "symbolBaseFillColor": ink, "symbolBaseStrokeColor": ink, "layout": apart,
            "gradientLength": 180, "gradientThickness": 10, "offset": 8,
        },
        "header": {
            "labelColor": ink, "titleColor": quiet, "labelFontSize": TEXT, "labelFontWeight": "bold",
            "labelAnchor": "start", "labelLimit": 2 * LABEL, "labelPadding": 5,
        },
        "view": {"stroke": None, "discreteWidth": {"step": 20}, "discreteHeight": {"step": 16}},
        "facet": {"spacing": 18}, "concat": {"spacing": 22},
        "range": {
            "category": list(of["palette"]), "heatmap": list(of["ramp"]), "ramp": list(of["ramp"]),
            "diverging": list(of["diverging"]),
        },
        "mark": {"color": of["palette"][0]}, "point": {"filled": True, "size": 55, "opacity": 0.9, "strokeWidth": 1.5},
        "line": {"strokeWidth": 1.5}, "rule": {"color": line}, "text": {"color": ink, "fontSize": SMALL},
        "style": {
            "caption": {"fontSize": TEXT, "fontWeight": "normal", "fill": quiet},
            "reference": {"color": quiet, "strokeDash": [4, 2], "strokeWidth": 1},
            "zero": {"color": line, "strokeWidth": 1},
            "front": {"color": quiet, "strokeWidth": 1.2, "strokeDash": [3, 2]},
            "interval": {"strokeWidth": 1, "strokeOpacity": 0.55},
            "unknown": {"color": line, "filled": False, "strokeWidth": 1},
            "parted": {"stroke": of["background"], "strokeWidth": 0.8}, "empty": {"fill": quiet, "fontSize": TEXT},
        },
    }  # fmt: skip
