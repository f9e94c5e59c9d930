"""The catalog: datasets, models and methods with given options that a study can name."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

CATALOG_FOLDER = Path(__file__).parent


@cache
def catalog(what: Literal["datasets", "models", "methods"]) -> dict[str, dict[str, Any]]:
    """The catalog's entries by name."""
    return tomllib.loads((CATALOG_FOLDER / f"{what}.toml").read_text(encoding="utf-8"))
