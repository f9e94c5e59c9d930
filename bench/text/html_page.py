"""Templates of self-contained HTML pages, which escape foreign text and its control characters."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from bench.text.display import visible


def page_template(path: Path) -> Template:
    """The template of a page, from a jinja file."""
    environment = Environment(
        loader=FileSystemLoader(path.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip
    return environment.get_template(path.name)


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else value
