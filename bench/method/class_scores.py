"""Check the class scores that a method without a model returns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import PluginError


def checked_scores(scores: Any, num_texts: int, num_labels: int, name: str) -> NDArray[np.float32]:
    """The scores as float32, shape (N, C).

    Args:
        scores: what ``TextMethod.predict`` returned.
        num_texts: number of texts N.
        num_labels: number of classes C.
        name: name of the method, for messages.

    Raises:
        PluginError: they are no numbers, have another shape, or one is not finite.
    """
    try:
        found = np.asarray(scores, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"method {name}: predict must return class scores of shape ({num_texts}, {num_labels}), got "
            f"{type(scores).__name__}, which is no array of numbers: {error}"
        ) from None
    if found.shape != (num_texts, num_labels):
        raise PluginError(
            f"method {name}: predict must return class scores of shape ({num_texts}, {num_labels}), one row a text and "
            f"one column a class, got {found.shape}"
        )
    if not np.isfinite(found).all():
        wrong = int((~np.isfinite(found)).any(axis=1).sum())
        raise PluginError(
            f"method {name}: predict must return finite scores, got NaN or infinity for {wrong} of {num_texts} texts"
        )
    return found
