"""tunebench: what it costs, and what it buys, to adapt a pretrained language model to a text-classification task."""

import logging

__version__ = "0.1.0"

# Imported, which peft sees to, it warns of an optional package that is not there.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
