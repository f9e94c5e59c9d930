"""Why a hub refused, and the way in; said without the token that was shown to it."""

import configparser
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from bench.redaction import HUB_TOKEN
from bench.sources import catalog

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
