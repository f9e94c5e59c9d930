"""Silence warnings of libraries while a model is only planned."""

import warnings

from transformers.utils import logging as transformers_logging


def silence_libraries() -> None:
    """Suppress warnings about weights, padding and missing kernels, which do not concern a plan."""
    transformers_logging.set_verbosity_error()
    # peft reads this attribute on every wrapped model.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
    warnings.filterwarnings("ignore", message="fan_in_fan_out is set to", category=UserWarning)
    # After merging, peft compares the memory of input and output embeddings, which fake tensors do not have.
    warnings.filterwarnings("ignore", message="Accessing the data pointer of FakeTensor", category=UserWarning)
