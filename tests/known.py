"""A value that a test knows to be there, for what comes after and for the type checker."""

from typing import TypeVar

T = TypeVar("T")


def known(value: T | None) -> T:
    """The value, which is not None.

    Raises:
        AssertionError: it is None.
    """
    assert value is not None
    return value
