"""A right method passes; one wrong line is found by the check that is there for it, and by no other without reason."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.commands.check.support import SLOW, by_verdict, results_of, write_method

pytestmark = pytest.mark.usefixtures("one_thread")
Changes = Sequence[tuple[str, str]]
ATTACHED = "layer.output.dense = nn.Sequential(dense, Bottleneck(dense.out_features, self.options.inner))"
LAST = "        model.classifier.requires_grad_(True)\n        return model"
FIRST = "        model.requires_grad_(False)\n"


def at_end(statement: str) -> Changes:
    """As the last thing that adapt does."""
    return [(LAST, LAST.replace("        return", f"        {statement}\n        return"))]


def hook(signature: str, *lines: str) -> str:
    """One more method of the class."""
    return "\n".join([f"\n    def {signature}:", *(f"        {line}" for line in lines)]) + "\n"


#: By what is wrong: the line that is changed, what is added, the checks that fail, and what the first of them says.
WRONG: dict[str, tuple[Changes, str, list[str], str]] = {
    "an adapter that is never attached": (
        [(ATTACHED, "self.runs, lost = 0, Bottleneck(dense.out_features, self.options.inner)")], "",
        ["closed form"], "does not appear in the model",
    ),
    "an adapter that is there and not used": (
        [(ATTACHED, "layer.adapter = Bottleneck(dense.out_features, self.options.inner)")], "",
        ["trained move", "closed form"], "no gradient in 3 steps: bert.encoder.layer.0.adapter.down.weight",
    ),
    "a closed form that is not whole": (
        [("+ architecture.num_layers * adapter", "+ architecture.num_layers * adapter / 2")], "",
        ["closed form"], "FLOPs in closed form are",
    ),
    "experts that cost more than the whole": (
        [], hook("expert_flops(self, architecture, task)", "return 10**12"),
        ["closed form"], "expert_flops are 1,000,000,000,000 of",
    ),
    "frozen weights that move": (
        [], hook("after_step(self, model, step)", "model.base_model.embeddings.word_embeddings.weight.data.mul_(0.9)"),
        ["frozen stay", "save and load"], "though frozen: bert.embeddings.word_embeddings.weight",
    ),
    "a trainable weight that the optimizer never gets": (
        [], hook(
            "parameter_groups(self, model)",
            "return [{'params': [p for m in self.bottlenecks(model) for p in m.parameters()], 'weight_decay': 0.0}]",
        ),
        ["parameter groups", "trained move"], "in no group: classifier.weight, classifier.bias",
    ),
    "a weight that the optimizer gets twice": (
        [], hook(
            "parameter_groups(self, model)",
            "groups = super().parameter_groups(model)",
            "return [*groups, {'params': [model.classifier.weight], 'weight_decay': 0.0}]",
        ),
        ["parameter groups", "training step"], "in several groups: classifier.weight",
    ),
    "a frozen weight that the optimizer gets": (
        [], hook(
            "parameter_groups(self, model)",
            "frozen = model.base_model.embeddings.word_embeddings.weight",
            "return [*super().parameter_groups(model), {'params': [frozen], 'weight_decay': 0.0}]",
        ),
        ["parameter groups"], "not trainable: bert.embeddings.word_embeddings.weight",
    ),
    "biases that decay": (
        [], hook(
            "parameter_groups(self, model)", "return [{'params': [p for p in model.parameters() if p.requires_grad]}]"
        ),
        ["parameter groups"], "vectors with weight decay: ",
    ),
    "another build on meta": (
        [("self.options.inner))", "4 if dense.weight.is_meta else 5))")], "",
        ["meta build"], "down.weight is [5, 32], and [4, 32] on meta",
    ),
    "values of weights that decide": (
        at_end("model.keeps = float(model.classifier.bias.data[0]) > 0"), "",
        ["meta build"], "Tensor.item() cannot be called on meta tensors",
    ),
    "a seed of its own": (at_end("torch.manual_seed(0)"), "", ["random numbers"], "adapt seeds torch's generator"),
    "a seed of its own for numpy": (
        at_end("np.random.seed(0)"), "", ["random numbers"], "adapt seeds numpy's generator"
    ),
    "a seed of its own for Python": (
        at_end("random.seed(0)"), "", ["random numbers"], "adapt seeds Python's generator"
    ),
    "a start that time decides": (
        [(FIRST, f"{FIRST}        torch.manual_seed(time.time_ns())\n")], "",
        ["random numbers", "same seed"], "two builds of one seed differ in",
    ),
    "a training that earlier ones decide": (
        [], hook("extra_loss(self, model)", "type(self).runs += 1", "return model.classifier.weight.sum() * self.runs"),
        ["same seed"], "losses of two runs with one seed differ from step 2 on",
    ),
    "padding that is let in": (
        at_end("model.base_model.pooler.forward = lambda states: torch.tanh(model.bert.pooler.dense(states.mean(1)))"),
        "", ["padding"], "with 7 more columns of padding the scores are off by",
    ),
    "chance in evaluation": (
        [("return states + self.added", "return states + nn.functional.dropout(self.added, 0.5, training=True)")], "",
        ["evaluation", "padding"], "scores of one batch differ by",
    ),
    "a tensor that is not saved": (
        [], hook(
            "save(self, model, folder)",
            "tensors = {n: p.detach().contiguous() for n, p in model.named_parameters() if '.down.' in n}",
            "save_file(tensors, folder / 'adapter.safetensors')",
        ),
        ["artifact size", "save and load"], "save writes 396 elements in fp32",
    ),
    "a tensor that is not put back": (
        [], hook(
            "load(self, model, folder)",
            "saved = {n: t for n, t in load_file(folder / 'adapter.safetensors').items() if '.up.' not in n}",
            "model.load_state_dict(saved, strict=False)",
            "return model",
        ),
        ["save and load"], "after save and load the scores are off by",
    ),
    "a pickle": (
        [], hook("save(self, model, folder)", "torch.save(model.classifier.state_dict(), folder / 'adapter.pt')"),
        ["saved files"], "save writes adapter.pt; write only .safetensors, .json, .md: a pickle is never loaded",
    ),
    "a pickle under another name": (
        [], hook("save(self, model, folder)", "torch.save({}, folder / 'adapter.safetensors')"),
        ["saved files"], "content does not match the suffix: adapter.safetensors",
    ),
    "an artifact without tensors": (
        [], hook("save(self, model, folder)", "(folder / 'notes.json').write_text('{}')"),
        ["saved files"], "save writes no tensors, but notes.json",
    ),
    "a file beside the artifact": (
        [], hook("save(self, model, folder)", "super().save(model, folder)", "Path('x.json').write_text('{}')"),
        ["saved files"], "save writes outside of its folder: x.json",
    ),
    "an artifact of another size": (
        [], hook("artifact_elements(self, model)", "return 7"),
        ["artifact size"], "artifact_elements returns 7, save writes",
    ),
    "a merge that changes the answer": (
        [], hook("prepare_inference(self, model)", "model.classifier.bias.data.add_(1)", "return model"),
        ["merged"], "prepared for inference the scores are off by",
    ),
    "an own loss that is not a number": (
        [], hook("extra_loss(self, model)", "return model.classifier.weight.sum() * float('nan')"),
        ["extra loss", "training step"], "extra_loss is nan; keep it finite",
    ),
    "an own loss that trains nothing": (
        [], hook("extra_loss(self, model)", "return model.classifier.weight.sum().detach()"),
        ["extra loss"], "extra_loss has no gradient",
    ),
    "an own loss that is no scalar": (
        [], hook("extra_loss(self, model)", "return model.classifier.weight.sum(0)"),
        ["extra loss", "training step"], "extra_loss returns a tensor of shape [32]",
    ),
    "an own loss that counts pads": (
        [], hook("extra_loss(self, model)", "return self.bottlenecks(model)[0].added.square().mean()"),
        ["extra loss"], "with 5 more columns of padding",
    ),
    "a hook that raises": (
        [], hook("after_step(self, model, step)", "raise KeyError('slip')"),
        ["training step"], "KeyError: 'slip'",
    ),
    "trained weights that cannot help": (
        at_end("model.classifier.register_forward_hook(lambda m, a, scores: 0.1 * torch.tanh(scores))"), "",
        ["overfit"], "on 3 texts falls only to",
    ),
    "a matmul in fp32 whatever the model is in": (
        [("self.up(torch.tanh(self.down(states)))", "torch.tanh(self.down(states)).float() @ self.up.weight.T")], "",
        ["bf16", "trained move"], "RuntimeError",
    ),
    "insights of another type": (
        [], hook("insights(self, model, task, examples)", "return {'shares': [1]}"),
        ["insights"], "insights returns dict; return bench.method.Insights",
    ),
    "insights that are no JSON": (
        [], hook("insights(self, model, task, examples)", "return Insights(facts={'share': float('nan')})"),
        ["insights"], "insights cannot be written as JSON",
    ),
    "an explanation a token short": (
        [], hook(
            "explain(self, model, input_ids, attention_mask)",
            "step = Step(text='x', category=0, weight=1)",
            "steps = ((step,),) * (input_ids.shape[1] - 1)",
            "return Trace(title='t', legend='l', places=('p',), categories=('c',), steps=steps)",
        ),
        ["explain"], "explain must give one step for each of 12 tokens",
    ),
    "another way of computing": (
        at_end("torch.use_deterministic_algorithms(True)"), "",
        ["process state"], "adapt changes torch's deterministic algorithms from (False, False) to (True, False)",
    ),
    "another environment": (
        [], hook("after_step(self, model, step)", "os.environ['TUNEBENCH_TEST'] = '1'"),
        ["process state"], "training changes the environment",
    ),
    "another number of threads": (
        [], hook("prepare_inference(self, model)", "torch.set_num_threads(2)", "return model"),
        ["process state"], "prepare_inference changes torch's number of threads from 1 to 2",
    ),
    "nothing to train": (
        [(LAST, "        return model.requires_grad_(False)")], "", ["adapt"], "no parameter is trainable",
    ),
    "something to train where nothing is trained": (
        [("runs = 0", "trains = False")], "",
        ["adapt"], "trains is False, and 975 parameters are trainable",
    ),
    "scores of another shape": (
        at_end("model.classifier.register_forward_hook(lambda m, a, scores: scores[:1])"), "",
        ["adapt"], "the adapted model gives scores of shape [1, 3]",
    ),
    "no model": ([(LAST, "        return None")], "", ["adapt"], "adapt returns NoneType; return the model to train"),
    "an exit": (at_end("sys.exit('enough')"), "", ["adapt"], "SystemExit: enough"),
    "an error": (at_end("raise ValueError('no')"), "", ["adapt"], "ValueError: no"),
    "an architecture that is not supported": (
        at_end("raise UnsupportedError('no such layer')"), "", ["models"], "no model could be adapted: BERT, RoBERTa",
    ),
    "no sort of model": (
        [], "\n    @classmethod\n    def supports(cls, kind):\n        return False\n",
        ["kinds"], "supports no kind of model",
    ),
    "an answer that is neither yes nor no": (
        [], "\n    @classmethod\n    def supports(cls, kind):\n        return 'yes'\n",
        ["kinds"], "supports returns 'yes' for encoder, 'yes' for causal",
    ),
    "an option without a default": (
        [('Field(4, ge=1, description="width")', 'Field(ge=1, description="width")')], "",
        ["options", "adapt"], "no default: inner",
    ),
    "an option without a meaning": (
        [('Field(4, ge=1, description="width")', "4")], "", ["options"], "no description: inner",
    ),
    "a default that is refused": (
        [("Field(4, ge=1,", "Field(0, ge=1, validate_default=True,")], "",
        ["options", "adapt"], "its own defaults are refused",
    ),
    "options that swallow anything": (
        [("    inner: int", "    model_config = {'extra': 'allow'}\n    inner: int")], "",
        ["options"], "an unknown option is accepted",
    ),
    "a blank label": ([('label = "Right"', 'label = " "')], "", ["label"], "label is ' '"),
    "no word of what it does": (
        [('    """Adapters are trained, and the head."""\n', "")], "", ["label"], "class Right has no docstring",
    ),
    "an error at import": (
        [("import os,", "raise RuntimeError('no')\nimport os,")], "", ["import"], "does not import: RuntimeError: no"
    ),
    "a setting changed at import": (
        [("class Bottleneck", "torch.set_default_dtype(torch.float64)\n\n\nclass Bottleneck")], "",
        ["import"], "importing it changes torch's default dtype",
    ),
}  # fmt: skip


def test_the_right_method_passes_everywhere_it_can(tmp_path: Path) -> None:
    results = results_of(write_method(tmp_path), needed=SLOW, models=("BERT", "RoBERTa"))
    assert {result.verdict for result in results} == {"pass", "not applicable"}
    assert [result.model for result in results if result.check == "adapt"] == ["BERT", "RoBERTa"]
    assert len(by_verdict(results, "pass")) >= 18


@pytest.mark.parametrize("what", WRONG)
def test_one_wrong_line_is_found_by_its_check(what: str, tmp_path: Path) -> None:
    changes, extra, failing, said = WRONG[what]
    results = results_of(write_method(tmp_path, *changes, extra=extra), needed=failing)
    failures = by_verdict(results, "fail")
    assert set(failures) == set(failing), failures
    assert said in failures[failing[0]]
    assert all(result.advice for result in results if result.verdict == "fail")


def test_what_stands_on_a_failure_is_not_run_and_says_on_which(tmp_path: Path) -> None:
    path = write_method(tmp_path, extra=hook("after_step(self, model, step)", "raise KeyError('slip')"))
    left = by_verdict(results_of(path), "not run")
    assert left["trained move"] == left["merged"] == left["saved files"] == "it needs: training step"
    assert left["save and load"] == "it needs: saved files"
    assert "meta build" not in left


def test_one_unsupported_architecture_is_no_failure(tmp_path: Path) -> None:
    path = write_method(tmp_path, *at_end("if 'Roberta' in type(model).__name__: raise UnsupportedError('no')"))
    results = results_of(path, models=("BERT", "RoBERTa"))
    assert by_verdict(results, "fail") == {}
    of_other = [(result.check, result.verdict, result.found) for result in results if result.model == "RoBERTa"]
    assert of_other == [("adapt", "not applicable", "unsupported: no")]


def test_padding_on_the_left_of_a_causal_model_is_found_too(tmp_path: Path) -> None:
    blind = """        model.model.register_forward_pre_hook(
            lambda module, args, given: (args, {**given, "attention_mask": given["attention_mask"] * 0 + 1}),
            with_kwargs=True,
        )
        return model.requires_grad_(False)
"""
    causal = "\n    @classmethod\n    def supports(cls, kind):\n        return kind == 'causal'\n"
    path = write_method(tmp_path, ("runs = 0", "trains = False"), (FIRST, blind), extra=causal)
    failures = by_verdict(results_of(path, models=("Llama",)), "fail")
    assert set(failures) == {"padding"}, failures
