"""A quadratic in the length is solved for the length, and what is no such quadratic has none."""

import pytest

from bench.commands.audit.lengths import implied_length
from tests.commands.audit.conftest import llm_flops, llm_row
from tests.known import known

ROW = llm_row("imdb", "llama-3-8b-instruct", "lora")


@pytest.mark.parametrize("tokens", [1, 78, 290, 4096])
def test_the_length_is_found_again(tokens: int) -> None:
    flops = known(llm_flops(ROW, tokens))
    assert implied_length(ROW, flops, llm_flops) == pytest.approx(tokens, rel=1e-6)


def test_a_cost_in_proportion_to_the_length() -> None:
    assert implied_length(ROW, 5e9, lambda row, tokens: 10**7 * tokens) == pytest.approx(500)


def test_no_length() -> None:
    assert implied_length(ROW, 1e9, None) is None
    assert implied_length(ROW, 1e9, lambda row, tokens: 5 if tokens < 200 else None) is None
    assert implied_length(ROW, 1e9, lambda row, tokens: 7) is None  # the length does not matter
    assert implied_length(ROW, 1.0, lambda row, tokens: 10**6 + tokens) is None  # less than at no tokens
    assert implied_length(ROW, 1.0, lambda row, tokens: 10**9 + tokens**2) is None
