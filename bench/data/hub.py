"""Datasets on the Hugging Face Hub, and what an access error of the Hub means."""

import configparser
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from bench.data.rows import Row, names_of_indices, require_columns, row_of
from bench.errors import DataError
from bench.study.catalog import catalog
from bench.study.datasets import DatasetSource
from bench.study.split_files import SPLITS
from bench.text.redaction import HUB_TOKEN

#: What every token of the hub looks like, also one that is no longer set here.
_TOKEN = re.compile(HUB_TOKEN)
_TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_ID_TOKEN")
#: Shorter values are no tokens, and to strike them out would leave no message.
_SECRET_CHARACTERS_MIN = 8
_REFUSED = (401, 403)
#: The datasets client keeps the hub's answer to itself and leaves a sentence.
_GATED_DATASET = "is a gated dataset on the Hub"
_HIDDEN_DATASET = "doesn't exist on the Hub or cannot be accessed"
LOG_IN = "log in with `hf auth login` or set HF_TOKEN"


def reason(error: BaseException, hub_id: str, kind: Literal["model", "dataset"]) -> str:
    """Why a repository of the hub could not be read, and what to do where the hub wants to know who asks.

    Args:
        error: what the client raised.
        hub_id: owner/name.
        kind: of the repository.

    Returns:
        A part of a sentence, free of tokens.
    """
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    said = scrubbed(f"{type(error).__name__}: {error}")
    refusals = [each for each in _chain(error) if isinstance(each, HfHubHTTPError)]
    gated = _GATED_DATASET in said or any(isinstance(each, GatedRepoError) for each in refusals)
    hidden = _HIDDEN_DATASET in said or any(isinstance(each, RepositoryNotFoundError) for each in refusals)
    if not (gated or hidden or any(each.response.status_code in _REFUSED for each in refusals)):
        return said
    page = licence_page(hub_id, kind)
    if gated or _is_gated(hub_id, kind):
        return f"its owner wants conditions accepted: do so at {page}, then {LOG_IN} as the one who did ({said})"
    if hidden:
        return f"no such repository, or a private one: check {page}, and if it is private {LOG_IN} ({said})"
    return f"the hub refused this login: {LOG_IN} with a token that may read {page} ({said})"


def licence_page(hub_id: str, kind: Literal["model", "dataset"]) -> str:
    """The page that shows a repository's licence and takes the consent to it."""
    from huggingface_hub import constants

    known = (str(entry["license_url"]) for entry in _entries(hub_id, kind) if "license_url" in entry)
    folder = "datasets/" if kind == "dataset" else ""
    return next(known, f"{constants.ENDPOINT}/{folder}{hub_id}")


def scrubbed(text: str) -> str:
    """The text with every hub token in it replaced by a word: those of this machine, and what looks like one."""
    for secret in sorted(set(_secrets()), key=len, reverse=True):
        text = text.replace(secret, "TOKEN")
    return _TOKEN.sub("TOKEN", text)


def _is_gated(hub_id: str, kind: Literal["model", "dataset"]) -> bool:
    return any(entry.get("gated", False) for entry in _entries(hub_id, kind))


def _entries(hub_id: str, kind: Literal["model", "dataset"]) -> Iterator[dict[str, object]]:
    entries = catalog("models" if kind == "model" else "datasets").values()
    return (entry for entry in entries if entry.get("hub_id") == hub_id)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all it was raised from: clients wrap the hub's answer in errors of their own."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _secrets() -> Iterator[str]:
    """Every token that the hub's client could have found here.

    Read from where they lie: the client's own way may renew a token over the network.
    """
    from huggingface_hub import constants

    found = [os.environ.get(name, "") for name in _TOKEN_VARIABLES]
    found.append(_content(constants.HF_TOKEN_PATH))
    stored = configparser.ConfigParser(interpolation=None)
    try:
        stored.read_string(_content(constants.HF_STORED_TOKENS_PATH))
        found += [value for name in stored.sections() for key, value in stored.items(name) if key.endswith("token")]
    except configparser.Error:
        pass  # the client could not read it either
    return (value.strip() for value in found if len(value.strip()) >= _SECRET_CHARACTERS_MIN)


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


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
            f"{reason(error, str(source.hub_id), 'dataset')}; to read local files give --data-root DIR with "
            f"DIR/{source.name}/train.jsonl.gz and test.jsonl.gz"
        ) from None  # what it was raised from may quote the token, and a log would keep that


def _declared(source: DatasetSource, split: Any) -> tuple[str, ...] | None:
    names = getattr(split.features[source.label_column], "names", None)
    return None if names is None else tuple(map(str, names))
