"""A TOML file from elsewhere: read within bounds, so that no file can stop or exhaust the one who reads it."""

import tomllib
from pathlib import Path
from typing import Any

from bench.errors import StudyError

#: Far above what a study needs; what goes beyond takes minutes to parse, or cannot be written down again.
LARGEST_BYTES, MOST_DOTS, DEEPEST = 1_000_000, 500, 50


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        StudyError: it cannot be read, is no TOML, or is larger or deeper than any file of ours; the message names it.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise StudyError(f"{path}: must have at most {LARGEST_BYTES} bytes, got {size}")
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror}") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.count(".") > MOST_DOTS:  # a key of n parts takes the parser n * n steps
            raise StudyError(f"{path}: line {number} must have at most {MOST_DOTS} dots, got {line.count('.')}")
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also of a number of thousands of digits
        raise StudyError(f"{path}: not valid TOML: {error}") from None
    _check(content, path)
    return content


def _check(content: dict[str, Any], path: Path) -> None:
    """Whether everything in the content can be written as JSON again, and read."""
    level: list[Any] = [content]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict | list):
                inner += value.values() if isinstance(value, dict) else value
            elif isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise StudyError(f"{path}: whole numbers must fit into 64 bits, got one of {value.bit_length()}")
        level = inner
    if level:
        raise StudyError(f"{path}: tables and lists must be nested at most {DEEPEST} deep")
