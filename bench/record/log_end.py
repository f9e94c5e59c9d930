"""The end of another process's log, which may have any size or be no regular file."""

import os
import stat
from pathlib import Path

#: Bytes of the longest character in UTF-8.
LONGEST_CHARACTER = 4


def end_of_log(path: Path, characters: int) -> str:
    """The last characters of a log, without blanks around them; empty if there is no such file.

    Args:
        path: path of the log; links, pipes and devices are not read.
        characters: maximum number of characters.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return ""
    with os.fdopen(descriptor, "rb") as handle:
        handle.seek(max(0, found.st_size - LONGEST_CHARACTER * characters))
        text = handle.read(LONGEST_CHARACTER * characters).decode("utf-8", "replace")
    return text.strip()[-characters:]
