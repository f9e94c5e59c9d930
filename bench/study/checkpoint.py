"""Refuse checkpoints that cannot be used: adapters, and unknown or other quantisation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from bench.errors import ModelError

ADAPTER = "adapter_config.json"


def refuse_adapter(name: str, folder: Path) -> None:
    """Refuse a folder with an adapter, because transformers would load the base model that it names from anywhere.

    Raises:
        ModelError: the folder has an adapter.
    """
    if (folder / ADAPTER).exists():
        raise ModelError(
            f"model {name}: {folder} holds an adapter ({ADAPTER}), not a complete model; merge the adapter and give "
            "the folder of the merged model"
        )


def packed_bits(content: Mapping[str, Any], where: str) -> Literal[4, 8] | None:
    """The bits to which bitsandbytes has quantised a checkpoint; None if it is unquantised.

    Args:
        content: content of config.json.
        where: path of the file, for messages.

    Raises:
        ModelError: the checkpoint was not quantised by bitsandbytes.
    """
    settings = content.get("quantization_config")
    if settings is None:
        return None
    table = settings if isinstance(settings, Mapping) else {}
    bits: Literal[4, 8] | None = 4 if table.get("load_in_4bit") else 8 if table.get("load_in_8bit") else None
    quantiser = table.get("quant_method", "bitsandbytes" if bits else None)
    if quantiser != "bitsandbytes" or bits is None:
        raise ModelError(
            f"{where}: quantization_config must be of bitsandbytes in 4 or 8 bits, got quantiser {quantiser!r:.40}; "
            "give unquantised weights, with bits = 4 or 8 to quantise them"
        )
    return bits


def require_bits(given: int | None, packed: Literal[4, 8] | None, name: str, where: str) -> None:
    """Check that the study does not ask for other bits than those of a quantised checkpoint.

    Args:
        given: ``bits`` of the study.
        packed: result of ``packed_bits``.
        name: name of the model.
        where: path of the file, for messages.

    Raises:
        ModelError: the study asks for other bits.
    """
    if packed is not None and given != packed:
        raise ModelError(
            f"{where}: the weights are already in {packed} bits, so bits must be {packed}, got {given or 'none'}; set "
            f"bits = {packed} in [models.{name}], or give unquantised weights"
        )
