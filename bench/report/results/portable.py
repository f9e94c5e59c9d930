"""Records, studies and commands as a report keeps them: without texts of the data, credentials and paths."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from bench.record.record import Record
from bench.text.message import message
from bench.text.redaction import redacted_content, redacted_words

QUOTES_DATA = "left out, for it quotes the data; the record in the run folder has it"
#: The folders of an absolute path or file URI; other URIs do not match.
FOLDERS = re.compile(r"(?:(?<![\w.~/:-])|(?<=file://)|(?<=:)(?!//))/+(?:[^\s/:'\"<>|]+/+)+")
#: Fields of a record that are not redacted: digests, ids and versions, which may look like credentials, and words that
#: are part of the measurement.
KEPT = frozenset({
    "cell_id", "sha256", "fingerprint", "revision", "commit", "gpu_uuid", "packages", "labels", "prompt",
    "chat_template", "special_tokens", "label_values",
})  # fmt: skip
#: Fields of a study that are written for readers.
PROSE = ("title", "notes")


def record(measured: Record) -> dict[str, Any]:
    """The content of a record, without the prompt's text, which quotes the data.

    Newer fields that an older record lacks are not added, so that an older report reproduces its own records.
    """
    content = _redacted(measured)
    if content.get("prompt") is not None:
        content["prompt"]["example"] = QUOTES_DATA
    for key in {"failure", "warnings", "unknown"} & content.keys():
        content[key] = _fit(content[key])
    for check in content.get("checks", ()):
        check["found"] = text(check["found"])
    cell = content["cell"]
    if "files" in cell["dataset"]:
        cell["dataset"]["files"] = {split: PurePath(path).name for split, path in cell["dataset"]["files"].items()}
    for place, key in (("model", "folder"), ("method", "path")):
        if cell[place].get(key) is not None:
            cell[place][key] = PurePath(cell[place][key]).name
    return content


def without_credentials(measured: Record) -> Record:
    """The record without credentials, which an older tunebench could write."""
    return Record.model_validate_json(json.dumps(_redacted(measured)))


def _redacted(measured: Record) -> dict[str, Any]:
    """The content of a record without credentials; options and architectures are redacted whatever their keys are."""
    content = measured.model_dump(mode="json", exclude_unset=True)
    shown: dict[str, Any] = redacted_content(content, (), KEPT)
    for place, keys in (("method", ("given", "options")), ("model", ("architecture",))):
        for key in shown["cell"][place].keys() & set(keys):
            shown["cell"][place][key] = redacted_content(content["cell"][place][key], ())
    return shown


def _fit(told: Any) -> Any:
    """Texts, by name or in a list, shortened, without credentials, and with paths cut to their last names."""
    if isinstance(told, dict):
        return {name: _fit(text) for name, text in told.items()}
    if isinstance(told, list):
        return list(map(_fit, told))
    return FOLDERS.sub("", text(told)) if isinstance(told, str) else told


def text(told: str) -> str:
    """A text, shortened and without credentials; those of the former environment are unknown."""
    return message(told, secrets=())


def command(words: str) -> str:
    """A command without credentials, with absolute paths cut to their last names."""
    try:
        found = redacted_words(shlex.split(words), ())
    except ValueError:  # written by hand, not a shell command
        return text(words)
    names = (re.sub(r"^((?:[\w-]+=)*)(/.*)", lambda part: part[1] + _last_name(part[2]), word) for word in found)
    return shlex.join(names)


def study(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A study with absolute paths cut to their last names."""
    return {key: value if key in PROSE else _cut(value) for key, value in settings.items()}


def _cut(value: Any) -> Any:
    """Cut paths in a value; cut names that equal an earlier one of a list are numbered, as a study names each once."""
    if isinstance(value, dict):
        return {key: _cut(inner) for key, inner in value.items()}
    if isinstance(value, list):
        names = list(map(_cut, value))
        return [f"{name}-{at}" if name != own and name in names[:at] else name
                for at, (name, own) in enumerate(zip(names, value, strict=True))]  # fmt: skip
    return _last_name(value) if isinstance(value, str) else value


def _last_name(text: str) -> str:
    return PurePath(text).name or text if text.startswith("/") else text
