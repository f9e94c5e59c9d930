"""Validate the options that a study gives to a method."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.errors import PluginError
from bench.method import BaseMethod, BaseOptions
from bench.method.importing import CALLED, announced, guarded
from bench.method.search_space import SearchSpace, dump, parse
from bench.schema import explain


def options(name: str, method: type[BaseMethod], given: dict[str, Any]) -> BaseOptions:
    """Validate the options that a study gives to a method.

    Raises:
        PluginError: an option is unknown, a value is out of range, or the plugin's validation fails.
    """
    with _guarded_options(name, method):
        return _validated(name, method, given)


def filled_options(name: str, method: type[BaseMethod], given: dict[str, Any]) -> dict[str, Any]:
    """Validate the options and return all of them, defaults included, as JSON values."""
    with _guarded_options(name, method):
        return _validated(name, method, given).model_dump(mode="json")


def search_space(name: str, method: type[BaseMethod], given: dict[str, Any]) -> SearchSpace:
    """The values that a search may try for a method, by option.

    Raises:
        PluginError: the method's own function fails, or returns something else.
    """
    with _guarded_options(name, method):
        return parse(dump(method.search_space(given)))


@contextmanager
def _guarded_options(name: str, method: type[BaseMethod]) -> Iterator[None]:
    path = Path(str(getattr(sys.modules.get(method.__module__), "__file__", None) or method.__module__))
    with announced(name, path, CALLED), guarded(f"method {name}: {path}: its options cannot be validated"):
        yield


def _validated(name: str, method: type[BaseMethod], given: dict[str, Any]) -> BaseOptions:
    try:
        return method.options_class.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        raise PluginError(explain(error, f"methods.{name}.options", method.options_class)) from None
