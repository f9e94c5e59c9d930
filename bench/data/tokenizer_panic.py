"""A tokenizer of the tokenizers library that panics, e.g. in a pattern that backtracks without end."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench.errors import ModelError


@contextmanager
def panics_are_errors(what: str) -> Iterator[None]:
    """Make a panic of the library, which is no Exception and would end the process, an error of the model.

    Args:
        what: the tokenizer, for messages.

    Raises:
        ModelError: it panicked.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ModelError(
            f"{what}: its tokenizer failed: {str(error)[:300]}; a pattern of its tokenizer.json may be at fault: take "
            "the tokenizer from a source that you trust"
        ) from None
