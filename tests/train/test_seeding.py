"""Random numbers of a cell: settled by its seed, and not moved by extras."""

import random

import numpy as np
import pytest
import torch

from bench.train.seeding import kept_generators, seed_generators


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_a_seed_settles_every_generator() -> None:
    seed_generators(3)
    first = draws()
    seed_generators(3)
    assert draws() == first
    seed_generators(4)
    assert all(one != other for one, other in zip(draws(), first, strict=True))


@pytest.mark.parametrize("fails", [False, True])
def test_what_an_extra_draws_changes_no_later_draw(fails: bool) -> None:
    seed_generators(3)
    expected = draws()
    seed_generators(3)
    try:
        with kept_generators():
            seed_generators(99)
            draws()
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert draws() == expected
