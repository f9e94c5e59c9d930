"""Labels of the evaluation splits, kept out of memory until predictions are scored."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.errors import RunFolderError


class HeldOutLabels:
    """Labels by split, in an anonymous file that is deleted with the process.

    A method's code runs in the same process as the labels that judge it. While they are in this file, no object in
    memory holds them. This is not a sandbox: code of the same user can read this file and those of the dataset.
    """

    def __init__(self, labels: Mapping[str, list[int]], folder: Path) -> None:
        """Write the labels to the file and empty the lists.

        Args:
            labels: labels by split.
            folder: folder of the file.

        Raises:
            RunFolderError: the file cannot be written.
        """
        self._places: dict[str, tuple[int, int]] = {}
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed in __exit__
            for split, values in labels.items():
                self._places[split] = self._file.tell(), len(values)
                self._file.write(np.asarray(values, dtype=np.int64).tobytes())
            self._file.flush()
        except OSError as error:
            raise RunFolderError(f"{folder}: cannot write the labels of a dataset: {error.strerror}") from error
        for values in labels.values():
            values.clear()

    def __enter__(self) -> "HeldOutLabels":
        """Return the object itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the file."""
        self._file.close()

    def of(self, split: str) -> list[int]:
        """Labels of a split, read from the file at each call."""
        start, count = self._places[split]
        self._file.seek(start)
        found: list[int] = np.frombuffer(self._file.read(8 * count), dtype=np.int64).tolist()
        return found

    def __contains__(self, split: object) -> bool:
        """Whether the file holds the labels of this split."""
        return split in self._places
