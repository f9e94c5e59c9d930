"""What a report keeps, without the texts of the data and without paths: they say nothing to a reader elsewhere."""

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
#: The folders of an absolute path, of a file's address too; other addresses stay. Without them a text has no more such.
FOLDERS = re.compile(r"(?:(?<![\w.~/:-])|(?<=file://)|(?<=:)(?!//))/+(?:[^\s/:'\"<>|]+/+)+")
#: Of a record: digests, ids and versions, which may look like anything, and words that are part of what was measured.
KEPT = frozenset({
    "cell_id", "sha256", "fingerprint", "revision", "commit", "gpu_uuid", "packages", "labels", "prompt",
    "chat_template", "special_tokens", "label_values",
})  # fmt: skip
#: Parts of a study that are written for readers.
PROSE = ("title", "notes")


def record(measured: Record) -> dict[str, Any]:
    """The content of a record; the prompt quotes the data, and its sha256 is kept.

    Fields that came after the record was written are not added, so that an older report gives its own records again.
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
    """The same record; no text of it holds credentials, as an older tunebench let them."""
    return Record.model_validate_json(json.dumps(_redacted(measured)))


def _redacted(measured: Record) -> dict[str, Any]:
    """The content of a record without credentials; what a plugin or a file named is looked at whatever its keys are."""
    content = measured.model_dump(mode="json", exclude_unset=True)
    shown: dict[str, Any] = redacted_content(content, (), KEPT)
    for place, keys in (("method", ("given", "options")), ("model", ("architecture",))):
        for key in shown["cell"][place].keys() & set(keys):
            shown["cell"][place][key] = redacted_content(content["cell"][place][key], ())
    return shown


def _fit(told: Any) -> Any:
    """Texts, by name or in a list, without credentials, of bounded length, absolute paths cut to their last names."""
    if isinstance(told, dict):
        return {name: _fit(text) for name, text in told.items()}
    if isinstance(told, list):
        return list(map(_fit, told))
    return FOLDERS.sub("", text(told)) if isinstance(told, str) else told


def text(told: str) -> str:
    """What was once told, of bounded length and without credentials; what the environment held then is not known."""
    return message(told, secrets=())


def command(words: str) -> str:
    """A command without credentials, whose absolute paths are cut to their last names."""
    try:
        found = redacted_words(shlex.split(words), ())
    except ValueError:  # written by hand, and no command of a shell
        return text(words)
    names = (re.sub(r"^((?:[\w-]+=)*)(/.*)", lambda part: part[1] + _last_name(part[2]), word) for word in found)
    return shlex.join(names)


def study(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A study whose absolute paths are cut to their last names."""
    return {key: value if key in PROSE else _cut(value) for key, value in settings.items()}


def _cut(value: Any) -> Any:
    """Of names that are equal then, the further of a list are numbered: no study names one twice."""
    if isinstance(value, dict):
        return {key: _cut(inner) for key, inner in value.items()}
    if isinstance(value, list):
        names = list(map(_cut, value))
        return [f"{name}-{at}" if name != own and name in names[:at] else name
                for at, (name, own) in enumerate(zip(names, value, strict=True))]  # fmt: skip
    return _last_name(value) if isinstance(value, str) else value


def _last_name(text: str) -> str:
    return PurePath(text).name or text if text.startswith("/") else text
