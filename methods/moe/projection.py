"""Scatter plot of the texts' first two principal components, coloured by class and by expert."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.method import Chart, Examples, Insight

from .observe import Observed
from .values import Value, columns, number, percent, visible

MIN_TEXTS = 3
#: Relative spread of the states below which they differ by rounding only.
ROUNDING = 1e-6


def projection(observed: Observed, examples: Examples, counts: NDArray[np.int64]) -> Insight | None:
    """A scatter of the first two principal components of the texts' states; None if the states do not span a plane.

    Args:
        observed: states of M texts; texts with non-finite states are left out.
        examples: the M texts.
        counts: choices of each text by layer and expert, [M, R, E].
    """
    texts = np.flatnonzero(np.isfinite(observed.states).all(1))
    states = observed.states[texts]
    if len(texts) < MIN_TEXTS or states.shape[1] < 2 or np.ptp(states, axis=0).max() <= ROUNDING * abs(states).max():
        return None
    points, explained = _principal_components(states)
    classes = [visible(name) for name in observed.label_names]
    rows = _rows("class", texts, points, observed.labels[texts], classes)
    experts = [f"expert {expert}" for expert in range(observed.num_experts)]
    for place, layer in enumerate(observed.layers):
        rows += _rows(f"{layer.name}: dominant expert", texts, points, counts[texts, place].argmax(1), experts)
    return Insight(
        name="projection",
        title="Texts by class and by dominant expert",
        caption="First two principal components of the mean over a text's tokens of the encoder's last hidden state, "
        f"n = {len(texts):,} texts of the {examples.split} split; they explain {percent(explained[0])} and "
        f"{percent(explained[1])} of the variance. A text's dominant expert in a layer is the one that most of "
        "its choices go to, the lowest id of several. The column text is the text's row among those looked at, from 0.",
        columns=columns(("panel", "x", "y", "class_or_expert", "text"), rows),
        chart=Chart(
            kind="scatter", x="x", y="y", colour="class_or_expert", panel="panel", x_label="first component",
            y_label="second component",
        ),
    )  # fmt: skip


def _principal_components(states: NDArray[np.float64]) -> tuple[NDArray[np.float64], Sequence[float]]:
    """Points [M, 2] of states [M, D], and the share of the variance that each axis explains.

    The sign of a component is arbitrary; here its largest entry is positive.
    """
    from sklearn.decomposition import PCA  # imported here, so that reading a method's options stays fast

    pca = PCA(n_components=2, svd_solver="full")
    points = pca.fit_transform(states)
    largest = abs(pca.components_).argmax(1)
    signs = np.sign(np.take_along_axis(pca.components_, largest[:, None], axis=1)[:, 0])
    return points * np.where(signs == 0, 1.0, signs), pca.explained_variance_ratio_.tolist()


def _rows(
    panel: str, texts: NDArray[np.int64], points: NDArray[np.float64], kinds: NDArray[np.int64], names: Sequence[str]
) -> list[tuple[Value, ...]]:
    """A row per text, beginning with the first text of each kind, because a legend lists kinds in order of appearance.

    The others keep the order of the texts; otherwise the last kind would cover the others.
    """
    first = np.unique(kinds, return_index=True)[1]
    order = np.concatenate([first, np.setdiff1d(np.arange(len(texts)), first)])
    return [
        (panel, number(points[row, 0]), number(points[row, 1]), names[kinds[row]], int(texts[row])) for row in order
    ]
