"""Rows of a dataset on the hub."""

from pathlib import Path
from typing import Any

from bench import access
from bench.data.rows import Row, names_of_indices, require_columns, row_of
from bench.errors import DataError
from bench.sources import DatasetSource
from bench.split_files import SPLITS


def read_hub(source: DatasetSource) -> tuple[dict[str, list[Row]], tuple[str, ...] | None]:
    """Rows by split, and the class names that the hub declares, if it does.

    Raises:
        DataError: it cannot be reached, or lacks a split or a column.
    """
    name = f"{source.hub_id}" + (f" ({source.hub_config})" if source.hub_config else "")
    found = _reached(source, name)
    missing = [split for split in ("train", "test") if split not in found]
    if missing:
        raise DataError(
            f"dataset {source.name}: {name} has no {missing[0]} split (it has: {', '.join(found)}); "
            "give a folder with both by path"
        )
    rows = {}
    for split in (split for split in SPLITS if split in found):
        require_columns(source, found[split].column_names, f"{name} {split}")
        names = names_of_indices(source, _declared(source, found[split]))
        rows[split] = [
            row_of(source, row, f"{name} {split}: row {number}", names)
            for number, row in enumerate(found[split].select_columns(list(source.columns)), start=1)
        ]
    return rows, _declared(source, found["train"])


def _reached(source: DatasetSource, name: str) -> Any:
    import datasets

    if Path(str(source.hub_id)).exists():
        raise DataError(
            f"dataset {source.name}: {source.hub_id} is also a path from here, which the hub's client would read in "
            f"place of the hub; run from another folder, or name it: [datasets.{source.name}] path = "
            f'"{source.hub_id}"'
        )
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(source.hub_id, source.hub_config, revision=source.revision)
    except MemoryError:
        raise
    except Exception as error:  # the hub client raises from a dozen libraries; all mean: not reached
        raise DataError(
            f"dataset {source.name}: cannot be reached on the hub: tried {name} at revision {source.revision}: "
            f"{access.reason(error, str(source.hub_id), 'dataset')}; to read local files give --data-root DIR with "
            f"DIR/{source.name}/train.jsonl.gz and test.jsonl.gz"
        ) from None  # what it was raised from may quote the token, and a log would keep that


def _declared(source: DatasetSource, split: Any) -> tuple[str, ...] | None:
    names = getattr(split.features[source.label_column], "names", None)
    return None if names is None else tuple(map(str, names))
