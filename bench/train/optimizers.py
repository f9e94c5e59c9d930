"""The optimizers of ``train.optimizer``."""

from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, unset_fake_temporarily

from bench.errors import UnsupportedError
from bench.study.settings import TrainSettings

#: bitsandbytes' operator for updates with 8-bit states.
EIGHT_BIT_UPDATE = "bitsandbytes::optimizer_update_8bit_blockwise"


def make_optimizer(
    groups: list[dict[str, Any]], learning_rate: float, settings: TrainSettings
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2017, arXiv 1711.05101) in the variant of ``train.optimizer``.

    The state may be paged (Dettmers et al. 2023, arXiv 2305.14314) or in 8 bits (Dettmers et al. 2021, 2110.02861).

    Raises:
        UnsupportedError: paging needs a GPU, or bitsandbytes has no 8-bit operator for the device.
    """
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=learning_rate, fused=True)
    if settings.optimizer == "adamw_foreach":
        return torch.optim.AdamW(groups, lr=learning_rate, foreach=True)
    if settings.optimizer == "adamw_8bit":
        return _eight_bit(groups, learning_rate)
    if not all(parameter.is_cuda for group in groups for parameter in group["params"]):
        raise UnsupportedError('train.optimizer = "paged_adamw" pages from a GPU; on a CPU set "adamw"')
    return _of_bitsandbytes("PagedAdamW32bit")(groups, lr=learning_rate)  # type: ignore[call-arg]


def _of_bitsandbytes(name: str) -> type[torch.optim.Optimizer]:
    from bitsandbytes import optim

    found: type[torch.optim.Optimizer] = vars(optim)[name]
    return found


def _eight_bit(groups: list[dict[str, Any]], learning_rate: float) -> torch.optim.Optimizer:
    """AdamW in 8 bits, also for fake parameters; only its code books need real values."""
    make = _of_bitsandbytes("AdamW8bit")
    parameters = [parameter for group in groups for parameter in group["params"]]
    fakes = [parameter for parameter in parameters if isinstance(parameter, FakeTensor)]
    if not fakes:
        _require_operator({parameter.device.type for parameter in parameters})
    with unset_fake_temporarily():
        optimizer: Any = make(groups, lr=learning_rate)  # type: ignore[call-arg]
    if fakes:
        optimizer.name2qmap = {name: torch.empty(table.shape) for name, table in optimizer.name2qmap.items()}
    return optimizer  # type: ignore[no-any-return]


def _require_operator(devices: set[str]) -> None:
    """Check that the installed bitsandbytes has the 8-bit update for these devices.

    Raises:
        UnsupportedError: it does not.
    """
    import bitsandbytes

    for device in devices:
        if not torch._C._dispatch_has_kernel_for_dispatch_key(EIGHT_BIT_UPDATE, device.upper()):
            raise UnsupportedError(
                f'train.optimizer = "adamw_8bit": bitsandbytes {bitsandbytes.__version__} has no such update for '
                f'{device}; upgrade it, or set "adamw"'
            )
