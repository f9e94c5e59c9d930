"""Checks of a method's declarations, which need no model."""

from bench.commands.check.finding import Finding, failed, listed, passed
from bench.commands.check.process_state import changed_settings, read_settings
from bench.errors import PluginError
from bench.method import BaseMethod, Method, TextMethod, registry
from bench.method.architecture import MODEL_KINDS

#: Name of an option that must be refused.
UNKNOWN_OPTION = "an_option_that_no_method_has"


def imported(plugin: registry.Plugin) -> tuple[Finding, type[BaseMethod] | None]:
    """Whether the file imports, defines one method and changes no process setting; also the method, if found."""
    before = read_settings()
    try:
        if plugin.error is not None:
            raise PluginError(plugin.error)
        method = registry.load_any(plugin.name, plugin.path)
    except PluginError as error:
        return failed(
            str(error), "make the file import and define one subclass of bench.method.Method or TextMethod"
        ), None
    if changes := changed_settings(before):
        return failed(f"importing it changes {listed(changes)}", "do not change settings of the process"), method
    return passed(f"class {method.__name__}"), method


def label(method: type[BaseMethod]) -> Finding:
    """Whether the method has a label for tables and a docstring for ``tunebench methods``."""
    if not method.label.strip() or method.label != method.label.strip():
        return failed(f"label is {method.label!r}", "set it to the method's name in tables, without surrounding spaces")
    if not (method.__doc__ or "").strip() or method.__doc__ in (Method.__doc__, TextMethod.__doc__):
        return failed(f"class {method.__name__} has no docstring", "describe the method in its first line")
    return passed(f"{method.label}: {(method.__doc__ or '').strip().splitlines()[0]}")


def options(name: str, method: type[BaseMethod]) -> Finding:
    """Whether every option has a valid default and a description, and unknown options are refused."""
    fields = method.options_class.model_fields
    if required := [option for option, field in fields.items() if field.is_required()]:
        return failed(f"no default: {listed(required)}", "give every option a default")
    if silent := [option for option, field in fields.items() if not (field.description or "").strip()]:
        return failed(f"no description: {listed(silent)}", "give meaning and unit in Field(description=...)")
    try:
        registry.options(name, method, registry.options(name, method, {}).model_dump(mode="json"))
    except PluginError as error:
        return failed(f"its own defaults are refused: {error}", "make the defaults valid")
    try:
        registry.options(name, method, {UNKNOWN_OPTION: 1})
    except PluginError:
        return passed(f"{len(fields)} options, each with a default and a description")
    return failed("an unknown option is accepted", 'keep extra="forbid" of bench.method.Options')


def kinds(method: type[Method]) -> Finding:
    """Whether the method declares the kinds of model that it adapts."""
    answers = {kind: method.supports(kind) for kind in MODEL_KINDS}
    if wrong := [f"{answer!r} for {kind}" for kind, answer in answers.items() if not isinstance(answer, bool)]:
        return failed(f"supports returns {listed(wrong)}", "return True or False")
    supported = [kind for kind, answer in answers.items() if answer]
    if not supported:
        return failed("supports no kind of model", f"return True for {' or '.join(answers)} in supports")
    trains = "trains" if method.trains else "trains nothing"
    return passed(f"{' and '.join(supported)} models; {trains}")
