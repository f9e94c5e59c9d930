"""What a method says of itself, before any model."""

from typing import get_args

from bench.commands.check.finding import Finding, failed, listed, passed
from bench.commands.check.process_state import changed_settings, read_settings
from bench.errors import PluginError
from bench.method import Method, registry
from bench.method.architecture import ModelKind

#: No method has it.
UNKNOWN_OPTION = "an_option_that_no_method_has"


def imported(plugin: registry.Plugin) -> tuple[Finding, type[Method] | None]:
    """Whether its file imports and holds one method, and leaves the process as it was; the method, if it does."""
    before = read_settings()
    try:
        if plugin.error is not None:
            raise PluginError(plugin.error)
        method = registry.load(plugin.name, plugin.path)
    except PluginError as error:
        return failed(str(error), "a method's file must import and define one subclass of bench.method.Method"), None
    if changes := changed_settings(before):
        return failed(f"importing it changes {listed(changes)}", "leave settings of the process alone"), method
    return passed(f"class {method.__name__}"), method


def label(method: type[Method]) -> Finding:
    """Whether it has a name for tables and a line for ``tunebench methods``."""
    if not method.label.strip() or method.label != method.label.strip():
        return failed(f"label is {method.label!r}", "give it the method's name as tables show it, without outer blanks")
    if not (method.__doc__ or "").strip() or method.__doc__ == Method.__doc__:
        return failed(f"class {method.__name__} has no docstring", "say in its first line what the method does")
    return passed(f"{method.label}: {(method.__doc__ or '').strip().splitlines()[0]}")


def options(name: str, method: type[Method]) -> Finding:
    """Whether every option has a default and a meaning, the defaults are valid, and unknown ones are refused."""
    fields = method.options_class.model_fields
    if required := [option for option, field in fields.items() if field.is_required()]:
        return failed(f"no default: {listed(required)}", "give every option a default")
    if silent := [option for option, field in fields.items() if not (field.description or "").strip()]:
        return failed(f"no description: {listed(silent)}", "say in Field(description=...) what it is and in what unit")
    try:
        registry.options(name, method, registry.options(name, method, {}).model_dump(mode="json"))
    except PluginError as error:
        return failed(f"its own defaults are refused: {error}", "make the defaults valid")
    try:
        registry.options(name, method, {UNKNOWN_OPTION: 1})
    except PluginError:
        return passed(f"{len(fields)} options, each with a default and a description")
    return failed("an unknown option is accepted without a word", 'keep extra="forbid" of bench.method.Options')


def kinds(method: type[Method]) -> Finding:
    """Whether it says which sorts of model it adapts."""
    answers = {kind: method.supports(kind) for kind in get_args(ModelKind)}
    if wrong := [f"{answer!r} of {kind}" for kind, answer in answers.items() if not isinstance(answer, bool)]:
        return failed(f"supports says {listed(wrong)}", "return True or False")
    supported = [kind for kind, answer in answers.items() if answer]
    if not supported:
        return failed("supports no sort of model", f"return True of {' or '.join(answers)} in supports")
    trains = "trains" if method.trains else "trains nothing"
    return passed(f"{' and '.join(supported)} models; {trains}")
