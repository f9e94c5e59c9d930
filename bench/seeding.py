"""The random numbers of a cell."""

import random

import numpy as np
import torch


def seed_generators(seed: int) -> None:
    """Start every generator of random numbers that a cell may draw from."""
    random.seed(seed)
    np.random.seed(seed)  # libraries and plugins may draw from the global generator
    torch.manual_seed(seed)
