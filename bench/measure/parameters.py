"""Parameter counts."""

from torch import nn

from bench.record.record import Parameters


def count(model: nn.Module) -> Parameters:
    """Count a model's parameters; a shared tensor counts once.

    Trainable and total parameters are stored elements: bitsandbytes packs two 4-bit weights into a byte, so a tensor
    has half as many elements as weights; ``logical_params`` counts the weights.
    """
    trainable = total = logical = 0
    for parameter in model.parameters():
        stored = parameter.numel()
        state = getattr(parameter, "quant_state", None)
        trainable += stored if parameter.requires_grad else 0
        total += stored
        logical += stored if state is None else state.shape.numel()
    return Parameters(trainable_params=trainable, total_params=total, logical_params=logical)
