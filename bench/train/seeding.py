"""The random numbers of a cell."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_generators(seed: int) -> None:
    """Start every generator of random numbers that a cell may draw from."""
    random.seed(seed)
    np.random.seed(seed)  # libraries and plugins may draw from the global generator
    torch.manual_seed(seed)


@contextmanager
def kept_generators() -> Iterator[None]:
    """Put every generator back afterwards, so that what an extra draws changes no later draw."""
    python, of_numpy = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(of_numpy)
