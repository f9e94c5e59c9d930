"""What the shared prefix and the tree of labels save, against each label as a full sequence of its own."""

import statistics

import pytest
import torch

from bench.data.batches import Batch
from bench.model.prompting.prompts import Prompt
from bench.model.prompting.score import LabelScorer
from tests.benchmarks.turns import by_turns, median_ratio
from tests.model.prompting.support import byte_tokenizer, causal_model, prompt_of, prompts_batch, text_tokens

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
ROUNDS = 7
PROMPT_TOKENS = 200


def each_label_in_full(model, prompt: Prompt, batch: Batch) -> torch.Tensor:
    """Scores with one batched pass a label over whole sequences, logits at the label's places alone."""
    rows = len(batch.indices)
    assert batch.attention_mask is None
    prefix = torch.tensor(prompt.prefix_ids).expand(rows, -1)
    scores = []
    for ids in prompt.label_ids:
        label = torch.tensor(ids).expand(rows, -1)
        whole = torch.cat([prefix, batch.input_ids, label], dim=1)
        with torch.inference_mode():
            logits = model(input_ids=whole, use_cache=False, logits_to_keep=len(ids) + 1).logits[:, :-1]
        scores.append(logits.float().log_softmax(-1).gather(-1, label[..., None]).sum(dim=(1, 2)))
    return torch.stack(scores, dim=1)


def test_five_labels_after_a_prompt_of_200_tokens(benchmark) -> None:
    """At least 3 times faster; half the prompt is the instruction, half the text."""
    tokenizer = byte_tokenizer()
    prompt = prompt_of(tokenizer, instruction="label: {labels}" + " good film" * 30)
    room = PROMPT_TOKENS - len(prompt.prefix_ids) - len(prompt.suffix_ids)
    batch = prompts_batch(prompt, text_tokens(tokenizer, ["a very bad film " * 60] * 8, room))
    assert len(prompt.prefix_ids) + batch.input_ids.shape[1] == PROMPT_TOKENS
    model = causal_model("llama", len(tokenizer), hidden_size=256, intermediate_size=512, num_hidden_layers=4)
    scorer = LabelScorer(model, prompt)
    torch.testing.assert_close(scorer.scores(batch), each_label_in_full(model, prompt, batch), atol=1e-3, rtol=0)

    works = {
        "shared": lambda: LabelScorer(model, prompt).scores(batch),
        "full": lambda: each_label_in_full(model, prompt, batch),
    }
    taken = by_turns(works, ROUNDS)
    ours, theirs = (statistics.median(taken[name]) * 1e3 for name in works)
    print(
        f"\nshared prefix {ours:.1f} ms, each label in full {theirs:.1f} ms: {theirs / ours:.1f} times "
        f"(medians of {ROUNDS}; a prefix of {len(prompt.prefix_ids)} tokens, computed each time)"
    )
    benchmark.extra_info["times_faster_than_full"] = theirs / ours
    benchmark(scorer.scores, batch)
    assert median_ratio(taken["full"], taken["shared"]) >= 3
