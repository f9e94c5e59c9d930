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
from typing import NoReturn

from bench import __version__
from bench.commands import doctor, methods, options, plan, report, run
from bench.commands.audit import command as audit
from bench.commands.check import command as check
from bench.commands.compare import command as compare
from bench.commands.explain import command as explain

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


VERBS = {
    "run": (run, "measure a study and print its comparison table"),
    "plan": (plan, "say what a study will cost: parameters, FLOPs, memory; no weights needed"),
    "audit": (audit, "put a published table beside a plan: can its numbers be right?"),
    "compare": (compare, "two runs or reports side by side: what changed, and what got worse"),
    "check": (check, "hold a method to the plugin contract, with a verdict a line"),
    "report": (report, "draw tables, figures and a page of run folders"),
    "explain": (explain, "show what a method does with each token of a text"),
    "methods": (methods, "list the methods with their options"),
    "doctor": (doctor, "say what this machine has and what is missing"),
}


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tunebench",
        description="What it costs, and what it buys, to adapt a pretrained language model to text classification.",
    )
    parser.add_argument("--version", action="version", version=f"tunebench {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (module, purpose) in VERBS.items():
        module.add_arguments(verbs.add_parser(name, help=purpose))
    return parser


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
            return _code_of(parsed, lambda: _act(parsed))

    if arguments is not None or parsed.verb not in IMPORT_PLUGINS:
        return act()
    with interruptible():
        return _code_of(parsed, lambda: in_own_process(act))


def _act(parsed: argparse.Namespace) -> int:
    """Call the verb's function with the arguments that its file declares."""
    arguments = {name: value for name, value in vars(parsed).items() if name not in ("verb", "act")}
    return int(parsed.act(**arguments))


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
        return options.CELLS_FAILED if isinstance(error, StoppedError) else options.WRONG_REQUEST
    except BrokenPipeError:
        return _unheard()
    except OSError as error:
        print(f"tunebench: {printable(_reason(error))}", file=sys.stderr)
        return options.WRONG_REQUEST
    except KeyboardInterrupt as error:
        kept = "; finished cells are kept, the same command goes on from here" if parsed.verb == "run" else ""
        with suppress(OSError):  # a terminal that was closed
            print(f"tunebench: interrupted{kept}", file=sys.stderr)
        return exit_code(error)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # the console's way to say so
            return _unheard()
        print(f"tunebench: {parsed.verb} was ended by {ended!r:.200}, which nothing of it raises", file=sys.stderr)
        return options.WRONG_REQUEST


def _unheard() -> int:
    """Nobody reads the output any more: what is left of it goes nowhere, and the shell is told so as it is used to."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
            continue
        os.dup2(nowhere, stream.fileno())
    return options.UNHEARD


def _reason(error: OSError) -> str:
    """Which file, and what is wrong; some errors, as that of a socket's path, name no file and have no number."""
    from bench.text.message import message

    where = "" if error.filename is None else f"{error.filename}: "
    return message(f"{where}{error.strerror or error or type(error).__name__}")


if __name__ == "__main__":
    sys.exit(main())
