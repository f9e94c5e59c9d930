"""Labels that are kept out of a process's memory until something is scored by them."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.errors import RunFolderError


class HeldOutLabels:
    """Labels of splits, in a file without a name, which is gone with the process.

    A method's code runs in the worker's process, beside the labels that it is judged by. While they are here, nothing
    that it can walk through in memory holds them. It is no sandbox: the file and those of the dataset are open to any
    code of the same user that looks for them.
    """

    def __init__(self, labels: Mapping[str, list[int]], folder: Path) -> None:
        """Write the labels of each split and empty the lists.

        Args:
            labels: by split.
            folder: on the disk that they are kept on.

        Raises:
            RunFolderError: the disk has no room.
        """
        self._places: dict[str, tuple[int, int]] = {}
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - held as long as this object
            for split, values in labels.items():
                self._places[split] = self._file.tell(), len(values)
                self._file.write(np.asarray(values, dtype=np.int64).tobytes())
            self._file.flush()
        except OSError as error:
            raise RunFolderError(f"{folder} cannot hold the labels of a dataset: {error.strerror}") from error
        for values in labels.values():
            values.clear()

    def __enter__(self) -> "HeldOutLabels":
        """They are written already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the disk space back."""
        self._file.close()

    def of(self, split: str) -> list[int]:
        """The labels of a split, read anew at each call."""
        start, count = self._places[split]
        self._file.seek(start)
        found: list[int] = np.frombuffer(self._file.read(8 * count), dtype=np.int64).tolist()
        return found

    def __contains__(self, split: object) -> bool:
        """Whether the labels of this split are here."""
        return split in self._places
