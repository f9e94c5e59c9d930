"""What a name in a study can be: the path of a folder, or an id on the Hugging Face Hub."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import DataError, ModelError
from bench.study.values import HUB_ID


@contextmanager
def looking_for(what: str, kind: type[DataError | ModelError]) -> Iterator[None]:
    """Say of what the file system refuses which dataset or model it was wanted for."""
    try:
        yield
    except OSError as error:
        raise kind(f"{what}: {error.filename} cannot be read: {error.strerror}") from None
    except RuntimeError as error:  # of links that lead to themselves
        raise kind(f"{what}: {error}") from None


def is_folder(name: str, base: Path) -> bool:
    """Whether a name is the path of a folder, seen from ``base``."""
    return name.startswith((".", "/", "~")) or (base / name).is_dir()


def is_hub_id(name: str) -> bool:
    """Whether a name is one of the hub: OWNER/NAME."""
    return "/" in name and re.fullmatch(HUB_ID, name) is not None


def expand_user(path: str) -> str:
    """The path with ~ replaced by the home folder; unchanged where there is no such user."""
    return os.path.expanduser(path)  # noqa: PTH111 - the other one raises where there is no such user
