"""What transformers computes is the same to the bit, whether it looks at masks and positions or is told beforehand."""

import pytest
import torch

from bench.data.batches import Batch
from bench.model.load import answer_logits, build
from bench.train.evaluate import logits_of
from tests.waits import ANSWER, CAUSAL, ENCODERS, as_in_a_worker, batch, config_of, kind_of

CPU = torch.device("cpu")


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "full"])
@pytest.mark.parametrize("family", [*ENCODERS, *CAUSAL])
def test_a_model_computes_the_same(family: str, padded: bool) -> None:
    torch.manual_seed(0)
    kind, given = kind_of(family), batch(family, padded, CPU)
    model = build(config_of(family), kind)

    def passes(given: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores, and the gradient of the first weights from a training step."""
        torch.manual_seed(1)
        if kind == "causal":
            scores = answer_logits(model.train(), given.input_ids, given.attention_mask, ANSWER)
        else:
            scores = logits_of(model.train(), given)
        model.zero_grad()
        scores.square().sum().backward()
        (gradient, *_) = (p.grad for p in model.parameters() if p.grad is not None)
        return scores.detach(), gradient

    plain = passes(given)
    with as_in_a_worker():
        told = passes(given)
    assert all(torch.equal(one, other) for one, other in zip(plain, told, strict=True))
