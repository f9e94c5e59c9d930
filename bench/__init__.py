"""Measure what it costs, and what it gains, to adapt a pretrained language model to a text-classification task."""

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.report.frame import load_curves, load_records

__version__ = "0.1.0"
__all__ = ["__version__", "load_curves", "load_records"]

# bitsandbytes, which peft imports, warns of a missing optional package.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def __getattr__(name: str) -> Any:
    """Import a public name on first use, because its module is slow to import."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("bench.report.frame"), name)


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})
