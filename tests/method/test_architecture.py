"""FLOPs in closed form: against figures worked out apart, and clear about what it does not know."""

import pytest
from transformers import BertConfig, LlamaConfig, PretrainedConfig, T5Config

from bench.errors import UnsupportedError
from bench.method.architecture import Architecture, LinearLayer, ModelKind

LLAMA_3_8B = LlamaConfig(
    vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
    num_key_value_heads=8,
)  # fmt: skip


def test_llama_3_8b() -> None:
    """Twice its parameters a token, less embeddings and norms; attention; the logits of one position."""
    in_blocks = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    assert in_blocks + 2 * 128256 * 4096 + 65 * 4096 == 8_030_261_248  # as published on the model's page
    by_hand = 2 * 290 * in_blocks + 32 * 4 * 290 * 290 * 4096 + 2 * 128256 * 4096
    assert Architecture.from_config(LLAMA_3_8B, "causal").forward_flops(290) == by_hand


def test_tokens_enter_the_layers_linearly_and_attention_by_their_square() -> None:
    architecture = Architecture.from_config(BertConfig(), "encoder")
    one, two, four = (architecture.forward_flops(tokens) for tokens in (128, 256, 512))
    assert architecture.attention_flops(256) == 4 * architecture.attention_flops(128)
    assert (four - two) - 2 * (two - one) == 12 * 4 * 768 * (512**2 - 256**2 - 2 * (256**2 - 128**2))


@pytest.mark.parametrize(
    ("config", "kind", "said"),
    [
        (T5Config(), "encoder", "no closed form for architecture 't5' as encoder model; known: albert, bert, "),
        (BertConfig(), "causal", "'bert' as causal model; known: gemma, gpt2, llama, mistral, phi, qwen2"),
    ],
)
def test_an_unknown_architecture_is_named_with_the_known_ones(
    config: PretrainedConfig, kind: ModelKind, said: str
) -> None:
    with pytest.raises(UnsupportedError) as caught:
        Architecture.from_config(config, kind)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("names", "called"),
    [(["query"], True), (["self.query"], True), (["attention.self.query"], True), (["uery"], False), ([], False)],
)
def test_a_layer_is_called_by_the_end_of_its_name(names: list[str], called: bool) -> None:
    assert LinearLayer("attention.self.query", 8, 8).is_called(names) is called
