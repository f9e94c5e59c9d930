"""Text of others, shown."""

import io

import pytest
from rich.console import Console

from bench.text.display import for_terminal, one_line, visible


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain é 好 😀", "plain é 好 😀"), ("a\n\t b\u00a0c\u2028d", "a b c d"),
        ("\x00\x1b\x7f\x9b", r"\x00\x1b\x7f\x9b"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"), ("\ue000", r"\ue000"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
    ],
)  # fmt: skip
def test_visible(text: str, wanted: str) -> None:
    assert visible(text) == wanted


@pytest.mark.parametrize(
    ("text", "limit", "wanted"),
    [
        (" a\n\t b\u00a0c\u2028d\x1b[31m ", None, "a b c d [31m"), ("12345", 5, "12345"), ("123456", 5, "1234…"),
        ("123 456", 5, "123…"), ("\r\x00", None, ""),
    ],
)  # fmt: skip
def test_one_line(text: str, limit: int | None, wanted: str) -> None:
    assert one_line(text, limit) == wanted


def test_printable_is_no_markup_and_fits_the_encoding() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert for_terminal("[red]é\x1b[/]", Console(file=stream)).plain == r"[red]\xe9\x1b[/]"


def test_signs_that_an_encoding_lacks_are_written_in_those_that_it_has() -> None:
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert for_terminal("1.0 ± 0.1 [†] [‡] [§] – …", console).plain == "1.0 +/- 0.1 [+] [++] [#] - ..."
