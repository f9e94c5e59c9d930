"""Observe the routing of texts, the data of insights and explanations.

Shapes: N non-padding tokens in M texts, D hidden size, E experts, K experts per token.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.method import Encoded, Examples, Step, Task, Trace

from .experts import SparseExperts, cosines
from .random_router import RandomRouters
from .router import Routing
from .surgery import encoder_of

#: Number of tokens, spread over all batches, for which the outputs of all experts are compared.
COMPARED_TOKENS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRouting:
    """Routing in one run of one replaced block.

    Attributes:
        name: name of the layer, e.g. ``layer 4``.
        chosen: ids of each token's experts, largest weight first, [N, K].
        shares: weights of these experts, [N, K].
        entropy: entropy of each token's distribution over all experts, in nats, [N].
        weight_similarity: pairwise cosines of the experts' weights, all matrices and biases in one vector, [E, E].
        output_similarity: mean over some tokens of the pairwise cosines of the experts' outputs, [E, E].
        compared_tokens: number of tokens of that mean.
        random_chosen: experts that V random routers choose for the same hidden states, [V, N, K].
    """

    name: str
    chosen: NDArray[np.int64]
    shares: NDArray[np.float64]
    entropy: NDArray[np.float64]
    weight_similarity: NDArray[np.float64]
    output_similarity: NDArray[np.float64]
    compared_tokens: int
    random_chosen: NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The routing of all non-padding tokens of the examples.

    Attributes:
        layers: routing of each layer, in the order of execution.
        num_experts: E.
        token_ids: token ids, [N].
        text_of_token: position of each token's text among the examples, [N].
        labels: class index of each text, [M].
        label_names: class names by index.
        states: mean over each text's tokens of the encoder's last hidden state, [M, D].
    """

    layers: tuple[LayerRouting, ...]
    num_experts: int
    token_ids: NDArray[np.int64]
    text_of_token: NDArray[np.int64]
    labels: NDArray[np.int64]
    label_names: tuple[str, ...]
    states: NDArray[np.float64]


class _Watch:
    """Forward hooks that keep the routers' inputs and decisions, and the last hidden states."""

    def __init__(self) -> None:
        self.routings: list[tuple[SparseExperts, Tensor, Routing]] = []
        self.states: Tensor | None = None

    def routed(self, experts: SparseExperts, router: nn.Module, args: tuple[Tensor], routing: Routing) -> None:
        self.routings.append((experts, args[0], routing))

    def encoded(self, module: nn.Module, args: Any, output: Any) -> None:
        self.states = output[0]


@contextmanager
def _watching(model: nn.Module, experts: Sequence[SparseExperts]) -> Iterator[_Watch]:
    watch = _Watch()
    handles = [encoder_of(model).register_forward_hook(watch.encoded)]
    for module in experts:
        handles.append(module.router.register_forward_hook(partial(watch.routed, module)))
    try:
        yield watch
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def observe(model: nn.Module, task: Task, examples: Examples, experts: Sequence[SparseExperts]) -> Observed:
    """Run the model on the examples and record the routing of each token.

    Args:
        model: model in evaluation mode.
        task: task with the class names.
        examples: M texts.
        experts: replaced blocks of the model.
    """
    parts: list[_Part] = []
    random_routers: list[RandomRouters] = []
    states = np.empty((0, 0))
    with _watching(model, experts) as watch:
        for batch in examples.batches:
            watch.routings = []
            model(**batch.inputs)
            assert watch.states is not None, "the encoder has run"
            means = _means(watch.states, batch.attention_mask)
            states = states if states.size else np.empty((len(examples.texts), means.shape[1]))
            states[list(batch.rows)] = means
            parts.append(_Part.of(batch, watch, max(1, COMPARED_TOKENS // len(examples.batches)), random_routers))
    names = _names([run.experts for run in parts[0].runs])
    return Observed(
        layers=tuple(_layer(name, [part.runs[at] for part in parts]) for at, name in enumerate(names)),
        num_experts=experts[0].num_experts, token_ids=np.concatenate([part.token_ids for part in parts]),
        text_of_token=np.concatenate([part.text_of_token for part in parts]),
        labels=np.asarray(examples.labels, dtype=np.int64), label_names=task.labels, states=states,
    )  # fmt: skip


def _names(modules: Sequence[SparseExperts]) -> list[str]:
    """Names of the blocks, with the number of the run if several layers share one."""
    if len({id(module) for module in modules}) == len(modules):
        return [module.name for module in modules]
    return [f"{module.name}, run {run}" for run, module in enumerate(modules)]


class _Run(NamedTuple):
    """One run of one replaced block over a batch: fields of ``LayerRouting``, and tokens to compare."""

    experts: SparseExperts
    chosen: NDArray[np.int64]
    shares: NDArray[np.float64]
    entropy: NDArray[np.float64]
    compared: Tensor
    random_chosen: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class _Part:
    """The non-padding tokens of one batch."""

    token_ids: NDArray[np.int64]
    text_of_token: NDArray[np.int64]
    runs: list[_Run]

    @classmethod
    def of(cls, batch: Encoded, watch: _Watch, compared: int, random_routers: list[RandomRouters]) -> "_Part":
        """What was watched of a batch; the first batch adds the random routers of each layer to the list."""
        ids, mask = batch.input_ids, batch.attention_mask
        kept = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask != 0
        rows = torch.as_tensor(list(batch.rows), device=ids.device).unsqueeze(1).expand_as(ids)
        flat = kept.reshape(-1)
        runs = []
        for layer, (module, tokens, routing) in enumerate(watch.routings):
            of_text = tokens[flat]
            step = max(1, len(of_text) // compared)
            entropy = torch.special.entr(routing.probabilities[flat]).sum(-1)
            chosen, shares = _array(routing.chosen[flat]), _array(routing.shares[flat].double())
            if layer == len(random_routers):
                random_routers.append(RandomRouters(of_text, module.num_experts, layer))
            random = random_routers[layer].choose(of_text, chosen.shape[1])
            runs.append(_Run(module, chosen, shares, _array(entropy.double()), of_text[::step][:compared], random))
        return cls(_array(ids[kept]), _array(rows[kept]), runs)


def _layer(name: str, runs: Sequence[_Run]) -> LayerRouting:
    module, tokens = runs[0].experts, torch.cat([run.compared for run in runs])
    return LayerRouting(
        name=name, chosen=np.concatenate([run.chosen for run in runs]),
        shares=np.concatenate([run.shares for run in runs]), entropy=np.concatenate([run.entropy for run in runs]),
        weight_similarity=_array(module.weight_similarity().double()),
        output_similarity=_array(cosines(module.every_output(tokens)).double()), compared_tokens=len(tokens),
        random_chosen=np.concatenate([run.random_chosen for run in runs], axis=1),
    )  # fmt: skip


def _means(states: Tensor, mask: Tensor | None) -> NDArray[np.float64]:
    weights = torch.ones(states.shape[:2], device=states.device) if mask is None else (mask != 0).float()
    return _array(((states.float() * weights.unsqueeze(-1)).sum(1) / weights.sum(1, keepdim=True)).double())


def _array(values: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = values.cpu().numpy()
    return found


@torch.no_grad()
def trace(
    model: nn.Module, input_ids: Tensor, attention_mask: Tensor | None, experts: Sequence[SparseExperts]
) -> Trace:
    """The routing of one text, ids [1, L]."""
    with _watching(model, experts) as watch:
        model(input_ids=input_ids, attention_mask=attention_mask)
    decided = [routing for _, _, routing in watch.routings]
    steps = tuple(
        tuple(_step(routing.chosen[token].tolist(), routing.shares[token].tolist()) for routing in decided)
        for token in range(input_ids.shape[1])
    )
    top_k = decided[0].chosen.shape[1]
    return Trace(
        title="Experts by token",
        legend="expert (its weight)" if top_k == 1 else f"{top_k} experts (their weights), the largest weight first",
        places=tuple(_names([module for module, _, _ in watch.routings])),
        categories=tuple(f"expert {expert}" for expert in range(experts[0].num_experts)),
        steps=steps,
    )


def _step(chosen: Sequence[int], shares: Sequence[float]) -> Step:
    text = ", ".join(f"{expert} ({share:.2f})" for expert, share in zip(chosen, shares, strict=True))
    return Step(text=text, category=chosen[0], weight=min(1.0, max(0.0, shares[0])))
