"""tunebench: what it costs, and what it buys, to adapt a pretrained language model to a text-classification task."""

__version__ = "0.1.0"
