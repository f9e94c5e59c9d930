"""The ``tunebench`` command: parsing and exit codes only.

Exit codes: 0 all cells ok, 1 some cells failed (their rows say how) or the disk is full, 2 the request was wrong, 3
``compare`` found a regression, 128 plus its number where a signal ended the command (130 Ctrl-C, 143 SIGTERM, 129
SIGHUP, 141 nobody reads the output any more).
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from bench import __version__
from bench.commands import verbs

#: Characters of what is said of wrong arguments, and of one line of any other message.
LONGEST_REFUSAL, LONGEST_LINE = 2000, 4000


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Refuse arguments, which may be long or hold a password: it quotes them."""
        from bench.text.display import printable
        from bench.text.message import message as fit

        super().error(printable(fit(message, LONGEST_REFUSAL)))


#: Verbs that import plugins by themselves, for which they get a process of their own; others have workers for that.
IMPORT_PLUGINS = {"plan", "audit", "explain", "methods", "doctor"}


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tunebench",
        description="What it costs, and what it buys, to adapt a pretrained language model to text classification.",
    )
    parser.add_argument("--version", action="version", version=f"tunebench {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_run(verbs.add_parser("run", help="measure a study and print its comparison table"))
    _add_plan(verbs.add_parser("plan", help="say what a study will cost: parameters, FLOPs, memory; no weights needed"))
    _add_audit(verbs.add_parser("audit", help="put a published table beside a plan: can its numbers be right?"))
    _add_compare(verbs.add_parser("compare", help="two runs or reports side by side: what changed, and what got worse"))
    _add_check(verbs.add_parser("check", help="hold a method to the plugin contract, with a verdict a line"))
    _add_report(verbs.add_parser("report", help="draw tables, figures and a page of run folders"))
    _add_explain(verbs.add_parser("explain", help="show what a method does with each token of a text"))
    _add_methods(verbs.add_parser("methods", help="list the methods with their options"))
    _add_doctor(verbs.add_parser("doctor", help="say what this machine has and what is missing"))
    return parser


def _add_run(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("study", help="name of a shipped study, or path of a .toml file")
    verb.add_argument("--data-root", type=Path, metavar="DIR", help="read datasets from DIR/<name>/<split>.jsonl.gz")
    _add_plugin(verb)
    _add_only(verb)
    verb.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where run folders are (runs)")
    _add_report_options(verb)
    _add_scale(verb)
    verb.add_argument(
        "--retry", choices=("oom",), help="oom: run cells that ran out of memory at the batch that the plan says fits"
    )
    verb.set_defaults(act=verbs.run)


def _add_plan(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("study", help="name of a shipped study, or path of a .toml file")
    verb.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="MODEL",
        help="in place of the study's models: a name, a hub id, a folder or a config.json",
    )
    verb.add_argument("--data-root", type=Path, metavar="DIR", help="read datasets from DIR/<name>/<split>.jsonl.gz")
    _add_plugin(verb)
    _add_only(verb)
    verb.add_argument(
        "--device", metavar="DEVICE", help="whose memory to predict, in place of the study's: auto, cpu, cuda or cuda:N"
    )
    verb.add_argument(
        "--no-memory", action="store_true", help="leave predicted memory out, which takes most of the time"
    )
    verb.add_argument(
        "--fits",
        metavar="SIZE",
        help="mark what fits a card of this size, e.g. 24GB, or the batch that would; predicts for cuda",
    )
    verb.add_argument(
        "--run",
        type=Path,
        metavar="DIR",
        help="a run folder of the study, whose measured peaks stand beside",
    )
    verb.add_argument(
        "--format", choices=("table", "csv", "json"), default="table", help="table (default), csv or json"
    )
    _add_scale(verb)
    verb.set_defaults(act=verbs.plan)


def _add_audit(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("tables", help="a .csv file, a folder with published.toml, or the name of published tables")
    verb.add_argument("--study", help="the study to compare with: a shipped name or a .toml file")
    verb.add_argument("--names", type=Path, metavar="TOML", help="what the names in a .csv file stand for in the study")
    verb.add_argument("--run", type=Path, metavar="DIR", help="a run folder or a report, whose numbers stand beside")
    verb.add_argument("--data-root", type=Path, metavar="DIR", help="count labels in DIR/<name>/<split>.jsonl.gz")
    _add_plugin(verb)
    verb.add_argument("--within", type=float, default=5.0, metavar="PERCENT", help="difference that counts as near (5)")
    verb.add_argument(
        "--no-memory", action="store_true", help="leave predicted memory out, which takes most of the time"
    )
    verb.add_argument("--summary", action="store_true", help="print one paragraph and write no files")
    verb.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR", help="where files go (reports)")
    verb.set_defaults(act=verbs.audit)


def _add_compare(verb: argparse.ArgumentParser) -> None:
    verb.description = "Exit code 3 if B is worse than A, 0 if not, 2 if they cannot be compared."
    verb.add_argument("a", type=Path, metavar="A", help="the baseline: runs/<study>, or a report with records.jsonl")
    verb.add_argument("b", type=Path, metavar="B", help="the candidate: one of either")
    verb.add_argument(
        "--threshold",
        type=float,
        default=5.0,
        metavar="PERCENT",
        help="speed or memory that is worse by more, beyond its noise, is a regression (5)",
    )
    verb.add_argument(
        "--f1-threshold", type=float, default=0.01, metavar="F1", help="the same for F1, as a difference (0.01)"
    )
    verb.add_argument(
        "--strict", action="store_true", help="suspect rows, and cells that were measured in A alone, count too"
    )
    verb.add_argument("--all", dest="every", action="store_true", help="also show metrics that did not move")
    verb.add_argument(
        "--format", choices=("table", "csv", "json"), default="table", help="table (default), csv or json"
    )
    verb.set_defaults(act=verbs.compare)


def _add_check(verb: argparse.ArgumentParser) -> None:
    verb.description = "Exit code 0 if every check passes, 1 if some fail, 2 if the request was wrong."
    verb.add_argument(
        "methods", nargs="+", metavar="METHOD_OR_FILE", help="name of a method, or path of a .py file or a package"
    )
    verb.add_argument(
        "--timeout", type=float, default=300.0, metavar="SECONDS", help="that the checks of a method may take (300)"
    )
    verb.add_argument("--traceback", action="store_true", help="show where a method raised")
    verb.add_argument("--format", choices=("table", "json"), default="table", help="table (default) or json")
    verb.set_defaults(act=verbs.check)


def _add_report(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "runs", type=Path, nargs="*", metavar="RUN", help="runs/<study> or a report; of several the machine is a column"
    )
    _add_report_options(verb)
    verb.add_argument(
        "--verify", type=Path, metavar="DIR", help="draw a report again from its own records and compare every byte"
    )
    verb.set_defaults(act=verbs.report)


def _add_report_options(verb: argparse.ArgumentParser) -> None:
    """What can be said of a report, by whoever draws one."""
    verb.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR", help="where files go (reports)")
    verb.add_argument(
        "--format",
        action="append",
        choices=("md", "csv", "tex", "html", "png", "all"),
        help="write these alone; may be given several times (all)",
    )
    verb.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="TARGET",
        help="log every cell to tensorboard=DIR or mlflow=URI as well; may be given several times",
    )
    verb.add_argument("--wide", action="store_true", help="print every column of the table, with its notes")


def _add_explain(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("run_folder", type=Path, metavar="RUN_DIR", help="runs/<study>")
    verb.add_argument("cell", metavar="CELL", help="the cell's id, or any part of it that no other cell's has")
    verb.add_argument("text", metavar="TEXT", help="to explain")
    _add_plugin(verb)
    verb.add_argument("--html", type=Path, metavar="FILE", help="where the page goes (the cell's folder)")
    verb.set_defaults(act=verbs.explain)


def _add_methods(verb: argparse.ArgumentParser) -> None:
    _add_plugin(verb)
    verb.set_defaults(act=verbs.methods)


def _add_doctor(verb: argparse.ArgumentParser) -> None:
    _add_plugin(verb)
    verb.add_argument("--data-root", type=Path, metavar="DIR", help="also check the datasets there")
    verb.add_argument(
        "--prompt", nargs=2, metavar=("MODEL", "DATASET"), help="print the whole prompt of one text, and nothing else"
    )
    verb.add_argument(
        "--data",
        metavar="NAME_OR_PATH",
        help="print sizes, classes, lengths, duplicates and leaks of a dataset, and nothing else",
    )
    verb.add_argument("--study", metavar="STUDY", help="whose models, datasets and settings --prompt and --data take")
    verb.set_defaults(act=verbs.doctor)


def _add_plugin(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--plugin", type=Path, action="append", default=[], metavar="FILE", help="a method file of your own"
    )


def _add_only(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only cells with this dataset, model, method or seed",
    )


def _add_scale(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--scale", choices=("tiny",), help="tiny: models of random weights with few, narrow layers, to try the wiring"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code.

    Args:
        arguments: in place of the command line's. All is done in this process then, be it what a plugin may end.
    """
    parsed = _parser().parse_args(arguments)
    from bench.run.interrupts import interruptible
    from bench.run.own_process import in_own_process

    if sys.stdin is None:  # closed by whoever started this; what draws charts takes its number for one of its own files
        os.open(os.devnull, os.O_RDONLY)

    def act() -> int:
        with interruptible():
            return _code_of(parsed, lambda: int(parsed.act(parsed)))

    if arguments is not None or parsed.verb not in IMPORT_PLUGINS:
        return act()
    with interruptible():
        return _code_of(parsed, lambda: in_own_process(act))


def _code_of(parsed: argparse.Namespace, act: Callable[[], int]) -> int:
    """The exit code of what is done; what went wrong goes to the error stream in plain words."""
    from bench.errors import RequestError, StoppedError
    from bench.run.interrupts import exit_code
    from bench.text.display import printable
    from bench.text.message import shortened

    try:
        code = act()
        sys.stdout.flush()
        return code
    except (RequestError, StoppedError) as error:
        for line in str(error).split("\n"):  # which may quote a file that comes from elsewhere
            print(f"tunebench: {shortened(printable(line), LONGEST_LINE)}", file=sys.stderr)
        return verbs.CELLS_FAILED if isinstance(error, StoppedError) else verbs.WRONG_REQUEST
    except BrokenPipeError:
        return _unheard()
    except OSError as error:
        print(f"tunebench: {printable(_reason(error))}", file=sys.stderr)
        return verbs.WRONG_REQUEST
    except KeyboardInterrupt as error:
        kept = "; finished cells are kept, the same command goes on from here" if parsed.verb == "run" else ""
        with suppress(OSError):  # a terminal that was closed
            print(f"tunebench: interrupted{kept}", file=sys.stderr)
        return exit_code(error)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # the console's way to say so
            return _unheard()
        print(f"tunebench: {parsed.verb} was ended by {ended!r:.200}, which nothing of it raises", file=sys.stderr)
        return verbs.WRONG_REQUEST


def _unheard() -> int:
    """Nobody reads the output any more: what is left of it goes nowhere, and the shell is told so as it is used to."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
            continue
        os.dup2(nowhere, stream.fileno())
    return verbs.UNHEARD


def _reason(error: OSError) -> str:
    """Which file, and what is wrong; some errors, as that of a socket's path, name no file and have no number."""
    from bench.text.message import message

    where = "" if error.filename is None else f"{error.filename}: "
    return message(f"{where}{error.strerror or error or type(error).__name__}")


if __name__ == "__main__":
    sys.exit(main())
