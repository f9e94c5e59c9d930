"""Floating-point operations, counted at dispatch on the meta device."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench.record import Flops


def count_forward(model: nn.Module, sequence_length: int) -> Flops:
    """FLOPs of one forward pass over one sequence, batch 1; a multiply-add is 2.

    Args:
        model: the adapted model on the meta device, so that nothing is computed.
        sequence_length: tokens of the sequence; virtual tokens of a prompt method come on top.
    """
    was_training = model.training
    model.eval()
    # No attention mask: transformers inspects its values, and meta tensors have none.
    ids = torch.ones(1, sequence_length, dtype=torch.int64, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(input_ids=ids)
    model.train(was_training)
    return Flops(forward_flops=counter.get_total_flops(), sequence_length=sequence_length)
