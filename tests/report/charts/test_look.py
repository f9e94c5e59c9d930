"""The look: colours that everyone tells apart, on both grounds and in grey."""

import itertools
import math
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.report.charts import look
from bench.report.charts.look import DARK, DASHES, LIGHT, SHAPES

Vector = NDArray[np.float64]
#: Machado, Oliveira and Fernandes 2009, A Physiologically-based Model for Simulation of Color Vision Deficiency, table
#: of severity 1.0: protanopia, deuteranopia, tritanopia; and the eye with all cones.
EYES = {
    "all": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
GROUNDS = {theme: look.config(theme)["background"] for theme in get_args(look.Theme)}
PALETTES = {"light": LIGHT, "dark": DARK}


def linear(colour: str) -> Vector:
    """Red, green and blue of #rrggbb as light, 0 to 1 (IEC 61966-2-1)."""
    parts = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    return float(linear(colour) @ TO_XYZ[1])


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def lab(light: Vector) -> Vector:
    """CIELAB of linear sRGB under D65."""
    whole = np.clip(light, 0, 1) @ TO_XYZ.T / np.array([0.95047, 1, 1.08883])
    x, y, z = np.where(whole > 216 / 24389, np.cbrt(whole), (24389 / 27 * whole + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def apart(one: Vector, other: Vector) -> float:
    """CIEDE2000 of two CIELAB colours (Sharma, Wu and Dalal 2005, equations 2 to 22)."""
    chroma = (math.hypot(*one[1:]) + math.hypot(*other[1:])) / 2
    stretch = 1 + (1 - math.sqrt(chroma**7 / (chroma**7 + 25**7))) / 2
    (c1, h1), (c2, h2) = (
        (math.hypot(stretch * a, b), math.degrees(math.atan2(b, stretch * a)) % 360) for _, a, b in (one, other)
    )
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    mean_l, mean_c = (one[0] + other[0]) / 2, (c1 + c2) / 2
    mean_h = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    t = (
        1
        - 0.17 * _cos(mean_h - 30)
        + 0.24 * _cos(2 * mean_h)
        + 0.32 * _cos(3 * mean_h + 6)
        - 0.2 * _cos(4 * mean_h - 63)
    )
    lightness = (other[0] - one[0]) / (1 + 0.015 * (mean_l - 50) ** 2 / math.sqrt(20 + (mean_l - 50) ** 2))
    colourful = (c2 - c1) / (1 + 0.045 * mean_c)
    hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * mean_c * t)
    rotation = -2 * math.sqrt(mean_c**7 / (mean_c**7 + 25**7))
    rotation *= math.sin(math.radians(60 * math.exp(-(((mean_h - 275) / 25) ** 2))))
    return math.sqrt(lightness**2 + colourful**2 + hue**2 + rotation * colourful * hue)


def _cos(degrees: float) -> float:
    return math.cos(math.radians(degrees))


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425), ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492), ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ],
)  # fmt: skip
def test_the_measure_itself(one: tuple[float, ...], other: tuple[float, ...], wanted: float) -> None:
    """Rows 1, 7, 17 and 25 of the paper's table of test data."""
    assert apart(np.array(one), np.array(other)) == pytest.approx(wanted, abs=5e-5)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", PALETTES)
def test_colours_are_told_apart_with_any_colour_vision(theme: str, eye: str) -> None:
    seen = [lab(EYES[eye] @ linear(colour)) for colour in PALETTES[theme]]
    assert min(apart(one, other) for one, other in itertools.combinations(seen, 2)) >= 10


@pytest.mark.parametrize("theme", PALETTES)
def test_the_first_three_are_told_apart_in_grey(theme: str) -> None:
    assert min(np.diff(sorted(lab(linear(colour))[0] for colour in PALETTES[theme][:3]))) >= 12


@pytest.mark.parametrize("theme", PALETTES)
def test_marks_and_text_stand_out(theme: look.Theme) -> None:
    """WCAG 2.2, success criteria 1.4.11 and 1.4.3."""
    config, ground = look.config(theme), GROUNDS[theme]
    assert min(contrast(colour, ground) for colour in config["range"]["category"]) >= 3
    written = [config["axis"]["labelColor"], config["axis"]["titleColor"], config["legend"]["titleColor"]]
    written += [config["text"]["color"], config["style"]["caption"]["fill"], config["title"]["color"]]
    assert min(contrast(colour, ground) for colour in written) >= 4.5


@pytest.mark.parametrize("theme", PALETTES)
def test_scales_read_in_grey(theme: look.Theme) -> None:
    """A sequential one goes one way in luminance; a diverging one is nearest to the ground in its middle."""
    ranges, ground = look.config(theme)["range"], luminance(GROUNDS[theme])
    assert len({step > 0 for step in np.diff([luminance(colour) for colour in ranges["heatmap"]]).tolist()}) == 1
    away = [abs(luminance(colour) - ground) for colour in ranges["diverging"]]
    assert away[2] == min(away)
    assert away[0] > away[1] > away[2] < away[3] < away[4]


def test_looks_beside_colours_double_them() -> None:
    assert len(LIGHT) == len(DARK) == len(set(LIGHT)) == len(set(DARK)) == 8
    for looks, wanted in ((SHAPES, 56), (DASHES, 40)):
        assert len({(place % 8, looks[place % len(looks)]) for place in range(wanted)}) == wanted


def test_themes_differ_in_colours_alone() -> None:
    def without(value: object) -> object:
        if isinstance(value, dict):
            return {key: without(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [without(inner) for inner in value]
        return "colour" if isinstance(value, str) and value.startswith("#") else value

    light, dark = look.config("light"), look.config("dark")
    assert light != dark
    assert without(light) == without(dark)
