"""Settings files: read within size limits and validated, with an explanation of each broken rule."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import StudyError, UnknownNameError
from bench.text.display import printable
from bench.text.message import message
from bench.text.redaction import redacted
from bench.text.secret_names import says_secret

#: Maximum number of reported problems; a generated file may have thousands.
MOST_PROBLEMS = 20
#: Maximum characters of one reported problem, and of a wrong value before redaction.
LONGEST_PROBLEM, MOST_READ = 2000, 10_000


Share = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    """Base of everything read from a file: unknown keys are errors, instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


def explain(error: ValidationError, where: str, schema: type[BaseModel]) -> str:
    """One line for each broken rule: file, key, rule and the value found; at most ``MOST_PROBLEMS`` lines."""
    problems = error.errors(include_url=False)
    lines: list[str] = []
    for problem in problems:
        if len(lines) == MOST_PROBLEMS:
            lines.append(f"{where}: and more; {len(problems)} problems in all")
            break
        keys = [str(part) for part in problem["loc"]]
        place = f"{where}: {'.'.join(printable(key, 80) for key in keys)}" if keys else where
        if problem["type"] == "too_short" and _has_wrong_items(problem["loc"], problems):
            continue  # pydantic counts only valid items
        if problem["type"] == "extra_forbidden":
            known = _keys_beside(schema, keys)
            lines.append(f"{place}: {UnknownNameError('key', keys[-1], known)}")
        elif problem["type"] == "missing":
            lines.append(f"{place} is required")
        else:
            hidden = isinstance(problem["input"], dict) or any(map(says_secret, keys[-1:]))
            got = "" if hidden else f", got {redacted(repr(problem['input'])[:MOST_READ]):.80}"
            lines.append(message(f"{place}{_rule(problem['msg'])}{got}", LONGEST_PROBLEM))
    return "\n".join(lines)


def _has_wrong_items(place: tuple[int | str, ...], problems: Sequence[Mapping[str, Any]]) -> bool:
    return any(len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in problems)


def _rule(message: str) -> str:
    """Reword a pydantic rule: ``Input should be greater than 0`` becomes ``must be above 0``."""
    if message.startswith("Value error, "):
        return f": {message.removeprefix('Value error, ')}"
    rule, subjects = re.subn(r"^\w+ should ", " must ", message)
    rule = re.sub(r" after validation, not \d+$", "", rule)
    rule = rule.replace("greater than or equal to", "at least").replace("less than or equal to", "at most")
    rule = rule.replace("greater than", "above").replace("less than", "below")
    return rule if subjects else f": {rule}"


def _keys_beside(schema: type[BaseModel], keys: list[str]) -> list[str]:
    """The allowed keys of the table that holds the unknown last key."""
    current: Any = schema
    for key in keys[:-1]:
        if isinstance(current, type) and issubclass(current, BaseModel) and key in current.model_fields:
            current = current.model_fields[key].annotation
        for argument in getattr(current, "__args__", ()):
            if isinstance(argument, type) and issubclass(argument, BaseModel):
                current = argument
                break
    if isinstance(current, type) and issubclass(current, BaseModel):
        return list(current.model_fields)
    return []


#: Limits far above what a study needs; a larger file takes minutes to parse or cannot be written as JSON.
LARGEST_BYTES, MOST_DOTS, DEEPEST = 1_000_000, 500, 50


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        StudyError: the file cannot be read, is not valid TOML, or exceeds a size or depth limit.
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
        if line.count(".") > MOST_DOTS:  # the parser takes n * n steps for a key of n parts
            raise StudyError(f"{path}: line {number} must have at most {MOST_DOTS} dots, got {line.count('.')}")
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also for a number with thousands of digits
        raise StudyError(f"{path}: not valid TOML: {error}") from None
    _check(content, path)
    return content


def _check(content: dict[str, Any], path: Path) -> None:
    """Require that the content can be written as JSON and read again."""
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
