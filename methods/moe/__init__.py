"""Mixture of experts: feed-forward blocks are replaced by several experts, of which each token uses a few.

Sparsely gated experts: Shazeer et al. 2017, arXiv 1701.06538. Gated feed-forward network, the default expert: Shazeer
2020, arXiv 2002.05202. Experts initialised with the block's weights: Komatsuzaki et al. 2022, arXiv 2212.05055.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.method import Architecture, Examples, Insights, Method, Task, Trace

from . import closed_form
from .analysis import describe
from .block import Block
from .experts import SparseExperts, check_upcycling
from .observe import observe, trace
from .options import Options
from .pooler import add_pooler
from .router import Pass, expert_shares, load_balancing_loss, z_loss
from .surgery import choose, encoder_of, find_blocks


class MixtureOfExperts(Method):
    """Replaces feed-forward blocks by a router and experts, and trains the whole model."""

    label = "MoE"
    options_class = Options

    def __init__(self, options: Options) -> None:
        """Keep the options, and start an empty log of the experts' shares in training."""
        super().__init__(options)
        self._shares: list[Tensor] = []
        self._blocks: list[str] = []

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Replace the chosen blocks, add the pooler if the options ask for it, and train everything."""
        self._shares = []
        blocks = find_blocks(model, self.options.block)
        chosen = {index: blocks[index] for index in choose(self.options.layers, len(blocks))}
        if self.options.init == "upcycle":
            for block in chosen.values():
                check_upcycling(self.options, block)
        self._blocks = [block.name for block in chosen.values()]
        encoder_pass = Pass(encoder_of(model))
        deviation = getattr(model.config, "initializer_range", 0.02)
        for index, block in chosen.items():
            block.replace(self._experts_for(block, encoder_pass, f"layer {index}", deviation))
        if self.options.pooler:
            add_pooler(model, _experts_in(model)[0].router.weight, deviation)
        return model.requires_grad_(True)

    def choices(self, model: nn.Module) -> dict[str, Any]:
        """Paths of the replaced modules in the encoder, in the order of their ids."""
        return {"blocks": self._blocks}

    def _experts_for(self, block: Block, encoder_pass: Pass, name: str, deviation: float) -> SparseExperts:
        experts = SparseExperts(block, self.options, encoder_pass, name)
        experts.start(block, deviation, self.options.init == "upcycle")
        return experts.train(block.last.training)

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
        return closed_form.forward_flops(architecture, task, self.options)

    def expert_flops(self, architecture: Architecture, task: Task) -> int:
        """The FLOPs of the experts that each token uses."""
        return closed_form.expert_flops(architecture, task, self.options)


def _experts_in(model: nn.Module) -> Sequence[SparseExperts]:
    return [module for module in model.modules() if isinstance(module, SparseExperts)]
