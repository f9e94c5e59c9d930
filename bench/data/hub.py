"""Datasets on the Hugging Face Hub, and explanations of its access errors, with tokens redacted."""

import configparser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from bench.data.rows import Row, names_of_indices, require_columns, row_of
from bench.errors import DataError
from bench.study.catalog import catalog
from bench.study.datasets import DatasetSource
from bench.study.split_files import SPLITS
from bench.text.redaction import redacted
from bench.text.secret_names import environment_secrets

Kind = Literal["model", "dataset"]

#: Shorter values are not tokens, and redacting them would make messages unreadable.
_SECRET_CHARACTERS_MIN = 8
_REFUSED = (401, 403)
#: The datasets client hides the hub's response and reports these sentences.
_GATED_DATASET = "is a gated dataset on the Hub"
_HIDDEN_DATASET = "doesn't exist on the Hub or cannot be accessed"
LOG_IN = "log in with `hf auth login` or set HF_TOKEN"


def unreached(
    error: BaseException, kind: Kind, name: str, hub_id: str, revision: str | None, config: str | None = None
) -> str:
    """Message that a model or dataset could not be read from the hub, without tokens.

    Args:
        error: error of the hub's client.
        kind: kind of the repository.
        name: name in the study.
        hub_id: owner/name.
        revision: requested revision.
        config: configuration of a dataset, if it has several.
    """
    tried = f"{hub_id} ({config})" if config else hub_id
    why = reason(error, hub_id, kind)
    return f"{kind} {name}: cannot be reached on the hub: tried {tried} at revision {revision}: {why}"


def reason(error: BaseException, hub_id: str, kind: Kind) -> str:
    """Why a repository could not be read, and how to get access, as part of a sentence without tokens."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    said = without_tokens(f"{type(error).__name__}: {error}")
    refusals = [each for each in _chain(error) if isinstance(each, HfHubHTTPError)]
    gated = _GATED_DATASET in said or any(isinstance(each, GatedRepoError) for each in refusals)
    hidden = _HIDDEN_DATASET in said or any(isinstance(each, RepositoryNotFoundError) for each in refusals)
    if not (gated or hidden or any(each.response.status_code in _REFUSED for each in refusals)):
        return said
    page = licence_page(hub_id, kind)
    if gated or _is_gated(hub_id, kind):
        return f"the repository is gated: accept its conditions at {page}, then {LOG_IN} with that account ({said})"
    if hidden:
        return f"no such repository, or a private one: check {page}, and if it is private {LOG_IN} ({said})"
    return f"the hub refused this login: {LOG_IN} with a token that may read {page} ({said})"


def licence_page(hub_id: str, kind: Kind) -> str:
    """Address of the page on which a repository's licence is accepted."""
    from huggingface_hub import constants

    known = (str(entry["license_url"]) for entry in _entries(hub_id, kind) if "license_url" in entry)
    folder = "datasets/" if kind == "dataset" else ""
    return next(known, f"{constants.ENDPOINT}/{folder}{hub_id}")


def without_tokens(text: str) -> str:
    """The text with credentials redacted, also those that the hub's client stored on this machine."""
    return redacted(text, sorted({*environment_secrets(), *_stored_tokens()}, key=len, reverse=True))


def _is_gated(hub_id: str, kind: Kind) -> bool:
    return any(entry.get("gated", False) for entry in _entries(hub_id, kind))


def _entries(hub_id: str, kind: Kind) -> Iterator[dict[str, object]]:
    entries = catalog("models" if kind == "model" else "datasets").values()
    return (entry for entry in entries if entry.get("hub_id") == hub_id)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes: clients wrap the hub's response in errors of their own."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _stored_tokens() -> Iterator[str]:
    """Tokens in the files of the hub's client, whose own functions may renew a token over the network."""
    from huggingface_hub import constants

    found = [_content(constants.HF_TOKEN_PATH)]
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
    """Read rows by split, and the class names that the hub declares, if any.

    Raises:
        DataError: the dataset cannot be reached, or lacks a split or a column.
    """
    name = f"{source.hub_id}" + (f" ({source.hub_config})" if source.hub_config else "")
    found = _download(source)
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


def _download(source: DatasetSource) -> Any:
    import datasets

    if Path(str(source.hub_id)).exists():
        raise DataError(
            f"dataset {source.name}: {source.hub_id} is also a local path, which the hub's client would read instead "
            f"of the hub; run from another folder, or use the path: [datasets.{source.name}] path = "
            f'"{source.hub_id}"'
        )
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(source.hub_id, source.hub_config, revision=source.revision)
    except MemoryError:
        raise
    except Exception as error:  # the client passes on errors of a dozen libraries
        raise DataError(
            unreached(error, "dataset", source.name, str(source.hub_id), source.revision, source.hub_config)
            + f"; to read local files give --data-root DIR with DIR/{source.name}/train.jsonl.gz and test.jsonl.gz"
        ) from None  # the cause may quote the token, and a log would keep it


def _declared(source: DatasetSource, split: Any) -> tuple[str, ...] | None:
    names = getattr(split.features[source.label_column], "names", None)
    return None if names is None else tuple(map(str, names))
