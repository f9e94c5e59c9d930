"""Panics of the tokenizers library, e.g. in a pattern that backtracks without end."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench.errors import ModelError


@contextmanager
def panics_are_errors(what: str) -> Iterator[None]:
    """Turn a panic of the library, which is not an Exception and would end the process, into an error of the model.

    Args:
        what: description of the tokenizer, for messages.

    Raises:
        ModelError: the tokenizer panicked.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ModelError(
            f"{what}: its tokenizer failed: {str(error)[:300]}; a pattern of its tokenizer.json may be at fault: use "
            "a tokenizer from a source that you trust"
        ) from None
