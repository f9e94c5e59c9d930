"""A console that survives a closed pipe, and warnings on it."""

from collections.abc import Callable
from contextlib import suppress

from rich.console import Console

from bench.text.display import say
from bench.text.message import message

LONGEST_WARNING = 2000


class PatientConsole(Console):
    """A console that falls silent when its pipe is closed, so that the command still writes its files."""

    def on_broken_pipe(self) -> None:
        """Fall silent instead of ending the process."""
        with suppress(SystemExit):
            super().on_broken_pipe()


def warn_on(console: Console) -> Callable[[str], None]:
    """A function that prints a warning."""
    return lambda text: say(f"warning: {message(text, LONGEST_WARNING)}", console)
