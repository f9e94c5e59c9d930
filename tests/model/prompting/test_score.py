"""Labels scored with a shared prefix and a tree have the likelihood that each has on its own."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from bench.errors import UnsupportedError
from bench.model.prompting.prompts import Prompt
from bench.model.prompting.score import LabelScorer, LabelTree
from bench.model.quantization import quantize_linear_layers
from tests.model.prompting.support import (
    BARE,
    BRACKETS,
    FAMILIES,
    FIVE,
    TURNS,
    byte_tokenizer,
    causal_model,
    one_by_one,
    prompt_of,
    prompts_batch,
    text_tokens,
)

pytestmark = pytest.mark.usefixtures("one_thread")
TEXTS = ("good", "a very bad film, and it was not fine", "", "x" * 90, "the film <|stop|> ☃ was [/INST] poor")
ROOM = 60
SHORT = ("a", "b", "c")
TOKENIZER = byte_tokenizer()
PROMPT, TOKENS = prompt_of(TOKENIZER), text_tokens(TOKENIZER, TEXTS, ROOM)


def scored(model: Any, prompt: Prompt, normalization: Any = "none", texts: tuple[str, ...] = TEXTS) -> None:
    """Assert that the scorer agrees with the definition."""
    tokens = text_tokens(byte_tokenizer(), texts, ROOM)
    batch = prompts_batch(prompt, tokens)
    scores = LabelScorer(model, prompt, normalization).scores(batch)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, one_by_one(model, prompt, tokens, normalization), atol=1e-3, rtol=0)


@pytest.mark.parametrize("normalization", ["none", "tokens"])
@pytest.mark.parametrize("template", [TURNS, BRACKETS, BARE], ids=["turns", "brackets", "bare"])
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_each_label_alone(family: str, template: str, normalization: str) -> None:
    tokenizer = byte_tokenizer(template)
    prompt = prompt_of(tokenizer)
    assert len({len(ids) for ids in prompt.label_ids}) > 1
    assert prompt.label_ids[0][0] == prompt.label_ids[4][0], "labels that share their first token are the hard case"
    scored(causal_model(family, len(tokenizer)), prompt, normalization)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_prefix(family: str) -> None:
    import dataclasses

    prompt = dataclasses.replace(prompt_of(TOKENIZER), prefix_ids=(), prefix_text="")
    scored(causal_model(family, len(TOKENIZER)), prompt)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", ["llama", "phi", "gemma", "gpt2", "bloom"])
def test_other_attention_and_models(family: str, attention: str) -> None:
    """Eager attention uses an additive mask; BLOOM takes no positions."""
    if family == "bloom" and attention == "sdpa":
        pytest.skip("transformers has no fused attention for BLOOM")
    scored(causal_model(family, len(TOKENIZER), attention), PROMPT)


def in_4_bits(model: Any) -> Any:
    """The model quantised, its layers expanding their weights in fp32 as on a GPU.

    In evaluation mode on some CPUs bitsandbytes repacks a weight for a kernel that rounds to bf16; two ways of
    computing the same would differ by that.
    """
    quantize_linear_layers(model, torch.float32)
    for module in model.modules():
        if type(module).__name__ == "Linear4bit":
            module.train()
    return model


def test_really_4_bit() -> None:
    model = in_4_bits(causal_model("llama", len(TOKENIZER), hidden_size=64, intermediate_size=128))
    assert "Linear4bit" in {type(module).__name__ for module in model.modules()}
    scored(model, PROMPT)


@pytest.mark.parametrize("bits", [4, 16])
def test_wrapped_by_peft(bits: int) -> None:
    from peft import LoraConfig, get_peft_model

    model = causal_model("llama", len(TOKENIZER), hidden_size=64, intermediate_size=128)
    model = in_4_bits(model) if bits == 4 else model
    batch = prompts_batch(PROMPT, TOKENS)
    plain = LabelScorer(model, PROMPT).scores(batch)
    wrapped = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False))
    scored(wrapped, PROMPT)
    adapted = LabelScorer(wrapped, PROMPT).scores(batch)
    assert not torch.allclose(plain, adapted, atol=1e-2)


@pytest.mark.parametrize(("labels", "passes"), [(SHORT, 1), (FIVE, 2)], ids=["one token", "several tokens"])
def test_number_of_forward_passes(labels: tuple[str, ...], passes: int) -> None:
    prompt, model = prompt_of(TOKENIZER, labels), causal_model("llama", len(TOKENIZER))
    computed: list[tuple[int, ...]] = []
    model.register_forward_hook(lambda module, args, output: computed.append(tuple(output.logits.shape[:2])))
    scorer = LabelScorer(model, prompt)
    batch = prompts_batch(prompt, TOKENS)
    scorer.scores(batch)
    assert len(computed) == 1 + passes
    assert computed[:2] == [(1, 1), (len(TEXTS), 1)], "no logits but those of the label's place"
    scorer.scores(batch)
    assert len(computed) == 1 + 2 * passes, "the prefix is computed once"


def test_a_batch_leaves_the_next_alone() -> None:
    scorer = LabelScorer(causal_model("llama", len(TOKENIZER)), PROMPT)
    first = scorer.scores(prompts_batch(PROMPT, TOKENS))
    scorer.scores(prompts_batch(PROMPT, TOKENS, [1, 3]))
    assert torch.equal(scorer.scores(prompts_batch(PROMPT, TOKENS)), first)


def test_one_pass_for_all_labels_whatever_their_shape() -> None:
    tree = LabelTree.of([(5, 6), (5, 7, 8), (9,), (5, 7, 9), (4, 6)])
    assert tree.tokens.tolist() == [5, 5 + 2, 4], "starts (5), (5, 7), (4)"
    assert tree.depths.tolist() == [0, 1, 0]
    assert tree.sees.tolist() == [[True, False, False], [True, True, False], [False, False, True]]
    assert tree.steps.tolist() == [[0, 0, 6], [1, 0, 7], [1, 1, 8], [3, 0, 7], [3, 1, 9], [4, 2, 6]]


def test_a_window_that_the_prompt_fits_in_changes_nothing_and_a_shorter_one_is_refused() -> None:
    scored(causal_model("mistral", len(TOKENIZER), sliding_window=400), PROMPT)
    scorer = LabelScorer(causal_model("mistral", len(TOKENIZER), sliding_window=32), PROMPT)
    with pytest.raises(UnsupportedError, match=r"attention window has 32 tokens.*lower data.max_length"):
        scorer.scores(prompts_batch(PROMPT, TOKENS))


def test_a_model_that_keeps_a_running_state_is_refused() -> None:
    model = causal_model("mamba", len(TOKENIZER), "eager")
    with pytest.raises(UnsupportedError, match="keep keys and values"):
        LabelScorer(model, PROMPT)


def test_a_model_that_counts_places_is_refused() -> None:
    """With padding before the text, MPT's ALiBi scored a row differently beside longer rows than alone."""
    config = AutoConfig.for_model("mpt", vocab_size=len(TOKENIZER), d_model=32, n_heads=4, n_layers=2)
    with pytest.raises(UnsupportedError, match="architecture mpt derives positions from places"):
        LabelScorer(AutoModelForCausalLM.from_config(config), PROMPT)


def test_virtual_tokens_are_refused() -> None:
    from peft import PromptTuningConfig, get_peft_model

    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    model = get_peft_model(causal_model("llama", len(TOKENIZER)), config)
    with pytest.raises(UnsupportedError, match="virtual tokens"):
        LabelScorer(model, PROMPT)


def test_scores_are_float32_where_the_model_is_bf16() -> None:
    model = causal_model("llama", len(TOKENIZER)).to(torch.bfloat16)
    scores = LabelScorer(model, PROMPT).scores(prompts_batch(PROMPT, TOKENS))
    assert scores.dtype == torch.float32
    assert bool(torch.isfinite(scores).all())
