"""What a file from elsewhere may hold: nasty texts and values, and content in which one of them stands."""

import copy
import random
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, settings

LONGEST_MESSAGE, MOST_LINES = 10_000, 40


def examples(count: int) -> settings:
    """Settings of a test that draws this many examples, the same ones in each run."""
    return settings(
        max_examples=count, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )


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


def nested(depth: int) -> Any:
    """Tables in lists in tables, to a depth."""
    value: Any = 1
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return value


NUMBERS = (0, -1, 2**62, 2**64, 10**400, 0.0, -1.5, 5e-324, 1e18, 1e308, float("nan"), float("inf"))
WRONG: tuple[Any, ...] = (
    *NUMBERS, True, None, [], {}, [""], {"": 1}, nested(60), nested(150), "x" * 20_000, "\n" * 2_000,
)  # fmt: skip


def places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Every value inside, as the table or list that holds it and its key there."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in pairs:
        yield content, key
        yield from places(value)


def spoiled(content: Any, rng: random.Random) -> Any:
    """A copy of the content in which one or two values are replaced, removed or renamed."""
    content = copy.deepcopy(content)
    for _ in range(rng.randint(1, 2)):
        holder, key = rng.choice([*places(content)] or [({"": 0}, "")])
        value = rng.choice(WRONG) if rng.random() < 0.4 else rng.choice(NASTY)
        if rng.random() < 0.2:
            del holder[key]
        elif rng.random() < 0.2 and isinstance(holder, dict):
            holder[str(value)] = holder.pop(key)
        else:
            holder[key] = value
    return content
