"""The checks in their order, and a function that runs them on one method."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.commands.check import adapting, artifact, declared, inference, training
from bench.commands.check.finding import Finding, Result, failed, not_run
from bench.commands.check.process_state import kept_settings
from bench.commands.check.specimen import Specimen, specimens
from bench.commands.check.subject import Subject
from bench.commands.check.text_checks import TEXT_CHECKS, TextSubject
from bench.errors import RequestError
from bench.method import BaseMethod, Method, TextMethod, registry
from bench.text.message import kind_of, said, traceback_of

#: Names of checks that others need.
ADAPT, META, FLOPS, STEP, FILES = "adapt", "meta build", "FLOPs", "training step", "saved files"


@dataclass(frozen=True, slots=True)
class ConformanceCheck:
    """One check on a model.

    Attributes:
        name: name in the output.
        examine: function that runs the check.
        needs: names of checks without whose success this one is not run.
        of_training: whether the check is left out for methods that train nothing.
    """

    name: str
    examine: Callable[[Subject], Finding]
    needs: tuple[str, ...] = (STEP,)
    of_training: bool = False


CHECKS = (
    ConformanceCheck(ADAPT, adapting.adapts, needs=()),
    ConformanceCheck("random numbers", adapting.random_numbers, needs=(ADAPT,)),
    ConformanceCheck("devices", adapting.devices, needs=(ADAPT,)),
    ConformanceCheck(META, adapting.meta_build, needs=(ADAPT,)),
    ConformanceCheck(FLOPS, adapting.flops, needs=(META,)),
    ConformanceCheck("closed form", adapting.closed_form_flops, needs=(FLOPS,)),
    ConformanceCheck("parameter groups", training.parameter_groups, needs=(ADAPT,), of_training=True),
    ConformanceCheck("extra loss", training.extra_loss, needs=(ADAPT,), of_training=True),
    ConformanceCheck(STEP, training.step, needs=(ADAPT,)),
    ConformanceCheck("trained move", training.trained_move, of_training=True),
    ConformanceCheck("frozen stay", training.frozen_stay, of_training=True),
    ConformanceCheck("overfit", training.overfits, of_training=True),
    ConformanceCheck("same seed", training.same_seed, of_training=True),
    ConformanceCheck("process state", adapting.process_state),
    ConformanceCheck("bf16", training.low_precision),
    ConformanceCheck("evaluation", inference.evaluation),
    ConformanceCheck("padding", inference.padding),
    ConformanceCheck("merged", inference.merged),
    ConformanceCheck(FILES, artifact.saved_files, of_training=True),
    ConformanceCheck("artifact size", artifact.artifact_size, needs=(FILES, META), of_training=True),
    ConformanceCheck("save and load", artifact.save_and_load, needs=(FILES,), of_training=True),
    ConformanceCheck("insights", inference.insights),
    ConformanceCheck("explain", inference.explanation),
)
#: Called before each check with the name of the model, which may be empty, and of the check.
Started = Callable[[str, str], object]


def examine(
    plugin: registry.Plugin, options: Mapping[str, Any] | None = None, chosen: Sequence[Specimen] | None = None,
    started: Started = lambda *_: None, checks: Sequence[ConformanceCheck] = CHECKS,
) -> Iterator[Result]:  # fmt: skip
    """Run every check on a method and yield the results.

    Args:
        plugin: the method.
        options: options of the method; None: its defaults.
        chosen: models to check it on, if it supports them; None: all.
        started: called before each check.
        checks: checks to run on each model.
    """
    method: type[BaseMethod] | None = None

    def imported() -> Finding:
        nonlocal method
        finding, method = declared.imported(plugin)
        return finding

    def ask(name: str, question: Callable[[], Finding]) -> Result:
        started("", name)
        return Result.of("", name, _guarded(question))

    yield ask("import", imported)
    if method is None:
        return
    loaded: type[BaseMethod] = method
    yield ask("label", lambda: declared.label(loaded))
    yield ask("options", lambda: declared.options(plugin.name, loaded))
    if issubclass(loaded, TextMethod):
        subject = TextSubject(name=plugin.name, method_class=loaded, options=dict(options or {}))
        yield from _examine_texts(subject, started)
    elif issubclass(loaded, Method):
        yield from _examine_models(plugin.name, loaded, dict(options or {}), chosen, started, checks)


def _examine_models(
    name: str, method: type[Method], options: Mapping[str, Any], chosen: Sequence[Specimen] | None, started: Started,
    checks: Sequence[ConformanceCheck],
) -> Iterator[Result]:  # fmt: skip
    """Run the checks on every model that the method supports."""
    started("", "kinds")
    kinds = Result.of("", "kinds", _guarded(declared.kinds, method))
    yield kinds
    if kinds.verdict == "fail":
        yield Result.of("", "models", not_run("it needs: kinds"))
        return
    checked = False
    for specimen in specimens() if chosen is None else chosen:
        if method.supports(specimen.kind):
            subject = Subject(name=name, method_class=method, options=options, specimen=specimen)
            for result in _examine_on(subject, started, checks):
                checked = checked or result.verdict != "not applicable"
                yield result
    if not checked:
        advice = "adapt one of these architectures, or correct supports"
        names = ", ".join(specimen.name for specimen in specimens())
        yield Result.of("", "models", failed(f"no model could be adapted: {names}", advice))


def _examine_texts(subject: TextSubject, started: Started) -> Iterator[Result]:
    """Run the checks of a method without a model; if it cannot be fitted at all, the others are not run."""
    sound = True
    for name, examine_texts in TEXT_CHECKS:
        started("", name)
        finding = _guarded(examine_texts, subject) if sound else not_run(f"it needs: {TEXT_CHECKS[0][0]}")
        sound = sound and (name != TEXT_CHECKS[0][0] or finding.verdict == "pass")
        yield Result.of("", name, finding)


def _examine_on(subject: Subject, started: Started, checks: Sequence[ConformanceCheck]) -> Iterator[Result]:
    model, unsound = subject.specimen.name, set[str]()
    for check in checks:
        if check.of_training and not subject.method_class.trains:
            continue
        started(model, check.name)
        missing = [name for name in check.needs if name in unsound]
        finding = not_run(f"it needs: {', '.join(missing)}") if missing else _guarded(check.examine, subject)
        if finding.verdict in ("fail", "not run"):
            unsound.add(check.name)
        yield Result.of(model, check.name, finding)
        if check.name == ADAPT and finding.verdict == "not applicable":
            return


def _guarded(question: Callable[..., Finding], *arguments: object) -> Finding:
    """Run a check; an exception of the plugin is a failure, and process settings are restored."""
    with kept_settings():
        try:
            return question(*arguments)
        except (Exception, SystemExit) as error:
            found = said(error) if isinstance(error, RequestError) else f"{kind_of(error)}: {said(error)}"
            advice = "fix it; --traceback shows where it was raised"
            return failed(found, advice, traceback_of(error))
