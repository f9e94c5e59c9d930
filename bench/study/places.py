"""Recognise names in a study as paths of folders or as ids on the Hugging Face Hub."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import DataError, ModelError
from bench.study.values import HUB_ID


@contextmanager
def looking_for(what: str, kind: type[DataError | ModelError]) -> Iterator[None]:
    """Add the name of the dataset or model to errors of the file system."""
    try:
        yield
    except OSError as error:
        raise kind(f"{what}: {error.filename} cannot be read: {error.strerror}") from None
    except RuntimeError as error:  # a link to itself
        raise kind(f"{what}: {error}") from None


def is_folder(name: str, base: Path) -> bool:
    """Whether a name is the path of a folder, relative to ``base``."""
    return name.startswith((".", "/", "~")) or (base / name).is_dir()


def is_hub_id(name: str) -> bool:
    """Whether a name is a hub id: OWNER/NAME."""
    return "/" in name and re.fullmatch(HUB_ID, name) is not None


def expand_user(path: str) -> str:
    """The path with ~ replaced by the home folder; unchanged if there is no such user."""
    return os.path.expanduser(path)  # noqa: PTH111 - Path.expanduser raises if there is no such user
