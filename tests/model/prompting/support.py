"""Shared by tests of prompting: tokenizers with chat templates, tiny causal models, and prompts."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.data.batches import Batch
from bench.data.tokens import Tokens
from bench.model.prompting.batches import collate_prompts
from bench.model.prompting.prompts import Prompt, build
from bench.study.settings import PromptSettings

CONTROL = ("<pad>", "<s>", "</s>", "<|start|>", "<|sep|>", "<|stop|>", "[INST]", "[/INST]")
#: After Llama 3's: control tokens around a role, content trimmed, an end of turn.
TURNS = (
    "{{ bos_token }}{% for m in messages %}<|start|>{{ m.role }}<|sep|>\n\n{{ m.content | trim }}<|stop|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant<|sep|>\n\n{% endif %}"
)
#: After Mistral's: no system message, turns that alternate, a blank before an answer, no words to begin one.
BRACKETS = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }}[/INST]"
    "{% elif m.role == 'assistant' and loop.index is even %} {{ m.content }}{{ eos_token }}"
    "{% else %}{{ raise_exception('roles must alternate user and assistant') }}{% endif %}{% endfor %}"
)
#: Nothing before the text and no control token.
BARE = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
WORDS = "a film very good bad fine poor the negative positive neutral joy and was it not label fits text"
FIVE = ("very negative", "negative", "neutral", "positive", "very positive")
FAMILIES = ("llama", "mistral", "qwen2", "gpt2")


@cache
def _backend() -> str:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=380, special_tokens=list(CONTROL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    backend.train_from_iterator([WORDS] * 5, trainer)
    backend.add_special_tokens([AddedToken(token, special=True) for token in CONTROL])
    return str(backend.to_str())


def byte_tokenizer(template: str | None = TURNS) -> Any:
    """A byte-level tokenizer of a few hundred tokens, fast, with control tokens and a chat template."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_backend()), pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    tokenizer.chat_template = template
    return tokenizer


def causal_model(family: str, vocab_size: int, attention: str = "sdpa", **changes: Any) -> Any:
    """A tiny causal model with random weights large enough that its answers differ, in evaluation mode."""
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"vocab_size": vocab_size, "max_position_embeddings": 1024, "initializer_range": 0.3}
    if family in ("llama", "mistral", "qwen2"):
        sizes |= {"intermediate_size": 64, "num_key_value_heads": 2}
    if family == "gemma":
        sizes |= {"intermediate_size": 64, "num_key_value_heads": 1, "head_dim": 8}
    config = AutoConfig.for_model(family, **(sizes | changes))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()


def prompt_of(tokenizer: Any, labels: Sequence[str] = FIVE, **settings: Any) -> Prompt:
    """A prompt with a short instruction."""
    return build(tokenizer, PromptSettings(**({"instruction": "label: {labels}"} | settings)), labels)


def text_tokens(tokenizer: Any, texts: Sequence[str], room: int = 10_000) -> Tokens:
    """Token ids of the texts, cut to ``room``."""
    rows = [tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"] for text in texts]
    cut = [row[:room] for row in rows]
    offsets = np.cumsum([0, *map(len, cut)])
    flat = np.array([token for row in cut for token in row], dtype=np.int32)
    return Tokens(flat, offsets, sum(len(row) > room for row in rows))


def prompts_batch(prompt: Prompt, tokens: Tokens, rows: Sequence[int] | None = None) -> Batch:
    """All texts, or these rows, as one batch of prompts."""
    indices = np.arange(len(tokens.lengths)) if rows is None else np.array(rows)
    return collate_prompts(prompt, tokens, [0] * len(tokens.lengths), indices, 0)


def one_by_one(model: Any, prompt: Prompt, tokens: Tokens, normalization: str = "none") -> Tensor:
    """Scores by definition: each label of each text as a separate sequence, without cache or padding."""
    scores = torch.zeros(len(tokens.lengths), len(prompt.label_ids))
    for text in range(len(tokens.lengths)):
        inner = tokens.ids[tokens.offsets[text] : tokens.offsets[text + 1]].tolist()
        asked = [*prompt.prefix_ids, *inner, *prompt.suffix_ids]
        for label, ids in enumerate(prompt.label_ids):
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([[*asked, *ids]]), use_cache=False).logits[0]
            before = logits[len(asked) - 1 : -1].float().log_softmax(-1)
            chosen = before[torch.arange(len(ids)), list(ids)]
            scores[text, label] = chosen.mean() if normalization == "tokens" else chosen.sum()
    return scores
