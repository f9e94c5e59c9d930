"""What a model's folder or config.json says that it is, and what of it cannot be used."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from bench.errors import ModelError

ADAPTER = "adapter_config.json"


def refuse_adapter(name: str, folder: Path) -> None:
    """Refuse a folder that holds an adapter: transformers would load the model that it names, from wherever it lies.

    Raises:
        ModelError: it does.
    """
    if (folder / ADAPTER).exists():
        raise ModelError(
            f"model {name}: {folder} holds an adapter ({ADAPTER}) and is no whole model; give the folder of a whole "
            "model, into which its adapter is merged"
        )


def packed_bits(content: Mapping[str, Any], where: str) -> Literal[4, 8] | None:
    """In how many bits bitsandbytes has packed the weights of a checkpoint; None where they are whole.

    Args:
        content: of config.json.
        where: the file, for messages.

    Raises:
        ModelError: something else than bitsandbytes has quantised them.
    """
    settings = content.get("quantization_config")
    if settings is None:
        return None
    said = settings if isinstance(settings, Mapping) else {}
    bits: Literal[4, 8] | None = 4 if said.get("load_in_4bit") else 8 if said.get("load_in_8bit") else None
    quantiser = said.get("quant_method", "bitsandbytes" if bits else None)
    if quantiser != "bitsandbytes" or bits is None:
        raise ModelError(
            f"{where}: quantization_config must be of bitsandbytes in 4 or 8 bits, got quantiser {quantiser!r:.40}; "
            "give the whole weights, and bits = 4 or 8 to have them packed"
        )
    return bits


def require_bits(given: int | None, packed: Literal[4, 8] | None, name: str, where: str) -> None:
    """Packed weights are used as they are.

    Args:
        given: the ``bits`` of the study.
        packed: see ``packed_bits``.
        name: of the model.
        where: the file, for messages.

    Raises:
        ModelError: other bits are asked for.
    """
    if packed is not None and given != packed:
        raise ModelError(
            f"{where}: the weights are in {packed} bits already and are used as they are, so bits must be {packed}, "
            f"got {given or 'none'}; set bits = {packed} in [models.{name}], or give whole weights"
        )
