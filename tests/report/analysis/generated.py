"""Predictions of methods with a known macro F1, drawn from a model of texts, methods and seeds."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from bench.report.analysis.macro_f1 import Contributions, contributions

#: Whether to simulate as often as the figures of docs/statistics.md were.
FULL = os.environ.get("TUNEBENCH_SIMULATIONS") == "full"


@dataclass(frozen=True, slots=True)
class Model:
    """A model of right and wrong answers in classes of equal size, for which macro F1 is the share of right ones.

    A method answers a text rightly if the sum of its level and of independent normal effects is above 0. An error is
    one of the other classes, each as likely.

    Attributes:
        texts: deviation of the difficulty of a text, which all methods share.
        own: deviation of the difficulty of a text for one method, the same for all its seeds.
        seeds: deviation of a method's level from seed to seed.
        both: deviation of a text's difficulty for one seed of one method.
    """

    texts: float
    own: float
    seeds: float
    both: float

    def draw(
        self, rng: np.random.Generator, f1: tuple[float, ...], num_seeds: int, num_texts: int, num_labels: int = 3
    ) -> Contributions:
        """The contributions of texts to the macro F1 of each method and seed, shape [methods, seeds, texts].

        Args:
            rng: generator.
            f1: true macro F1 of each method.
            num_seeds: number of seeds.
            num_texts: number of texts.
            num_labels: number of classes.
        """
        shape = (len(f1), num_seeds, num_texts)
        total = np.linalg.norm([self.texts, self.own, self.seeds, self.both])
        margin = ndtri(np.array(f1))[:, None, None] * total + rng.normal(0, self.texts, num_texts)
        margin = margin + rng.normal(0, self.own, (len(f1), 1, num_texts))
        margin = margin + rng.normal(0, self.seeds, (len(f1), num_seeds, 1)) + rng.normal(0, self.both, shape)
        truth = rng.permutation(np.arange(num_texts) % num_labels)
        wrong = (truth + rng.integers(1, num_labels, shape)) % num_labels
        predicted = np.where(margin > 0, truth, wrong).reshape(-1, num_texts)
        return contributions(truth, predicted, num_labels).reshape(shape)

    def tables(self, times: int, f1: tuple[float, ...], num_seeds: int, num_texts: int) -> Iterator[Contributions]:
        """Many draws, always the same; other arguments as for ``draw``."""
        rng = np.random.default_rng(18)
        for _ in range(times):
            yield self.draw(rng, f1, num_seeds, num_texts)


MODELS = {
    "seeds dominate": Model(texts=1.0, own=0.1, seeds=0.1, both=0.1),
    "texts dominate": Model(texts=0.8, own=0.6, seeds=0.01, both=0.1),
    "both, with interaction": Model(texts=0.8, own=0.35, seeds=0.05, both=0.5),
}
