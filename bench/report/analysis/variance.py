"""The mean over texts and seeds, with the variance of both."""

import math
import statistics

from bench.report.analysis.macro_f1 import Contributions
from bench.report.analysis.significance import Estimate, StandardError


def over_texts_and_seeds(contributions: Contributions) -> Estimate:
    """The mean of contributions of texts, which every seed predicted; for one seed, with the variance of texts alone.

    Texts and seeds are crossed random factors without replication. With the mean squares MS of their two-way analysis
    of variance, the variance of the mean over S seeds and N texts is estimated by

        A + B = MS(seeds) / (S N) + max(MS(texts) - MS(interaction), 0) / (S N).

    A is the variance between the seeds' means, divided by S. It holds the interaction of texts and seeds already, so B
    adds only the variation between texts that all seeds share (Dorfman, Berbaum and Metz, Receiver operating
    characteristic rating analysis, Investigative Radiology 27, 1992, pages 723 to 731; Hillis, A comparison of
    denominator degrees of freedom methods for multiple observer ROC analysis, Statistics in Medicine 26, 2007, pages
    596 to 619; their readers are our seeds, and their cases our texts). The degrees of freedom are
    (A + B)² / (A² / (S - 1) + B² / (N - 1)) (Satterthwaite, An Approximate Distribution of Estimates of Variance
    Components, Biometrics Bulletin 2, 1946, pages 110 to 114).

    With few seeds, A may be small by chance; the degrees of freedom are then too many, and 8 % (3 seeds) or 13 % (2
    seeds) of tests find a difference between equal methods. So the interval is never narrower than that over the seeds
    alone, nor than that over the texts alone; docs/statistics.md has the figures.

    Args:
        contributions: contribution of each text to the value of each seed, or its difference, shape [S, N].
    """
    num_seeds, num_texts = contributions.shape
    by_seed, by_text = contributions.mean(axis=1), contributions.mean(axis=0)
    value = statistics.fmean(by_seed)
    if num_texts == 1:
        return Estimate(value, (StandardError(math.inf, 1),), ("texts",))
    texts_alone = StandardError(math.sqrt(float(by_text.var(ddof=1)) / num_texts), num_texts - 1)
    if num_seeds == 1:
        return Estimate(value, (texts_alone,), ("texts",))
    rest = contributions - by_seed[:, None] - by_text + value
    interaction = float((rest**2).sum()) / ((num_seeds - 1) * (num_texts - 1)) / (num_seeds * num_texts)
    seeds = float(by_seed.var(ddof=1)) / num_seeds
    texts = max(0.0, texts_alone.size**2 - interaction)
    degrees = _satterthwaite((seeds, num_seeds - 1), (texts, num_texts - 1))
    both, seeds_alone = StandardError(math.sqrt(seeds + texts), degrees), StandardError(math.sqrt(seeds), num_seeds - 1)
    return Estimate(value, (both, seeds_alone, texts_alone), ("texts", "seeds"))


def _satterthwaite(*parts: tuple[float, int]) -> float:
    """Degrees of freedom of a sum of variances, each given with its own."""
    total = sum(variance for variance, _ in parts)
    if not total:
        return max(degrees for _, degrees in parts)
    return 1 / sum((variance / total) ** 2 / degrees for variance, degrees in parts)
