"""Embedded JSON that no HTML parser reads, clean texts, and a Content-Security-Policy."""

import base64
import hashlib
import json

import pytest

from bench.report.page.embed import CUT, LONGEST_TEXT, clean, clean_text, json_in_html, policy
from tests.html_page import Page

HOSTILE = "</script><!--<script>&amp;\u2028\u2029]]>"


def test_json_comes_back_as_it_was_and_ends_no_script() -> None:
    value = {HOSTILE: [HOSTILE, 1.5, None]}
    (script,) = Page(f'<script type="application/json">{json_in_html(value)}</script>').found
    assert (script[0], json.loads(script[2])) == ("script", value)
    assert not set("<>&\u2028\u2029") & set(json_in_html(value))


def test_what_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_in_html([float("nan")])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a\x00b\x1b[2Jc", "a b [2Jc"), ("\u202eabc\u200f", " abc "), ("two\nlines", "two\nlines"), ("\ud800x", " x"),
        ("Ωé", "Ωé"),
    ],
)  # fmt: skip
def test_texts_lose_what_prints_nothing(text: str, wanted: str) -> None:
    assert (clean_text(text), clean({text: (text, [text])})) == (wanted, {wanted: [wanted, [wanted]]})


def test_a_long_text_is_cut_and_says_so() -> None:
    assert clean_text("x" * (LONGEST_TEXT + 5)) == "x" * LONGEST_TEXT + CUT


def test_numbers_and_nothing_stay() -> None:
    assert clean([1, 2.5, None, True]) == [1, 2.5, None, True]


def test_the_policy_names_each_script_by_its_hash() -> None:
    found = policy(["one", "é"], ["style"])
    for text in ("one", "é", "style"):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in found
    assert found.startswith("default-src 'none'; ")
    assert "unsafe" not in found
