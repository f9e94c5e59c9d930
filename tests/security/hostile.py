"""What a file from elsewhere may hold: nasty texts and values, and valid content with a few of them put in."""

import datetime
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: A run by hand sets it, e.g. TUNEBENCH_EXAMPLES=10000, and draws anew each time; else few are drawn, the same ones.
BY_HAND = int(os.environ.get("TUNEBENCH_EXAMPLES", "0"))


def examples(count: int) -> settings:
    """So many examples in CI, alike each time; none of them may hang."""
    return settings(
        max_examples=BY_HAND or count,
        derandomize=not BY_HAND,
        deadline=datetime.timedelta(seconds=20),
        suppress_health_check=list(HealthCheck),
        print_blob=bool(BY_HAND),
    )


LONGEST_MESSAGE, MOST_LINES = 10_000, 40


def assert_clear(message: str) -> None:
    """An error says something, in a few lines without control characters."""
    assert message.strip()
    assert len(message) <= LONGEST_MESSAGE
    lines = message.splitlines()
    assert len(lines) <= MOST_LINES
    assert all(line.isprintable() for line in lines), [line for line in lines if not line.isprintable()]


NASTY = (
    "", " ", ".", "..", "...", "/", "~", "~root", "~no-such-user/x", "*", "-", "--help", "-rf", "con", "nul",
    "../../etc/passwd", "../x", "a/../../b", "./..", "/etc/passwd", "/dev/zero", "/proc/self/mem", "\\\\host\\share",
    "C:\\Windows\\system32", "file:///etc/passwd", "https://example.org/x", "owner/name", "owner/..", "../owner",
    "owner/name/more", "a\0b", "\0", "\x1b[31mred\x1b[0m", "\x1b]8;;http://x\x07y", "a\rb", "a\nb", "a\tb", "\x7f\x9b",
    "\u2028", "\u202eevil", "\u2066", "\ufeff", "\u00a0", "\u200b", "\uff0e\uff0e\uff0f", "\uff1d1+1", "\ue000",
    "e\u0301",
    "\u0645\u0631\u062d\u0628\u0627", "\U0001f600", "\ud7ff", "\ufffe", "%s%n%d", "{0.__class__.__mro__}", "{}",
    "{labels}",
    "${HOME}", "$(id)", "`id`", "; rm x", "{{ 7 * 7 }}", "{% raw %}", "{# x #}", "[red]x[/red]", "[/]",
    "[link=http://x]y[/link]",
    "=1+1", "+1", "-1", "@SUM(A1)", "|cmd", "\t=1", "\r=1", "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</style>", "<!--", "]]>", "&lt;&amp;", "\\input{/etc/passwd}", "\\", "$x_1$", "$", "%", "#", "# x", "- x", "1. x",
    "a_b", "a^b", "a~b", "a & b", "a|b", "[a](b)", "![a](b)", "`x`", "***", "---", "===", "> x", "null", "true", "nan",
)  # fmt: skip
LONG = st.sampled_from([("x", 65), ("x", 300), ("../", 100), ("\U0001f600", 300), ("x", 20_000), ("\n", 2_000)]).map(
    lambda pair: pair[0] * pair[1]
)
# Deferred, so that what hypothesis prints of all that is made of them stays short.
TEXTS = st.deferred(
    lambda: (
        st.sampled_from(NASTY)
        | LONG
        | st.text(max_size=12)
        | st.text(st.sampled_from("./\\~ab:*\0\n\x1b $|<&=_%{}[]"), max_size=12)
    )
)
NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, 10**400, -(10**400), 1e308, -0.0, 5e-324])
    | st.sampled_from([math.nan, math.inf, -math.inf])
)
DATES = st.dates() | st.times() | st.datetimes() | st.datetimes(timezones=st.just(datetime.UTC))


def nested(depth: int) -> Any:
    """Tables in lists in tables, as deep as that."""
    value: Any = 1
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return value


def alike(value: Any) -> st.SearchStrategy[Any]:
    """Other values of the same type, which no check of types refuses."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        return st.integers() | st.sampled_from([0, -1, 2**31, 2**63 - 1, 2**63, 10**400])
    if isinstance(value, float):
        return st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -1.0, 1e308, -1e308, 5e-324])
    return TEXTS if isinstance(value, str) else VALUES


DEEP = st.sampled_from([5, 60, 150]).map(nested)
LEAVES = TEXTS | NUMBERS | st.booleans()
FLAT = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(TEXTS, LEAVES, max_size=3)
VALUES = st.deferred(
    lambda: (
        FLAT
        | st.lists(FLAT, max_size=2)
        | st.dictionaries(TEXTS, FLAT, max_size=2)
        | DEEP
        | st.builds(list)
        | st.builds(dict)
    )
)


@st.composite
def spoiled(draw: st.DrawFn, content: Any, values: st.SearchStrategy[Any] = VALUES) -> Any:
    """The content with up to four changes: a value replaced, removed, repeated or added, or a key renamed.

    Args:
        draw: of hypothesis.
        content: tables, lists and plain values; left as it is.
        values: what is put in.
    """
    for _ in range(draw(st.integers(0, 4))):
        places = list(_places(content))
        content = _changed(draw, content, draw(st.sampled_from(places)), values)
    return content


def _places(content: Any, place: tuple[Any, ...] = ()) -> Any:
    """Where each value lies that is inside."""
    yield place
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _places(value, (*place, key))
    elif isinstance(content, Sequence) and not isinstance(content, str):
        for at, value in enumerate(content):
            yield from _places(value, (*place, at))


def _changed(draw: st.DrawFn, content: Any, place: tuple[Any, ...], values: st.SearchStrategy[Any]) -> Any:
    if len(place) > 1:
        inner = _changed(draw, content[place[0]], place[1:], values)
        if isinstance(content, Mapping):
            return {**content, place[0]: inner}
        return [*content[: place[0]], inner, *content[place[0] + 1 :]]

    def new() -> Any:
        same_type = draw(st.booleans())
        return draw(alike(content[place[0]]) if place and same_type else values)

    if isinstance(content, Mapping):
        way = draw(st.sampled_from(["replace", "replace", "remove", "rename", "add"])) if place else "add"
        kept = {key: value for key, value in content.items() if not place or key != place[0]}
        if way == "remove":
            return kept
        key = place[0] if way == "replace" else draw(TEXTS | st.sampled_from(sorted(map(str, content)) or ["x"]))
        return {**(content if way == "add" else kept), key: content[place[0]] if way == "rename" else new()}
    if isinstance(content, list):
        at = place[0] if place else len(content)
        way = draw(st.sampled_from(["replace", "remove", "repeat", "add"])) if place else "add"
        middle = {"remove": [], "repeat": content[at : at + 1] * 2}.get(way)
        return [*content[:at], *([new()] if middle is None else middle), *content[at + 1 :]]
    return draw(values)
