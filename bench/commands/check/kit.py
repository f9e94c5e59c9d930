"""The checks in their order, and one method put through them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.commands.check import adapting, artifact, declared, inference, training
from bench.commands.check.finding import Finding, Result, failed, not_run
from bench.commands.check.process_state import kept_settings
from bench.commands.check.specimen import Specimen, specimens
from bench.commands.check.subject import Subject
from bench.errors import RequestError
from bench.method import Method, registry
from bench.text.message import kind_of, said, traceback_of

#: Names of checks that others stand on.
ADAPT, META, FLOPS, STEP, FILES = "adapt", "meta build", "FLOPs", "training step", "saved files"


@dataclass(frozen=True, slots=True)
class Check:
    """One check on a model.

    Attributes:
        name: in the output.
        examine: does it.
        needs: checks that it stands on: where one of them fails, this one is not run.
        of_training: it is about methods that train; of others it goes unmentioned.
    """

    name: str
    examine: Callable[[Subject], Finding]
    needs: tuple[str, ...] = (STEP,)
    of_training: bool = False


CHECKS = (
    Check(ADAPT, adapting.adapts, needs=()),
    Check("random numbers", adapting.random_numbers, needs=(ADAPT,)),
    Check("devices", adapting.devices, needs=(ADAPT,)),
    Check(META, adapting.meta_build, needs=(ADAPT,)),
    Check(FLOPS, adapting.flops, needs=(META,)),
    Check("closed form", adapting.closed_form_flops, needs=(FLOPS,)),
    Check("parameter groups", training.parameter_groups, needs=(ADAPT,), of_training=True),
    Check("extra loss", training.extra_loss, needs=(ADAPT,), of_training=True),
    Check(STEP, training.step, needs=(ADAPT,)),
    Check("trained move", training.trained_move, of_training=True),
    Check("frozen stay", training.frozen_stay, of_training=True),
    Check("overfit", training.overfits, of_training=True),
    Check("same seed", training.same_seed, of_training=True),
    Check("process state", adapting.process_state),
    Check("bf16", training.low_precision),
    Check("evaluation", inference.evaluation),
    Check("padding", inference.padding),
    Check("merged", inference.merged),
    Check(FILES, artifact.saved_files, of_training=True),
    Check("artifact size", artifact.artifact_size, needs=(FILES, META), of_training=True),
    Check("save and load", artifact.save_and_load, needs=(FILES,), of_training=True),
    Check("insights", inference.insights),
    Check("explain", inference.explanation),
)
#: Told of each check before it is begun: the model, or nothing, and the check.
Started = Callable[[str, str], object]


def examine(
    plugin: registry.Plugin,
    options: Mapping[str, Any] | None = None,
    chosen: Sequence[Specimen] | None = None,
    started: Started = lambda *_: None,
    checks: Sequence[Check] = CHECKS,
) -> Iterator[Result]:
    """Put a method through every check, one result after the other.

    Args:
        plugin: the method.
        options: in place of its defaults.
        chosen: the models to check it on, of those that it supports; None: all there are.
        started: told of each check before it is begun.
        checks: to put its models through.
    """
    method: type[Method] | None = None

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
    loaded: type[Method] = method
    yield ask("label", lambda: declared.label(loaded))
    yield ask("options", lambda: declared.options(plugin.name, loaded))
    yield (kinds := ask("kinds", lambda: declared.kinds(loaded)))
    if kinds.verdict == "fail":
        yield Result.of("", "models", not_run("it stands on: kinds"))
        return
    checked = False
    for specimen in specimens() if chosen is None else chosen:
        if loaded.supports(specimen.kind):
            subject = Subject(name=plugin.name, method_class=loaded, options=dict(options or {}), specimen=specimen)
            for result in _examine_on(subject, started, checks):
                checked = checked or result.verdict != "not applicable"
                yield result
    if not checked:
        advice = "adapt one of the architectures that the kit knows, or mend supports"
        names = ", ".join(specimen.name for specimen in specimens())
        yield Result.of("", "models", failed(f"no model could be adapted: {names}", advice))


def _examine_on(subject: Subject, started: Started, checks: Sequence[Check]) -> Iterator[Result]:
    model, unsound = subject.specimen.name, set[str]()
    for check in checks:
        if check.of_training and not subject.method_class.trains:
            continue
        started(model, check.name)
        missing = [name for name in check.needs if name in unsound]
        finding = not_run(f"it stands on: {', '.join(missing)}") if missing else _guarded(check.examine, subject)
        if finding.verdict in ("fail", "not run"):
            unsound.add(check.name)
        yield Result.of(model, check.name, finding)
        if check.name == ADAPT and finding.verdict == "not applicable":
            return


def _guarded(question: Callable[..., Finding], *arguments: object) -> Finding:
    """What a check finds; whatever a plugin raises is a failure too, and the process is put back as it was."""
    with kept_settings():
        try:
            return question(*arguments)
        except (Exception, SystemExit) as error:
            found = said(error) if isinstance(error, RequestError) else f"{kind_of(error)}: {said(error)}"
            advice = "mend it; --traceback shows where it was raised"
            return failed(found, advice, traceback_of(error))
