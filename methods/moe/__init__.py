"""Mixture of experts: feed-forward blocks are replaced by several experts, of which each token uses a few.

Sparsely gated experts: Shazeer et al. 2017, arXiv 1701.06538. Gated feed-forward network, the default expert: Shazeer
2020, arXiv 2002.05202. Experts initialised with the block's weights: Komatsuzaki et al. 2022, arXiv 2212.05055.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import UnsupportedError
from bench.method import Architecture, Examples, Insights, Method, Task, Trace

from .analysis import describe
from .experts import SparseExperts, check_upcycling
from .observe import observe, trace
from .options import Options
from .pooler import add_pooler
from .router import Pass, expert_shares, load_balancing_loss, z_loss
from .surgery import Block, Pattern, choose, encoder_of, find_blocks, known_patterns, not_found


class MixtureOfExperts(Method):
    """Replaces feed-forward blocks by a router and experts, and trains the whole model."""

    label = "MoE"
    options_class = Options

    def __init__(self, options: Options) -> None:
        """Keep the options, and start an empty log of the experts' shares in training."""
        super().__init__(options)
        self._shares: list[Tensor] = []

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Replace the chosen blocks, add the pooler if the options ask for it, and train everything."""
        self._shares = []
        blocks = find_blocks(model, self.options.block)
        chosen = {index: blocks[index] for index in choose(self.options.layers, len(blocks))}
        if self.options.init == "upcycle":
            for block in chosen.values():
                check_upcycling(self.options, block)
        encoder_pass = Pass(encoder_of(model))
        deviation = getattr(model.config, "initializer_range", 0.02)
        for index, block in chosen.items():
            block.replace(self._experts_for(block, encoder_pass, f"layer {index}", deviation))
        if self.options.pooler:
            add_pooler(model, _experts_in(model)[0].router.weight, deviation)
        return model.requires_grad_(True)

    def _experts_for(self, block: Block, encoder_pass: Pass, name: str, deviation: float) -> SparseExperts:
        experts = SparseExperts(block, self.options, encoder_pass, name)
        experts.start(block, deviation, self.options.init == "upcycle")
        return experts.train(block.layer.training)

    def parameter_groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """The default groups, except that the experts' biases, stacked to matrices, get no weight decay either."""
        biases = {id(bias) for experts in _experts_in(model) for bias in experts.biases()}
        trainable = [p for group in super().parameter_groups(model) for p in group["params"]]
        decayed = [p for p in trainable if p.ndim >= 2 and id(p) not in biases]
        plain = [p for p in trainable if p.ndim < 2 or id(p) in biases]
        return [{"params": decayed, "weight_decay": self.options.weight_decay}, {"params": plain, "weight_decay": 0.0}]

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        """Load-balancing loss and z-loss, summed over the replaced blocks; None outside training."""
        encoder_pass = _experts_in(model)[0].encoder_pass
        routings, kept = encoder_pass.routings, encoder_pass.kept_tokens()
        if not routings:
            return None
        shares = [expert_shares(routing, kept) for routing in routings]
        self._shares.append(torch.stack(shares))
        losses = [
            self.options.router_aux_loss_coef * load_balancing_loss(routing, share, kept)
            + self.options.router_z_loss_coef * z_loss(routing, kept)
            for routing, share in zip(routings, shares, strict=True)
        ]
        return torch.stack(losses).sum()

    def prepare_inference(self, model: nn.Module) -> nn.Module:
        """Split the stacked experts into linear layers on a CPU; on a GPU grouped matmuls are faster."""
        for experts in _experts_in(model):
            if not experts.in_weight.is_cuda:
                experts.unstack()
        return model

    def insights(self, model: nn.Module, task: Task, examples: Examples) -> Insights:
        """Routing in training and on the evaluated texts, and the similarity of the experts."""
        shares = torch.stack(self._shares).cpu().numpy() if self._shares else None
        return describe(observe(model, task, examples, _experts_in(model)), examples, shares)

    def explain(self, model: nn.Module, input_ids: Tensor, attention_mask: Tensor | None) -> Trace | None:
        """Each token's experts and their weights, by replaced block."""
        return trace(model, input_ids, attention_mask, _experts_in(model))

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int:
        """The FLOPs of the plain model without the replaced blocks, plus routers, experts and the optional pooler."""
        first, last, runs = self._replaced(architecture)
        block = sum(linear.in_features * linear.out_features for linear in (*first, last))
        hidden, tokens = last.out_features, task.max_length
        names = {linear.name for linear in architecture.linears}
        pooler = 2 * hidden * hidden if self.options.pooler and not names & {"pooler.dense", "pooler"} else 0
        routers: int = 2 * tokens * runs * hidden * self.options.num_experts
        plain = architecture.forward_flops(tokens) - 2 * tokens * runs * block
        total: int = plain + routers + self.expert_flops(architecture, task) + pooler
        return total

    def expert_flops(self, architecture: Architecture, task: Task) -> int:
        """2 L K M h i per replaced block: K experts per token, a shared one included, with M matrices h x i each.

        M is 3 for gated experts, otherwise 2.
        """
        _, last, runs = self._replaced(architecture)
        matrices = 3 if self.options.expert == "gated" else 2
        inner = self.options.inter_size or last.in_features
        experts = self.options.top_k + self.options.shared_expert
        share: int = 2 * task.max_length * runs * experts * matrices * last.out_features * inner
        return share

    def _replaced(self, architecture: Architecture) -> tuple[list[Any], Any, int]:
        """The linear layers of a replaced block, first ones and last one, and the number of runs of replaced blocks."""
        linears = {linear.name: linear for linear in architecture.linears}
        pattern = next((p for p in known_patterns(self.options.block) if _is_named(p, linears)), None)
        if pattern is None:
            raise UnsupportedError(not_found(f"model_type {architecture.model_type}", self.options.block))
        first, last = [linears[name] for name in pattern.first], linears[pattern.last]
        stored = 1 if pattern.shared else last.count
        return first, last, len(choose(self.options.layers, stored)) * last.count // stored


def _is_named(pattern: Pattern, names: Any) -> bool:
    return all(name in names for name in pattern.matrices)


def _experts_in(model: nn.Module) -> Sequence[SparseExperts]:
    return [module for module in model.modules() if isinstance(module, SparseExperts)]
