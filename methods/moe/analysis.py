"""Insights of a mixture of experts: routing, its association with the class, and differences between experts.

Shapes: N non-padding tokens in M texts, each with K choices of E experts in each of R layers (a shared block counts
once per run); S training steps; D hidden size.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.method import Chart, Examples, Insight, Insights

from .association import PERMUTATIONS, associate, count_choices, holm, share_and_lift
from .observe import LayerRouting, Observed
from .preferences import preferred_examples, preferred_tokens
from .projection import projection
from .random_router import BESIDE, Range, caption_of, highest_lift, information
from .values import Value, columns, number, percent, visible

#: A router has collapsed if more than this share of the tokens have the same first choice.
COLLAPSED = 0.95
MAX_POINTS = 200


@dataclass(frozen=True)
class _Seen:
    """The observed routing, and numbers that several parts need."""

    observed: Observed
    examples: Examples

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Choices of each text by layer and expert, [M, R, E]."""
        texts, experts = len(self.examples.texts), self.observed.num_experts
        places = self.observed.text_of_token
        by_layer = [count_choices(places, layer.chosen, texts, experts) for layer in self.observed.layers]
        return np.stack(by_layer, axis=1)

    @cached_property
    def class_of_token(self) -> NDArray[np.int64]:
        """Class index of each token, [N]."""
        return self.observed.labels[self.observed.text_of_token]

    @cached_property
    def random_bits(self) -> list[Range]:
        """Mutual information of class and expert under random routers, by layer."""
        classes, experts = len(self.observed.label_names), self.observed.num_experts
        return [
            information(self.class_of_token, layer.random_chosen, classes, experts) for layer in self.observed.layers
        ]

    @property
    def tokens(self) -> int:
        return len(self.observed.token_ids)

    @property
    def top_k(self) -> int:
        return int(self.observed.layers[0].chosen.shape[1])

    @property
    def even_share(self) -> float:
        return self.top_k / self.observed.num_experts

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of the tokens that each expert gets, [R, E]; those of a layer sum to K."""
        shares: NDArray[np.float64] = self.counts.sum(0) / self.tokens
        return shares

    @property
    def n(self) -> str:
        return (
            f"n = {self.tokens:,} tokens, special ones counted, of {len(self.examples.texts):,} texts of the "
            f"{self.examples.split} split"
        )


def describe(observed: Observed, examples: Examples, training_shares: NDArray[np.float32] | None) -> Insights:
    """All insights of one model; the result is deterministic.

    Args:
        observed: routing of each token of the examples.
        examples: M texts.
        training_shares: each expert's share of the tokens of each training batch, [S, R, E], or None.
    """
    seen = _Seen(observed, examples)
    numbers = _numbers(seen)
    parts = (
        _utilisation(seen, training_shares), _tokens_by_expert(seen), _routing(seen, numbers), _expert_by_class(seen),
        preferred_tokens(observed, examples), preferred_examples(observed, examples, seen.counts),
        _similarity(observed), projection(observed, examples, seen.counts),
    )  # fmt: skip
    layers = {
        name: {**row, "shares": [number(share) for share in shares]}
        for (name, row), shares in zip(numbers.items(), seen.shares, strict=True)
    }
    return Insights(
        facts={"split": examples.split, "texts": len(examples.texts), "tokens": seen.tokens, "layers": layers},
        warnings=tuple(warning for layer in observed.layers if (warning := _collapse(layer, observed.num_experts))),
        parts=tuple(part for part in parts if part is not None),
    )


def _first_choice(layer: LayerRouting) -> tuple[int, float]:
    """The expert that is most often the first choice, the lowest id of several, and the share of its tokens."""
    firsts = np.bincount(layer.chosen[:, 0])
    return int(firsts.argmax()), int(firsts.max()) / len(layer.chosen)


def _collapse(layer: LayerRouting, num_experts: int) -> str | None:
    """A warning if nearly every token has the same first choice; None if every token uses all experts."""
    expert, share = _first_choice(layer)
    if num_experts <= layer.chosen.shape[1] or share <= COLLAPSED:
        return None
    return f"router collapsed in {layer.name}: expert {expert} is the first choice of {percent(share)} of the tokens"


def _numbers(seen: _Seen) -> dict[str, dict[str, Value]]:
    """The row of each layer in the table of routing, without its name."""
    found = associate(seen.observed.labels, seen.counts)
    adjusted = holm(found.p_values)
    uniform = math.log(seen.observed.num_experts) or math.nan  # undefined for one expert
    rows: dict[str, dict[str, Value]] = {}
    for place, layer in enumerate(seen.observed.layers):
        entropy = float(layer.entropy.mean())
        load = seen.shares[place] / seen.top_k
        load_entropy = float((load * np.log(1 / np.where(load > 0, load, 1.0))).sum())
        expert, share = _first_choice(layer)
        rows[layer.name] = {
            "tokens": seen.tokens, "texts": len(seen.examples.texts), "router_entropy_nats": number(entropy),
            "router_entropy_fraction": number(entropy / uniform),
            "utilisation_entropy_fraction": number(load_entropy / uniform), "first_choice_expert": expert,
            "first_choice_share": number(share), "mutual_information_bits": number(found.bits[place]),
            "permuted_mutual_information_bits": number(found.permuted_bits[place]),
            "p_value": number(found.p_values[place]), "p_value_holm": number(adjusted[place]),
            **dict(zip(BESIDE, seen.random_bits[place].beside(float(found.bits[place])), strict=True)),
        }  # fmt: skip
    return rows


def _utilisation(seen: _Seen, training_shares: NDArray[np.float32] | None) -> Insight | None:
    if training_shares is None or not len(training_shares):
        return None
    steps = len(training_shares)
    window = math.ceil(steps / MAX_POINTS)
    starts = np.arange(0, steps, window)
    last = np.minimum(starts + window, steps)
    sums = np.add.reduceat(training_shares.astype(np.float64), starts)
    means = sums / (last - starts)[:, None, None]
    rows = [
        (layer.name, f"expert {expert}", int(step), number(share))
        for place, layer in enumerate(seen.observed.layers)
        for expert in range(seen.observed.num_experts)
        for step, share in zip(last, means[:, place, expert], strict=True)
    ]
    points = f"the mean of up to {window} steps" if window > 1 else "one step"
    return Insight(
        name="utilisation",
        title="Share of the tokens that each expert gets, over training",
        caption=f"Share of the tokens of text in a training batch, special ones counted, that are sent to each expert. "
        f"{_sent(seen)} n = {steps:,} training steps; each point is {points}, and the column step holds its last step, "
        "counted from 1.",
        columns=columns(("layer", "expert", "step", "share"), rows),
        chart=Chart(
            kind="lines", x="step", y="share", colour="expert", panel="layer", x_label="training step",
            y_label="share of tokens", reference=number(seen.even_share),
        ),
    )  # fmt: skip


def _sent(seen: _Seen) -> str:
    top_k, experts = seen.top_k, seen.observed.num_experts
    times = "one expert" if top_k == 1 else f"{top_k} experts"
    return f"Each token is sent to {times} of {experts}, so the shares sum to {top_k}; the line marks an even share."


def _tokens_by_expert(seen: _Seen) -> Insight:
    sent, shares = seen.counts.sum(0), seen.shares
    rows = [
        (layer.name, expert, int(sent[place, expert]), number(shares[place, expert]))
        for place, layer in enumerate(seen.observed.layers)
        for expert in range(seen.observed.num_experts)
    ]
    return Insight(
        name="tokens_by_expert",
        title="Share of the tokens that each expert gets",
        caption=f"Tokens of text that are sent to each expert, and their share of all tokens. {_sent(seen)} {seen.n}.",
        columns=columns(("layer", "expert", "tokens", "share"), rows),
        chart=Chart(
            kind="bars", x="expert", y="share", panel="layer", x_label="expert", y_label="share of tokens",
            reference=number(seen.even_share),
        ),
    )  # fmt: skip


def _routing(seen: _Seen, numbers: Mapping[str, Mapping[str, Value]]) -> Insight:
    names = ("layer", *next(iter(numbers.values())))
    return Insight(
        name="routing",
        title="How sure routers are, how even the load is, and the association of experts with classes",
        caption="Router entropy: mean over tokens of the entropy of the router's distribution, also as a fraction of "
        "ln E, that of an even one. Utilisation entropy: that of the experts' shares of all choices, as a fraction of "
        "ln E; 1 is an even load. First choice: the expert with the largest weight for most tokens, and their share. "
        "Mutual information of class and expert is over all choices, plug-in. Permutation test: the class labels of "
        f"whole texts, as tokens of one text are not independent, are permuted {PERMUTATIONS:,} times; the mean of the "
        "permuted values is what chance alone gives; p = (1 + permutations with at least the observed value) / "
        f"{PERMUTATIONS + 1:,}, adjusted for {len(numbers)} tests by Holm's method. The test finds any association, "
        "and hidden states encode classes before a router learns anything. "
        f"{caption_of('the mutual information')} {_above_random(numbers)} {seen.n}.",
        columns=columns(names, [(name, *row.values()) for name, row in numbers.items()]),
    )


def _above_random(numbers: Mapping[str, Mapping[str, Value]]) -> str:
    """The layers in which experts go with classes more than under random routers."""
    above = [name for name, row in numbers.items() if row[BESIDE[-1]] == "yes"]
    if above:
        return f"Experts go with classes more than under every random router in: {', '.join(above)}."
    return "In no layer do experts go with classes more than under every random router."


def _expert_by_class(seen: _Seen) -> Insight:
    names, labels = seen.observed.label_names, seen.observed.labels
    texts = np.bincount(labels, minlength=len(names))
    by_class = np.zeros((len(names), *seen.counts.shape[1:]), dtype=np.int64)
    np.add.at(by_class, labels, seen.counts)
    rows: list[tuple[Value, ...]] = []
    for place, layer in enumerate(seen.observed.layers):
        tokens = by_class[:, place].sum(1) // seen.top_k
        shares, lifts = share_and_lift(by_class[:, place])
        random = highest_lift(seen.class_of_token, layer.random_chosen, len(names), seen.observed.num_experts)
        for label, name in enumerate(names):
            n = int(tokens[label]), int(texts[label])
            for expert, found in enumerate(zip(shares[label].tolist(), lifts[label].tolist(), strict=True)):
                share, lift = map(number, found)
                rows.append((layer.name, visible(name), expert, share, lift, *n, *random.beside(lift, label)))
    return Insight(
        name="expert_by_class",
        title="Experts by class: lift",
        caption="Lift: the share of the class's choices that go to the expert, over the share of all choices that go "
        "to it; 1 is what chance gives, and a test is in the table of routing. "
        f"{caption_of('the highest lift of the class')} {seen.n}; tokens and texts are those of each class.",
        columns=columns(("layer", "class", "expert", "share", "lift", "tokens", "texts", *BESIDE), rows),
        chart=Chart(
            kind="heatmap", x="expert", y="class", value="lift", panel="layer", x_label="expert", y_label="class",
            value_label="lift", centre=1.0,
        ),
    )  # fmt: skip


def _similarity(observed: Observed) -> Insight:
    rows = [
        (f"{layer.name}: {what}", one, other, number(cosine))
        for layer in observed.layers
        for what, cosines in (("weights", layer.weight_similarity), ("outputs", layer.output_similarity))
        for one, row in enumerate(cosines.tolist())
        for other, cosine in enumerate(row)
    ]
    compared = " or ".join(f"{n:,}" for n in sorted({layer.compared_tokens for layer in observed.layers}))
    return Insight(
        name="similarity",
        title="How alike experts are",
        caption="Cosine of each two experts: of all their weights and biases as one vector, and of what they compute "
        f"of the same tokens, as a mean over n = {compared} compared tokens. Experts that start as copies of the "
        "block's weights start at 1.",
        columns=columns(("panel", "expert", "other_expert", "cosine"), rows),
        chart=Chart(
            kind="heatmap", x="other_expert", y="expert", value="cosine", panel="panel", x_label="expert",
            y_label="expert", value_label="cosine",
        ),
    )  # fmt: skip
