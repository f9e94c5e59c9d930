"""The pages of the documentation as their readers meet them: blocks of code, commands, links and headings."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
#: The pages whose commands and blocks are tested; links are tested in the others too.
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
OTHERS = tuple(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "reports/README.md"))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def read(page: Path) -> str:
    """The text of a page."""
    return page.read_text(encoding="utf-8")


def name(page: Path) -> str:
    """The path of a page as test ids and messages show it."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks in one language, in order."""
    return [text for found, text in _FENCE.findall(read(page)) if found == language]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", read(page))


def commands(page: Path) -> Iterator[str]:
    """The command lines of the shell blocks, without comments and with single blanks."""
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            if words := shlex.split(line, comments=True):
                yield shlex.join(words)


def inline_code(page: Path) -> list[str]:
    """The spans of code in the text."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def links(page: Path) -> list[tuple[str, str]]:
    """Targets of relative links and pictures as (path, anchor); either may be empty, not both."""
    found = re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", prose(page))
    return [(path, anchor) for path, anchor in found if not re.match(r"[a-z]+:", path)]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def table(text: str) -> list[list[str]]:
    """The first table of a text, header first, without marks of footnotes."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    plain = [re.sub(r"<sup>.*?</sup>", "", line).split("|")[1:-1] for line in lines]
    return [[cell.strip() for cell in cells] for cells in (plain[0], *plain[2:])]
