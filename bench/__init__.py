"""tunebench: what it costs, and what it buys, to adapt a pretrained language model to a text-classification task."""

import logging

__version__ = "0.1.0"

# As it is imported, which peft does, it warns of an optional package that is not there. Nothing else is logged so early.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
