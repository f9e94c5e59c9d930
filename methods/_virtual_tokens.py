"""Virtual tokens of peft before the text, as several methods use them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import peft
import torch
from torch import nn

from bench.errors import UnsupportedError
from bench.method import Task, finds_last_token_by_id, usable_positions


def require_room(model: nn.Module, task: Task, num_virtual_tokens: int) -> None:
    """Check that the model takes embeddings in place of ids, and has a position for each token.

    Raises:
        UnsupportedError: the model has too few positions, or its head needs token ids to recognise padding, but peft
            passes embeddings.
    """
    if finds_last_token_by_id(model):
        raise UnsupportedError(
            f"virtual tokens do not work with the classification head of {model.config.model_type}: it finds the "  # type: ignore[union-attr]
            "last token by its id, but gets embeddings and would read padding; use another method for this model"
        )
    positions = usable_positions(model)
    if positions is not None and task.max_length + num_virtual_tokens > positions:
        raise UnsupportedError(
            f"{num_virtual_tokens} virtual tokens and max_length {task.max_length} are more than the "
            f"model's {positions} positions; lower data.max_length or num_virtual_tokens"
        )


def model_sizes(model: nn.Module) -> dict[str, Any]:
    """The sizes of the model under the names of peft's config.

    peft looks for names that some models' configs lack, and takes hidden_size for the width of embeddings.
    """
    return {
        "token_dim": cast(nn.Embedding, model.get_input_embeddings()).embedding_dim,  # type: ignore[operator]
        "num_layers": model.config.num_hidden_layers,  # type: ignore[union-attr]
        "num_attention_heads": model.config.num_attention_heads,  # type: ignore[union-attr]
    }


def store_prompt(model: nn.Module) -> None:
    """Compute the embeddings of the virtual tokens once and store them, without the network that makes them."""
    wrapped = cast(peft.PeftModel, model)
    with torch.no_grad():
        prompt = wrapped.get_prompt_embedding_to_save("default")
        encoder = wrapped.prompt_encoder["default"]
        cast(nn.Embedding, encoder.embedding).weight.copy_(prompt)
    use_stored_prompt(wrapped)


@contextmanager
def prompt_on_its_device(model: nn.Module) -> Iterator[None]:
    """While active, peft leaves the embeddings that it would save on their device, which may be meta."""
    wrapped: Any = model
    config = wrapped.peft_config["default"]
    encoder, tokens = wrapped.prompt_encoder["default"], wrapped.prompt_tokens["default"]

    def embeddings(_: str) -> torch.Tensor:
        ids = tokens[: config.num_virtual_tokens * (config.num_transformer_submodules or 1)]
        made: torch.Tensor = encoder(ids.unsqueeze(0).to(encoder.embedding.weight.device))
        return made[0]

    wrapped.get_prompt_embedding_to_save = embeddings
    try:
        yield
    finally:
        del wrapped.get_prompt_embedding_to_save


def use_stored_prompt(model: nn.Module) -> None:
    """Use the stored embeddings as they are, as peft does in inference mode."""
    cast(peft.PeftModel, model).peft_config["default"].inference_mode = True
