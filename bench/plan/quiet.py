"""What libraries say while a model is only planned."""

import warnings

from transformers.utils import logging as transformers_logging


def silence_libraries() -> None:
    """Keep hints about weights, padding and missing kernels from the terminal: none of them is about a plan."""
    transformers_logging.set_verbosity_error()
    # peft reads it on every wrapped model.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
    warnings.filterwarnings("ignore", message="fan_in_fan_out is set to", category=UserWarning)
    # peft, after merging, asks whether input and output embeddings share memory; fake ones have none to share.
    warnings.filterwarnings("ignore", message="Accessing the data pointer of FakeTensor", category=UserWarning)
