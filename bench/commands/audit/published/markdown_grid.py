"""A table in Markdown, as GitHub draws it."""

import re

from bench.commands.audit.published.lines import Line, TableError
from bench.commands.audit.published.markup import from_markdown

_RULE = re.compile(r"[ \t]{0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")


def read(text: str) -> list[Line]:
    """The lines of the Markdown table in a text; what stands around the table is not read.

    A row with fewer cells than headings is filled up with empty ones, as GitHub does.

    Raises:
        TableError: there is no table, or more than one.
    """
    lines = text.splitlines()
    tops = [at - 1 for at in range(1, len(lines)) if "|" in lines[at] and _is_rule(lines[at]) and "|" in lines[at - 1]]
    if not tops:
        raise TableError("no Markdown table: a line of headings with | and below it a line such as |---|---|")
    if len(tops) > 1:
        raise TableError(f"must hold one table, got one on line {tops[0] + 1} too; keep one", tops[1] + 1)
    top = tops[0]
    header = _cells(lines[top])
    found = [Line(top + 1, header)]
    for at in range(top + 2, len(lines)):
        if "|" not in lines[at]:
            break
        cells = _cells(lines[at])
        found.append(Line(at + 1, cells + ("",) * (len(header) - len(cells))))
    return found


def _is_rule(line: str) -> bool:
    # The limit keeps the time of the pattern small on a hostile line.
    return len(line) <= 10_000 and _RULE.fullmatch(line) is not None


def _cells(line: str) -> tuple[str, ...]:
    inner = line.strip().removeprefix("|")
    inner = re.sub(r"(?<!\\)\|$", "", inner)
    return tuple(from_markdown(cell.replace("\\|", "|")) for cell in re.split(r"(?<!\\)\|", inner))
