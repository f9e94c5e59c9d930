"""What is said to people is bounded, whatever was said."""

import pytest

from bench.errors import DataError, UnknownNameError, UnsupportedError
from bench.text.message import LONGEST_MESSAGE, kind_of, listed, message, said, shortened, traceback_of


class MuteError(Exception):
    def __str__(self) -> str:
        raise KeyError("x")


def test_the_middle_is_left_out() -> None:
    shown = shortened("a" * 100 + "b" * 100, 60)
    assert len(shown) == 60
    assert shown.startswith("aaaa")
    assert shown.endswith("bbbb")
    assert "[…140 characters left out…]" in shown
    assert (shortened(shown, 60), shortened("abcdef", 5), shortened("abcde", 5)) == (shown, "abcd…", "abcde")


def test_a_message_is_bounded_and_holds_no_credentials() -> None:
    shown = message("https://u:PASSWORD@host " + "x" * 10**7 + "; set text and label")
    assert len(shown) <= LONGEST_MESSAGE
    assert shown.startswith("https://REDACTED@host xxx")
    assert shown.endswith("x; set text and label")
    assert message(shown) == shown


def test_a_credential_at_a_cut_is_not_left_in_half() -> None:
    for at in range(66_600, 66_700):  # where the first cut falls
        assert "PASSW" not in message("x" * at + " https://user:PASSWORD@host " + "y" * 10**6)


def test_every_error_of_ours_is_one() -> None:
    assert len(str(DataError("x" * 10**6))) <= LONGEST_MESSAGE
    assert str(UnsupportedError("https://u:p@h")) == "https://REDACTED@h"
    assert (
        len(str(UnknownNameError("key", "n" * 10**6, ("k" * 10**5 + str(at) for at in range(3000))))) <= LONGEST_MESSAGE
    )


def test_an_error_that_cannot_say_what_it_is() -> None:
    assert said(MuteError()) == "(its message cannot be read: KeyError)"
    assert said(ValueError("x" * 10**6)).startswith("xxx")
    assert len(kind_of(type("E" * 10**5, (Exception,), {})())) <= 200
    with pytest.raises(MuteError) as raised:
        raise MuteError
    assert "test_message.py" in traceback_of(raised.value)


def test_names_are_listed_in_their_order() -> None:
    assert listed(["b", 1]) == "b, 1"
    shown = listed([f"n{at}" for at in range(10**6)])
    assert shown.startswith("n0, n1, n2")
    assert shown.endswith("n49 and 999950 more")
    assert len(listed(["x" * 10**6] * 100)) < LONGEST_MESSAGE
