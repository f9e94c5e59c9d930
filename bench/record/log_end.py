"""The end of a log that another process wrote, which may be of any size, or no file at all."""

import os
import stat
from pathlib import Path

#: Bytes of the longest character in UTF-8.
LONGEST_CHARACTER = 4


def end_of_log(path: Path, characters: int) -> str:
    """The last characters of a log, without blanks around them; none where there is no such file.

    Args:
        path: of the log. A link is not followed, and of a pipe or a device, which may have no end, nothing is read.
        characters: at most so many are read.
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
