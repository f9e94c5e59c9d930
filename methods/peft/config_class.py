"""The config classes of the installed peft: their options, checked values and defaults."""

import dataclasses
import inspect
import json
import re
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any

import peft
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
from pydantic import PydanticUserError, TypeAdapter, ValidationError

from bench.errors import UnknownNameError

Config = Any  # a dataclass of peft, which has no common type with its fields
#: Fields that describe the model, the task and the library, or belong to peft's own bookkeeping.
NOT_OPTIONS = frozenset(
    {
        "peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision",
        "inference_mode", "runtime_config", "token_dim", "num_layers", "num_attention_heads",
        "num_transformer_submodules", "total_step",
    }
)  # fmt: skip
#: Defaults of options that peft leaves open but needs.
OWN_DEFAULTS: Mapping[str, Any] = {"num_virtual_tokens": 20}
LONGEST_TYPE = 200


def names() -> list[str]:
    """The types of the installed peft."""
    return sorted(peft_type.value for peft_type in PEFT_TYPE_TO_CONFIG_MAPPING)


def config_class(peft_type: str) -> type[Config]:
    """The config class of a type.

    Raises:
        ValueError: the installed peft has no such type.
    """
    if peft_type not in names():
        raise ValueError(f"peft_type: {UnknownNameError(f'type of peft {peft.__version__}', peft_type, names())}")
    return PEFT_TYPE_TO_CONFIG_MAPPING[peft_type]  # type: ignore[index] # its keys are strings too


def tuner_class(peft_type: str) -> Any:
    """The class that wraps a model with this type; None for virtual tokens."""
    return PEFT_TYPE_TO_TUNER_MAPPING.get(peft_type)  # type: ignore[call-overload] # its keys are strings too


def fields(peft_type: str) -> dict[str, dataclasses.Field[Any]]:
    """The fields of the config class that a study may set, by name."""
    every = dataclasses.fields(config_class(peft_type))
    return {field.name: field for field in every if field.init and field.name not in NOT_OPTIONS}


def defaults(peft_type: str) -> dict[str, Any]:
    """The default of each option, as JSON values."""
    found = {name: OWN_DEFAULTS.get(name) for name in fields(peft_type)}
    for name, field in fields(peft_type).items():
        factory: Any = field.default_factory
        default = field.default if factory is dataclasses.MISSING else factory()
        if default is not None and default is not dataclasses.MISSING:
            found[name] = plain(default)
    return found


def plain(value: Any) -> Any:
    """A value of a config as JSON writes it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value))
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def require_known(peft_type: str, given: Mapping[str, Any]) -> None:
    """Check names and types of the given options.

    Raises:
        ValueError: an option is unknown, is not the user's to set, or has a value of another type.
    """
    known, usual = fields(peft_type), defaults(peft_type)
    for name, value in given.items():
        if name in NOT_OPTIONS:
            raise ValueError(f"{name}: is set from the model, the task and the training; remove it")
        if name not in known:
            raise ValueError(f"{name}: {UnknownNameError(f'option of peft type {peft_type}', name, known)}")
        if isinstance(value, dict):
            _require_known_inside(peft_type, name, value)
        if value != usual[name] and not _fits(peft_type, name, value):
            wanted = inspect.formatannotation(_hints(peft_type)[name]).replace("typing.", "")
            raise ValueError(f"{name}: must be {wanted:.{LONGEST_TYPE}}, got {value!r:.80}")


def _require_known_inside(peft_type: str, name: str, value: Mapping[str, Any]) -> None:
    """Check the keys of an option that is a config itself; peft ignores unknown ones.

    Raises:
        ValueError: a key is unknown.
    """
    hint = _hints(peft_type)[name]
    inner = [kind for kind in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(kind)]
    known = [field.name for kind in inner for field in dataclasses.fields(kind)]
    for key in value if inner else ():
        if key not in known:
            raise ValueError(f"{name}.{key}: {UnknownNameError(f'key of {name}', key, known)}")


def build(peft_type: str, options: Mapping[str, Any], **settings: Any) -> Config:
    """The config with these options.

    Args:
        peft_type: type of the installed peft.
        options: its options, as JSON values.
        settings: fields of NOT_OPTIONS.

    Raises:
        ValueError: peft refuses a value, or a combination.
    """
    known = {field.name for field in dataclasses.fields(config_class(peft_type))}
    chosen = {name: value for name, value in settings.items() if name in known}
    try:
        return config_class(peft_type)(**options, **chosen)
    except (ValueError, TypeError, ImportError) as error:
        raise ValueError(f"peft type {peft_type}: {error}") from error


def meaning(peft_type: str, name: str) -> str:
    """What peft says about an option, in one sentence."""
    said = fields(peft_type)[name].metadata.get("help")
    if said is None:
        text = inspect.getdoc(config_class(peft_type)) or ""
        found = re.search(rf"^ *{name} \([^\n]*\):(.*?)(?=^ *\w+ \(|\Z)", text, re.DOTALL | re.MULTILINE)
        said = found[1] if found else ""
    return first_sentence(str(said))


def summary(peft_type: str) -> str:
    """What peft says about a type, in one sentence."""
    described = tuner_class(peft_type) or config_class(peft_type)
    return first_sentence(inspect.getdoc(described) or "").replace("`", "")


def first_sentence(text: str) -> str:
    """The text up to the end of its first sentence, in one line."""
    return re.split(r"(?<=[.;]) (?=[A-Z])", " ".join(text.split("\n\n")[0].split()), maxsplit=1)[0]


@cache
def _hints(peft_type: str) -> dict[str, Any]:
    return typing.get_type_hints(config_class(peft_type))


def _fits(peft_type: str, name: str, value: Any) -> bool:
    """Whether a value has the type of a field; true if pydantic cannot check that type."""
    try:
        TypeAdapter(_hints(peft_type)[name]).validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return False
    except (PydanticUserError, NameError, KeyError):
        return True
    return True
