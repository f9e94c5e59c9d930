"""Parameter counts."""

from torch import nn

from bench.record.record import Parameters


def count(model: nn.Module) -> Parameters:
    """Count a model's parameters; a tensor that is shared counts once.

    Stored elements are what lies in memory: a 4-bit weight of bitsandbytes is packed two to a byte, so its tensor has
    half as many elements as the weight it stands for; ``logical_params`` counts the latter.
    """
    trainable = total = logical = 0
    for parameter in model.parameters():
        stored = parameter.numel()
        state = getattr(parameter, "quant_state", None)
        trainable += stored if parameter.requires_grad else 0
        total += stored
        logical += stored if state is None else state.shape.numel()
    return Parameters(trainable_params=trainable, total_params=total, logical_params=logical)
