"""The registry of methods: files and packages in methods/, files given with --plugin, installed entry points."""

import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from pydantic import Field

from bench.errors import PluginError, UnknownNameError
from bench.method import BaseMethod, BaseOptions, Method, Options, TextMethod
from bench.method.architecture import MODEL_KINDS, ModelKind
from bench.method.given_options import filled_options as filled_options
from bench.method.given_options import options as options
from bench.method.given_options import search_space as search_space
from bench.method.importing import CALLED, announced, guarded
from bench.method.source_hash import source_sha256
from bench.schema import Frozen
from bench.text.redaction import redacted


class MethodSource(Frozen):
    """The code and the options of a method in a study."""

    name: str = Field(description="name of the study's entry, which becomes a row")
    label: str
    plugin: str = Field(description="name of the plugin: the stem of its file, or the name of its package")
    path: str = Field(description="file of the plugin, or folder of its package")
    sha256: str = Field(description="hash of the plugin's source: changed code makes another cell")
    given: dict[str, Any] = Field(default_factory=dict, description="options as the study gives them")
    options: dict[str, Any] = Field(default_factory=dict, description="all options, defaults filled in")


ENTRY_POINT_GROUP = "tunebench.methods"
#: Folder in methods/ of the methods that every study measures, unless it says ``baselines = false``.
BASELINES = "baselines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A method that was found but not imported.

    Attributes:
        name: stem of the file, name of the package, or name of the entry point.
        path: file, or folder of the package.
        sha256: hash of the source.
        origin: where it was found, in words.
        error: why an entry point has no file to import; None otherwise.
    """

    name: str
    path: Path
    sha256: str
    origin: str
    error: str | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether every study measures it."""
        return self.origin == f"methods/{BASELINES}/"


def find(plugin_files: Sequence[Path] = (), methods_folder: Path | None = None) -> dict[str, Plugin]:
    """All methods by name. Nothing is imported, so this takes milliseconds.

    Args:
        plugin_files: files and packages given with ``--plugin``.
        methods_folder: folder instead of the project's ``methods/``.

    Raises:
        PluginError: a file is missing, or two methods have the same name.
    """
    found: dict[str, Plugin] = {}
    folder = methods_folder or _methods_folder()
    for path in sorted([*folder.glob("*.py"), *(file.parent for file in folder.glob("*/__init__.py"))]):
        if not path.name.startswith("_"):
            _add(found, path.stem, path, "methods/")
    for path in sorted((folder / BASELINES).glob("*.py")):
        if not path.name.startswith("_"):
            _add(found, path.stem, path, f"methods/{BASELINES}/")
    for point in entry_points(group=ENTRY_POINT_GROUP):
        origin = f"entry point of {point.dist.name if point.dist else '?'}"
        file = _module_file(point.module)
        if file is not None:
            _add(found, point.name, file, origin)
        elif point.name not in found:
            error = f"method {point.name}: {origin}: there is no module {point.module}"
            found[point.name] = Plugin(name=point.name, path=Path(), sha256="", origin=origin, error=error)
    for path in plugin_files:
        if not _entry_file(path).is_file():
            missing = "no such file" if not path.is_dir() else "a folder without __init__.py is no method"
            raise PluginError(f"--plugin {path}: {missing}")
        _add(found, path.stem, path, "--plugin")
    return found


def _module_file(module: str) -> Path | None:
    """The file or package of an installed module; only the top-level package is looked up, so nothing is imported."""
    outermost, *inner = module.split(".")
    spec = importlib.util.find_spec(outermost)
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    if not inner:
        return origin.parent if origin.name == "__init__.py" else origin
    stem = origin.parent.joinpath(*inner)
    return next((path for path in (stem.with_suffix(".py"), stem) if _entry_file(path).is_file()), None)


def _entry_file(path: Path) -> Path:
    return path / "__init__.py" if path.is_dir() else path


def _methods_folder() -> Path:
    spec = importlib.util.find_spec("methods")
    if spec is None or not spec.submodule_search_locations:
        raise PluginError("the package methods is not installed")
    return Path(spec.submodule_search_locations[0])


def _add(found: dict[str, Plugin], name: str, path: Path, origin: str) -> None:
    path = path.resolve()
    if name in found and found[name].path != path:
        raise PluginError(f"two methods are named {name!r}: {found[name].path} and {path}; rename one file")
    if not name.isidentifier():
        raise PluginError(f"{path}: a method's file name must be a Python identifier, got {name!r}")
    found[name] = Plugin(name=name, path=path, sha256=source_sha256(path), origin=origin)


def module_name_of(name: str) -> str:
    """The module name under which a method is imported."""
    return f"tunebench_plugin_{name}"


def load(name: str, path: Path) -> type[Method]:
    """Import a method that adapts models, see ``load_any``.

    Raises:
        PluginError: as ``load_any``, or the method has no model.
    """
    method = load_any(name, path)
    if not issubclass(method, Method):
        raise PluginError(f'method {name}: {path} has no model to adapt; put it in a grid with models = ["none"]')
    return method


def load_any(name: str, path: Path) -> type[BaseMethod]:
    """Import a method's file or package, as ``tunebench_plugin_<name>``, and return its class.

    Raises:
        PluginError: the import fails, or the module does not define exactly one complete method.
    """
    module_name = module_name_of(name)
    spec = importlib.util.spec_from_file_location(
        module_name, _entry_file(path), submodule_search_locations=[str(path)] if path.is_dir() else None
    )
    if spec is None or spec.loader is None:
        raise PluginError(f"method {name}: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    for known in [key for key in sys.modules if key == module_name or key.startswith(f"{module_name}.")]:
        del sys.modules[known]  # another file of this name, or an earlier state of the package
    sys.modules[module_name] = module
    with announced(name, path):
        with guarded(f"method {name}: {path} does not import"):
            spec.loader.exec_module(module)
        with guarded(f"method {name}: {path}: its class cannot be inspected"):
            return _method_of(name, path, module)


def _method_of(name: str, path: Path, module: ModuleType) -> type[BaseMethod]:
    """The one complete method of a module.

    Raises:
        PluginError: there is none, or several.
    """
    module_name = module_name_of(name)
    classes = [
        value for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, BaseMethod)
        and f"{value.__module__}.".startswith(f"{module_name}.")
    ]  # fmt: skip
    if len(classes) != 1 or not issubclass(classes[0], (Method, TextMethod)):
        raise PluginError(
            f"method {name}: {path} must define one subclass of bench.method.Method or bench.method.TextMethod, got "
            f"{len(classes)}"
        )
    method = classes[0]
    if inspect.isabstract(method):
        missing = ", ".join(sorted(method.__abstractmethods__))
        raise PluginError(f"method {name}: {path}: class {method.__name__} does not define {missing}")
    if not isinstance(getattr(method, "label", None), str):
        raise PluginError(f"method {name}: {path}: class {method.__name__} has no label, the name in tables")
    wanted = Options if issubclass(method, Method) else BaseOptions
    if not (inspect.isclass(method.options_class) and issubclass(method.options_class, wanted)):
        raise PluginError(f"method {name}: {path}: options_class must be a subclass of bench.method.{wanted.__name__}")
    return method


def load_planned(source: MethodSource, found: Mapping[str, Plugin] | None = None) -> type[Method]:
    """Import the method of a cell and return its class, see ``load``.

    Args:
        source: method of the cell.
        found: methods that may be imported. A foreign cell names both a file and its hash, so its file must not be
            run. None: the cell was written by the user's own runner, and the file that it names is imported.

    Raises:
        PluginError: the method is missing, was changed after the cell was planned, or its import fails.
    """
    return load(source.plugin, _planned_path(source, found))


def load_planned_texts(source: MethodSource) -> type[TextMethod]:
    """Import the method of a cell without a model and return its class.

    Raises:
        PluginError: as ``load_planned``, or the method adapts models.
    """
    path = _planned_path(source, None)
    method = load_any(source.plugin, path)
    if not issubclass(method, TextMethod):
        raise PluginError(f"method {source.name}: {path} adapts a model; name one in the grid")
    return method


def _planned_path(source: MethodSource, found: Mapping[str, Plugin] | None) -> Path:
    """The file of a cell's method, unchanged since the cell was planned."""
    path = Path(source.path) if found is None else _found_path(source, found)
    if not path.exists():
        raise PluginError(f"method {source.name}: {path} is missing; put it back, or run the study again")
    if source_sha256(path) != source.sha256:
        raise PluginError(
            f"method {source.name}: {path} was changed after the cell was planned; restore it, or run the study again"
        )
    return path


def _found_path(source: MethodSource, found: Mapping[str, Plugin]) -> Path:
    plugin = found.get(source.plugin)
    if plugin is None:
        raise PluginError(
            f"method {source.name}: there is no method {source.plugin!r} here; install it, or name its file with "
            "--plugin"
        )
    if plugin.error is not None:
        raise PluginError(plugin.error)
    return plugin.path


def describe(plugin: Plugin) -> dict[str, Any]:
    """A method's label, kinds and trains; or error, if its import fails."""
    try:
        if plugin.error is not None:
            raise PluginError(plugin.error)
        method = load_any(plugin.name, plugin.path)
        failure = f"method {plugin.name}: {plugin.path}: supports failed"
        with announced(plugin.name, plugin.path, CALLED), guarded(failure):
            kinds = _kinds(method)
            return {"label": redacted(str(method.label)), "kinds": kinds, "trains": bool(method.trains)}
    except PluginError as error:
        return {"error": str(error)}


def _kinds(method: type[BaseMethod]) -> list[ModelKind]:
    if issubclass(method, TextMethod):
        return ["none"]
    return [kind for kind in MODEL_KINDS if method.supports(kind)]


def describes(content: Any) -> bool:
    """Whether JSON content has the form of a successful ``describe``."""
    if not isinstance(content, dict) or content.keys() != {"label", "kinds", "trains"}:
        return False
    label, kinds, trains = content["label"], content["kinds"], content["trains"]
    known = isinstance(kinds, list) and all(kind in get_args(ModelKind) for kind in kinds)
    return isinstance(label, str) and known and isinstance(trains, bool)


def get(found: dict[str, Plugin], name: str) -> Plugin:
    """The plugin of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in found:
        raise UnknownNameError("method", name, found, "or name its file with --plugin")
    return found[name]
