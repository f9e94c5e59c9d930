"""The terminal that a report is shown on: somebody may have gone, and a sign may be none of its encoding."""

from collections.abc import Callable
from contextlib import suppress

from rich.console import Console

from bench.text.display import say
from bench.text.message import message

LONGEST_WARNING = 2000


class PatientConsole(Console):
    """A console that is silent, and does not end the command, where nobody reads any more: files are wanted still."""

    def on_broken_pipe(self) -> None:
        """Be silent from now on."""
        with suppress(SystemExit):
            super().on_broken_pipe()


def warn_on(console: Console) -> Callable[[str], None]:
    """What prints a warning."""
    return lambda text: say(f"warning: {message(text, LONGEST_WARNING)}", console)
