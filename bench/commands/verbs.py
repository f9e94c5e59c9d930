"""What each verb of the command does with its arguments; returns an exit code."""

import argparse
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from bench.report.export import Target

# Imports of each verb stand inside its function: --help must answer without loading a table library, or worse, torch.

#: All cells ok; some cells failed, their rows say how; the request was wrong; a comparison found a regression; nobody
#: reads the output any more. A signal gives 128 plus its number.
OK, CELLS_FAILED, WRONG_REQUEST, REGRESSED, UNHEARD = 0, 1, 2, 3, 141


def run(arguments: argparse.Namespace) -> int:
    """``tunebench run``."""
    from bench.errors import StoppedError
    from bench.record.files import require_writable
    from bench.report.console import PatientConsole
    from bench.report.export import parse_target
    from bench.run.executor import LocalExecutor
    from bench.run.progress import ProgressDisplay
    from bench.run.run import Request
    from bench.run.run import run as run_study
    from bench.study.grid import parse_only
    from bench.study.study import load_study, study_base

    study = load_study(arguments.study)
    folder = arguments.runs / study.name
    request = Request(
        study=study,
        base=study_base(arguments.study),
        folder=folder,
        data_root=arguments.data_root,
        plugin_files=arguments.plugin,
        only=parse_only(arguments.only),
        scale=arguments.scale,
        retry_oom=arguments.retry == "oom",
    )
    targets = [parse_target(text) for text in arguments.log]
    require_writable(arguments.reports / study.name)
    try:
        with ProgressDisplay(PatientConsole()) as display:
            records = run_study(request, LocalExecutor, display)
    except StoppedError as stopped:
        _draw_rest(stopped, folder, arguments.reports)
        raise
    _draw([folder], arguments, targets, again=False)
    return OK if all(record.status == "ok" for record in records) else CELLS_FAILED


def _draw_rest(stopped: Exception, folder: Path, reports: Path) -> None:
    """Show the cells that a study finished before it stopped, as far as that can be done."""
    from bench.errors import RunFolderError
    from bench.report.console import PatientConsole
    from bench.report.draw import draw

    try:
        draw([folder], reports, PatientConsole())
    except (RunFolderError, OSError) as error:
        stopped.args = (f"{stopped}\n{error}",)


@contextmanager
def _importing() -> Iterator[None]:
    """Keep the collector from looking, a quarter of the time, for garbage that torch and its like do not leave."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def plan(arguments: argparse.Namespace) -> int:
    """``tunebench plan``."""
    with _importing():
        from rich.console import Console

        from bench.commands.plan import PlanOptions
        from bench.commands.plan import plan as show_plan
        from bench.study.grid import parse_only
        from bench.study.study import load_study, study_base

    study = load_study(arguments.study)
    options = PlanOptions(
        study=study,
        base=study_base(arguments.study),
        models=arguments.model,
        data_root=arguments.data_root,
        plugin_files=arguments.plugin,
        only=parse_only(arguments.only),
        device=arguments.device,
        with_memory=not arguments.no_memory,
        fits=arguments.fits,
        layout=arguments.format,
        scale=arguments.scale,
        run_folder=arguments.run,
    )
    return OK if show_plan(options, Console()) else CELLS_FAILED


def audit(arguments: argparse.Namespace) -> int:
    """``tunebench audit``."""
    with _importing():
        from rich.console import Console

        from bench.commands.audit.command import AuditOptions, run_audit
        from bench.record.files import require_writable

    if not arguments.summary:
        require_writable(arguments.reports)
    options = AuditOptions(
        tables=arguments.tables,
        study=arguments.study,
        names=arguments.names,
        run_folder=arguments.run,
        data_root=arguments.data_root,
        plugin_files=arguments.plugin,
        with_memory=not arguments.no_memory,
        threshold_percent=arguments.within,
        reports=None if arguments.summary else arguments.reports,
    )
    run_audit(options, Console())
    return OK


def compare(arguments: argparse.Namespace) -> int:
    """``tunebench compare``."""
    with _importing():
        from rich.console import Console

        from bench.commands.compare.command import CompareOptions, run_compare

    options = CompareOptions(
        a=arguments.a,
        b=arguments.b,
        threshold_percent=arguments.threshold,
        f1_threshold=arguments.f1_threshold,
        strict=arguments.strict,
        every=arguments.every,
        layout=arguments.format,
    )
    return OK if run_compare(options, Console()) else REGRESSED


def check(arguments: argparse.Namespace) -> int:
    """``tunebench check``."""
    from rich.console import Console

    from bench.commands.check.command import CheckOptions, run_check
    from bench.run.executor import LocalExecutor

    options = CheckOptions(
        methods=arguments.methods,
        timeout_seconds=arguments.timeout,
        layout=arguments.format,
        with_traceback=arguments.traceback,
    )
    return OK if run_check(options, LocalExecutor, Console()) else CELLS_FAILED


def report(arguments: argparse.Namespace) -> int:
    """``tunebench report``."""
    from rich.console import Console

    from bench.errors import RequestError
    from bench.record.files import require_writable
    from bench.report.export import parse_target

    if arguments.verify is not None:
        if arguments.runs:
            raise RequestError("--verify takes a report and no run folder: tunebench report --verify reports/<study>")
        if arguments.format or arguments.log:
            raise RequestError("--verify draws in the report's own formats and logs nothing: no --format, no --log")
        return _verify(arguments.verify, Console())
    if not arguments.runs:
        raise RequestError("name a run folder or a report, e.g. runs/demo, or give --verify DIR")
    targets = [parse_target(text) for text in arguments.log]
    require_writable(arguments.reports)
    _draw(arguments.runs, arguments, targets)
    return OK


def _draw(
    paths: Sequence[Path], arguments: argparse.Namespace, targets: Sequence["Target"], *, again: bool = True
) -> None:
    """Draw a report, write the cards of kept artifacts, and log the cells where the user wants them too.

    Raises:
        RequestError: a log could not be written; all others are.
    """
    from bench.errors import RequestError, TunebenchError
    from bench.report.console import PatientConsole, warn_on
    from bench.report.draw import draw
    from bench.report.export import cards, export

    console = PatientConsole()
    results = draw(paths, arguments.reports, console, arguments.format or ["all"], wide=arguments.wide, again=again)
    for path in paths:
        cards.write(path, results, warn_on(console))
    troubles = []
    for target in targets:
        try:
            export(results, target, console)
        except TunebenchError as error:
            troubles.append(str(error))
    if troubles:
        raise RequestError("; ".join(troubles))


def _verify(folder: Path, console: "Console") -> int:
    """Say whether a report is what its own records give."""
    from bench.report.verify import verify
    from bench.text.display import for_terminal

    compared, wrong = verify(folder)
    for sentence in wrong or [f"all {compared} files are what its records give, byte by byte"]:
        console.print(for_terminal(f"{folder}: {sentence}", console), highlight=False, soft_wrap=True)
    return CELLS_FAILED if wrong else OK


def explain(arguments: argparse.Namespace) -> int:
    """``tunebench explain``."""
    from rich.console import Console

    from bench.commands.explain.command import run_explain
    from bench.measure.hidden_gpus import gpus_hidden

    page, plugin_files = arguments.html, arguments.plugin
    with gpus_hidden():  # a model is explained on the CPU
        run_explain(arguments.run_folder, arguments.cell, arguments.text, page, Console(), plugin_files)
    return OK


def methods(arguments: argparse.Namespace) -> int:
    """``tunebench methods``."""
    from rich.console import Console

    from bench.commands.doctor import show_methods

    return OK if show_methods(arguments.plugin, Console()) else CELLS_FAILED


def doctor(arguments: argparse.Namespace) -> int:
    """``tunebench doctor``."""
    from rich.console import Console

    from bench.commands.doctor import show_data, show_doctor, show_prompt
    from bench.errors import RequestError

    if arguments.data is not None:
        if arguments.prompt is not None:
            raise RequestError("give one of --data and --prompt")
        show_data(arguments.data, arguments.study, arguments.data_root, Console())
        return OK
    if arguments.prompt is not None:
        model, dataset = arguments.prompt
        show_prompt(model, dataset, arguments.study, arguments.data_root, Console())
        return OK
    return OK if show_doctor(arguments.plugin, arguments.data_root, Console()) else CELLS_FAILED
