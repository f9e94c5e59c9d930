"""Types of values in a study file: names, hub ids, paths, devices and tables."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

from bench.text.redaction import holds_credentials

#: A name that is also a folder name: no separators, no leading dot, nothing to escape.
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
#: A repository of the hub, with or without owner; never the path of a folder, which the hub's clients would read.
HUB_ID = r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,95}/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}$"
HubId = Annotated[str, StringConstraints(pattern=HUB_ID)]
#: A branch, tag or commit, from which the hub's clients make a path.
Revision = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,99}){0,5}$")
]


def _readable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must hold no control characters")
    return text


#: A catalog name, a name defined in the study, a hub id or a local folder.
Reference = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(_readable)]
Place = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_readable)]


#: Devices of a study.
DEVICE = r"auto|cpu|cuda(:(0|[1-9][0-9]{0,2}))?"


def a_device(text: str) -> str:
    """Validate the name of a device and return it.

    Raises:
        ValueError: it is not a device of a study.
    """
    if not re.fullmatch(DEVICE, text):
        raise ValueError('must be "auto", "cpu", "cuda" or "cuda:N", the GPU of index N, e.g. "cuda:1"')
    return text


Device = Annotated[str, AfterValidator(a_device), WithJsonSchema({"type": "string", "pattern": f"^({DEVICE})$"})]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("values must be text, finite numbers, booleans, lists or tables") from None
    return values


def _open(values: dict[str, Any]) -> dict[str, Any]:
    if holds_credentials(values):
        raise ValueError(
            "values must not hold credentials, because records and reports show them; read them from the environment"
        )
    return values


#: Settings that are validated later.
Settings = Annotated[dict[str, Any], AfterValidator(_plain)]
#: Settings that records store unredacted, because the cell's id depends on them.
OpenSettings = Annotated[dict[str, Any], AfterValidator(_plain), AfterValidator(_open)]
Precision = Literal["auto", "bf16", "fp16", "fp32"]
LabelValues = Literal["names", "indices"]
Kernels = Literal["stock", "fast"]
WeightsStorage = Literal["auto", "mixed", "true"]
