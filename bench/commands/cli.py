"""The ``tunebench`` command: parsing and exit codes only.

Exit codes: 0 all cells ok, 1 some cells failed (their rows say how) or the disk is full, 2 the request was wrong, 3
``compare`` found a regression, 128 plus the signal number if a signal ended the command (130 Ctrl-C, 143 SIGTERM, 129
SIGHUP, 141 output closed by its reader).
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from bench import __version__
from bench.commands import doctor, methods, options, plan, ratios, report, run, tune
from bench.commands.audit import command as audit
from bench.commands.check import command as check
from bench.commands.compare import command as compare
from bench.commands.explain import command as explain

#: Maximum characters of a message about wrong arguments, and of one line of any other message.
LONGEST_REFUSAL, LONGEST_LINE = 2000, 4000


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Report wrong arguments; the message quotes them, so it is shortened and redacted."""
        from bench.text.display import printable
        from bench.text.message import message as fit

        super().error(printable(fit(message, LONGEST_REFUSAL)))


#: Commands that import plugins themselves and therefore run in a separate process; the others use workers.
IMPORT_PLUGINS = {"plan", "audit", "explain", "methods", "doctor"}


COMMANDS = {
    "run": (run, "measure a study and print its comparison table"),
    "tune": (tune, "only search the settings of a study, and print the best ones as a study file"),
    "ratios": (ratios, "measure the speed of methods relative to one of them, in turn and on the same batches"),
    "plan": (plan, "predict what a study will cost: parameters, FLOPs, memory; no weights needed"),
    "audit": (audit, "compare a published table with a plan: can its numbers be right?"),
    "compare": (compare, "compare two runs or reports: what changed, and what got worse"),
    "check": (check, "check a method against the plugin contract, one line per check"),
    "report": (report, "write tables, figures and a page from run folders"),
    "explain": (explain, "show what a method does with each token of a text"),
    "methods": (methods, "list the methods with their options"),
    "doctor": (doctor, "show what this machine has and what is missing"),
}


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tunebench",
        description=(
            "tunebench measures what it costs, and what it gains, to adapt a pretrained language model to a "
            "text-classification task."
        ),
    )
    parser.add_argument("--version", action="version", version=f"tunebench {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, purpose) in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=purpose))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code.

    Args:
        arguments: arguments in place of the command line's; the command then runs in this process, plugins included.
    """
    parsed = _parser().parse_args(arguments)
    from bench.run.interrupts import interruptible
    from bench.run.own_process import in_own_process

    if sys.stdin is None:  # closed by the parent; the chart library would reuse its descriptor
        os.open(os.devnull, os.O_RDONLY)

    def act() -> int:
        with interruptible():
            return _code_of(parsed, lambda: _act(parsed))

    if arguments is not None or parsed.command not in IMPORT_PLUGINS:
        return act()
    with interruptible():
        return _code_of(parsed, lambda: in_own_process(act))


def _act(parsed: argparse.Namespace) -> int:
    """Call the command's function with the arguments that its module declares."""
    arguments = {name: value for name, value in vars(parsed).items() if name not in ("command", "act")}
    return int(parsed.act(**arguments))


def _code_of(parsed: argparse.Namespace, act: Callable[[], int]) -> int:
    """Run a command and return its exit code; errors are printed to stderr as plain messages."""
    from bench.errors import RequestError, StoppedError
    from bench.run.interrupts import exit_code
    from bench.text.display import printable
    from bench.text.message import shortened

    try:
        code = act()
        sys.stdout.flush()
        return code
    except (RequestError, StoppedError) as error:
        for line in str(error).split("\n"):  # may quote an untrusted file
            print(f"tunebench: {shortened(printable(line), LONGEST_LINE)}", file=sys.stderr)
        return options.CELLS_FAILED if isinstance(error, StoppedError) else options.WRONG_REQUEST
    except BrokenPipeError:
        return _output_closed()
    except OSError as error:
        print(f"tunebench: {printable(_reason(error))}", file=sys.stderr)
        return options.WRONG_REQUEST
    except KeyboardInterrupt as error:
        kept = (
            "; finished cells are kept; run the same command to continue" if parsed.command in ("run", "tune") else ""
        )
        with suppress(OSError):  # the terminal was closed
            print(f"tunebench: interrupted{kept}", file=sys.stderr)
        return exit_code(error)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # rich raises SystemExit here
            return _output_closed()
        print(
            f"tunebench: {parsed.command} was ended by {ended!r:.200}, raised by a plugin or library", file=sys.stderr
        )
        return options.WRONG_REQUEST


def _output_closed() -> int:
    """Discard the rest of the output, whose reader has closed it, and return the usual exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
            continue
        os.dup2(nowhere, stream.fileno())
    return options.OUTPUT_CLOSED


def _reason(error: OSError) -> str:
    """The file and the error; some errors, such as one about a socket path, have neither file nor number."""
    from bench.text.message import message

    where = "" if error.filename is None else f"{error.filename}: "
    return message(f"{where}{error.strerror or error or type(error).__name__}")


if __name__ == "__main__":
    sys.exit(main())
