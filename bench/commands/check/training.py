"""Checks of training: which tensors change, whether the loss falls, and whether a seed determines the run."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench.commands.check.finding import Finding, failed, listed, not_applicable, passed
from bench.commands.check.specimen import LABELS
from bench.commands.check.subject import CPU, STEPS, VISIBLE_RATE, Adapted, Subject
from bench.data.batches import Batch
from bench.method import Method
from bench.model.quantization import cast_parameters, settle
from bench.train.stored_weights import store_frozen_weights_as

#: Multiples of the method's default learning rate, tried in order: a fresh model needs a higher rate than a pretrained
#: one, and a small model a higher rate than a large one.
RATE_FACTORS = (10, 3, 1, 30)
OVERFIT_STEPS = 100
#: Fraction of ``Specimen.uninformed_loss`` that the loss must fall below.
OVERFIT_FRACTION = 0.5
MORE_PADDING = 5
#: Relative tolerance of the loss: sums over more columns are rounded differently.
PADDING_TOLERANCE = 1e-4


def step(subject: Subject) -> Finding:
    """Whether training steps run, including hooks, with a finite loss."""
    if not subject.method_class.trains:
        return not_applicable("nothing is trained")
    losses = subject.train(subject.adapted())
    if not all(map(math.isfinite, losses)):
        return failed(f"losses of the first steps: {_figures(losses)}", "keep the loss finite")
    return passed(f"losses of the first steps: {_figures(losses)}")


def _figures(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def parameter_groups(subject: Subject) -> Finding:
    """Whether the groups hold exactly the trainable parameters, each once, with vectors exempt from weight decay."""
    adapted = subject.adapted()
    groups = adapted.method.parameter_groups(adapted.model)
    grouped = [parameter for group in groups for parameter in group["params"]]
    ids = [id(parameter) for parameter in grouped]
    names = {id(parameter): name for name, parameter in adapted.model.named_parameters()}
    trainable = {id(parameter): name for name, parameter in adapted.trainable.items()}
    if missing := [name for key, name in trainable.items() if key not in ids]:
        return failed(f"trainable, but in no group: {listed(missing)}", "return every trainable parameter in a group")
    if twice := [names.get(key, "a tensor outside the model") for key in dict.fromkeys(ids) if ids.count(key) > 1]:
        return failed(f"in several groups: {listed(twice)}", "return each parameter once")
    if frozen := [names.get(key, "a tensor outside the model") for key in ids if key not in trainable]:
        return failed(
            f"in a group, but not trainable: {listed(frozen)}",
            "set requires_grad in adapt, or remove it from the group",
        )
    decay = subject.method().options.weight_decay
    decayed = [names[id(p)] for g in groups if g.get("weight_decay", decay) for p in g["params"] if p.ndim < 2]
    if decayed:
        return failed(f"vectors with weight decay: {listed(decayed)}", "give biases and scales weight_decay = 0")
    return passed(f"{len(grouped)} trainable parameters, each in one of {len(groups)} groups, once")


def trained_move(subject: Subject) -> Finding:
    """Whether every trainable parameter gets a gradient and changes within a few steps."""
    adapted = subject.adapted(learning_rate=VISIBLE_RATE, weight_decay=0.0)
    before = {name: parameter.detach().clone() for name, parameter in adapted.trainable.items()}
    reached: set[str] = set()
    for name, parameter in adapted.trainable.items():
        parameter.register_post_accumulate_grad_hook(lambda _, name=name: reached.add(name))
    subject.train(adapted)
    if without := [name for name in before if name not in reached]:
        return failed(
            f"no gradient in {STEPS} steps: {listed(without)}",
            "freeze them, or use them in the forward pass: they count as trainable but are not trained",
        )
    now = dict(adapted.model.named_parameters())
    if unmoved := [name for name, value in before.items() if torch.equal(value, now[name])]:
        return failed(
            f"unchanged after {STEPS} steps: {listed(unmoved)}", "let the optimizer update them, or freeze them"
        )
    return passed(f"{len(before)} trainable parameters changed within {STEPS} steps")


def frozen_stay(subject: Subject) -> Finding:
    """Whether every frozen parameter and every buffer of the plain model stays bitwise equal."""
    model, method = subject.specimen.build(), subject.method(learning_rate=VISIBLE_RATE)
    own = {id(buffer) for buffer in model.buffers()}
    adapted = Adapted(method, method.adapt(model, subject.specimen.task))
    kept = [
        *((name, p) for name, p in adapted.model.named_parameters() if not p.requires_grad),
        *((name, buffer) for name, buffer in adapted.model.named_buffers() if id(buffer) in own),
    ]
    before = [(name, tensor.detach().clone()) for name, tensor in kept]
    subject.train(adapted)
    now = {**dict(adapted.model.named_parameters()), **dict(adapted.model.named_buffers())}
    if moved := [name for name, value in before if not torch.equal(value, now[name])]:
        return failed(
            f"changed in {STEPS} steps, though frozen: {listed(moved)}",
            "make them trainable in adapt, or do not change them in after_step or the forward pass",
        )
    return passed(f"{len(before)} frozen parameters and buffers are bitwise unchanged")


def overfits(subject: Subject) -> Finding:
    """Whether the loss on one tiny batch falls, at some multiple of the method's default learning rate."""
    batch = subject.specimen.batch(texts=len(LABELS))
    limit = OVERFIT_FRACTION * subject.specimen.uninformed_loss(batch)
    own, reached = subject.method().options.learning_rate, []
    for factor in RATE_FACTORS:
        adapted = subject.adapted(dropout=False, learning_rate=own * factor)
        start = _loss(subject, adapted.model, batch)
        for steps, loss in enumerate(subject.steps(adapted, [batch] * OVERFIT_STEPS), start=1):  # noqa: B007
            if loss <= limit:
                break
        end = _loss(subject, adapted.model, batch)
        rate = f"learning rate {own * factor:g}" + ("" if factor == 1 else f", {factor} times the default")
        if end <= limit:
            return passed(f"loss {start:.3g} to {end:.3g} in {steps} steps on {len(batch.indices)} texts at {rate}")
        reached.append(f"{end:.3g} at {rate}")
    return failed(
        f"loss {start:.3g} on {len(batch.indices)} texts falls only to {'; '.join(reached)} in "
        f"{OVERFIT_STEPS} steps; it must reach {limit:.2g}",
        "make the trained parameters affect the logits, and set a suitable default learning rate",
    )


@torch.no_grad()
def _loss(subject: Subject, model: nn.Module, batch: Batch) -> float:
    """The loss in evaluation mode, in nats."""
    scores = subject.specimen.logits(model.eval(), batch)
    return float(nn.functional.cross_entropy(scores.flatten(0, -2), batch.labels.flatten()))


def same_seed(subject: Subject) -> Finding:
    """Whether two training runs with one seed give bitwise equal losses and weights."""
    runs, weights = [], []
    for _ in range(2):
        adapted = subject.adapted(learning_rate=VISIBLE_RATE)
        runs.append(subject.train(adapted))
        weights.append([parameter.detach() for parameter in adapted.trainable.values()])
    if runs[0] != runs[1]:
        at = next(number for number, pair in enumerate(zip(*runs, strict=True)) if pair[0] != pair[1])
        return failed(
            f"losses of two runs with one seed differ from step {at + 1} on: {runs[0][at]!r} and {runs[1][at]!r}",
            "draw only from torch's global generator, and depend neither on time nor on an earlier run",
        )
    if not all(map(torch.equal, *weights)):
        return failed("weights of two runs with one seed differ", "depend neither on time nor on an earlier run")
    return passed(f"two runs of {STEPS} steps are bitwise equal")


def extra_loss(subject: Subject) -> Finding:
    """Whether the method's own loss is a finite scalar with a gradient that does not depend on padding."""
    if subject.method_class.extra_loss is Method.extra_loss:
        return not_applicable("the method adds no loss")
    values = list(_extra_losses(subject))
    if all(value is None for value in values):
        return passed("None in training")
    for value in values:
        if not isinstance(value, Tensor) or value.ndim:
            got = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            return failed(f"extra_loss returns {got}", "return a scalar tensor for every batch, or always None")
        if not torch.isfinite(value):
            return failed(f"extra_loss is {float(value.detach())}", "keep it finite")
        if not value.requires_grad:
            return failed(
                "extra_loss has no gradient", "compute it from the model's weights, without detach or no_grad"
            )
    first, again, padded = (float(value.detach()) for value in values if value is not None)
    is_settled = math.isclose(first, again, rel_tol=1e-6)
    if is_settled and not math.isclose(first, padded, rel_tol=PADDING_TOLERANCE, abs_tol=1e-7):
        return failed(
            f"extra_loss is {first:.6g}, and {padded:.6g} with {MORE_PADDING} more columns of padding",
            "ignore padding: the attention mask marks it",
        )
    return passed(f"{first:.4g} at the start, with a gradient{', independent of padding' if is_settled else ''}")


def _extra_losses(subject: Subject) -> Iterator[Tensor | None]:
    """Extra losses in training mode without dropout: of a batch, of the same again, and with more padding."""
    method, model = subject.adapted(dropout=False)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    batch = subject.specimen.batch()
    for given in (batch, batch, subject.specimen.widened(batch, MORE_PADDING)):
        subject.specimen.logits(model, given)
        yield method.extra_loss(model)


def low_precision(subject: Subject) -> Finding:
    """Whether training and inference work in bf16, with frozen weights stored in bf16."""
    dtype = torch.bfloat16
    adapted = subject.adapted(dtype=dtype if subject.specimen.kind == "causal" else torch.float32)
    store_frozen_weights_as(adapted.model, dtype)
    if subject.specimen.kind == "causal":
        settle(adapted.model, CPU)
    losses = subject.train(adapted, dtype) if subject.method_class.trains else []
    model = adapted.method.prepare_inference(adapted.model).requires_grad_(False)
    cast_parameters(model, dtype)
    scores = subject.scores(model.eval())
    if not all(map(math.isfinite, losses)) or not torch.isfinite(scores).all():
        return failed(f"losses {_figures(losses)}; scores are not all finite", "compute in fp32 where bf16 overflows")
    trained = f"losses {_figures(losses)}, then " if losses else ""
    return passed(f"{trained}finite scores")
