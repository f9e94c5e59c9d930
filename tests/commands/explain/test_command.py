"""Cells of a small study, measured once, and what ``tunebench explain`` makes of them."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.commands.cli import main
from bench.commands.explain.explanation import Explanation
from bench.commands.explain.measured_cell import explain, find
from bench.commands.explain.rebuild import Rebuilt, explain_with, rebuild
from bench.errors import PluginError, RequestError, RunFolderError
from bench.method import Method, Options, Step, Trace
from bench.method.source_hash import source_sha256
from bench.record.record import Record
from bench.record.run_folder import CellFolder, RunFolder
from tests.model.prompting.support import byte_tokenizer, causal_model
from tests.support import (
    TEST_ROWS,
    TRAIN_ROWS,
    command,
    small_study,
    write_plugin,
    write_study,
    write_texts,
)  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
TEXT = "a good film, <script>alert(1)</script> & [bold]x[/bold]"
#: Trains the head alone, so that all else is as it was drawn or read when the model was loaded.
HEAD_ONLY = """
    def explain(self, model, input_ids, attention_mask):
        from bench.method import Step, Trace

        assert not model.training and attention_mask is None
        rows = tuple((Step(text=str(token), category=token % 2, weight=1),) for token in input_ids[0].tolist())
        return Trace(title="Ids", legend="an id", places=("input",), categories=("even", "odd"), steps=rows)
"""
FROZEN = "[p.requires_grad_(n.startswith('classifier')) for n, p in model.named_parameters()]; return model"
#: Neither has an adapter, and this one takes causal models.
ASKS = (
    HEAD_ONLY
    + """
    trains = False

    @classmethod
    def supports(cls, kind):
        return kind == "causal"
"""
)


@dataclasses.dataclass(frozen=True)
class Ran:
    """A study that was measured."""

    folder: Path
    runs: Path
    plugins: list[Path]

    def cell(self, part: str) -> tuple[CellFolder, Record]:
        return find(RunFolder(self.runs), part)

    def path(self, part: str) -> Path:
        (path,) = (path for path in (self.runs / "cells").iterdir() if part in path.name)
        return path

    def explain(self, part: str, text: str) -> Explanation:
        return explain(*self.cell(part), text, self.plugins)

    def rebuilt(self, part: str) -> tuple[Rebuilt, Record]:
        folder, record = self.cell(part)
        return rebuild(folder, record, self.plugins), record

    def predicted(self, part: str) -> list[list[float]]:
        """The scores that the cell's worker wrote of each test text."""
        lines = (self.path(part) / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["scores"] for line in lines]


def run_study(folder: Path, content: dict[str, Any], plugins: list[Path]) -> Ran:
    study = write_study(folder / "small.toml", content)
    named = [part for plugin in plugins for part in ("--plugin", plugin)]
    done = command("run", study, *named, cwd=folder, TUNEBENCH_CACHE=str(folder / "cache"))
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return Ran(folder, folder / "runs" / "small", plugins)


@pytest.fixture(scope="module")
def measured(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Cells of a method that explains, with and without its artifact, of ones that do not, and one that failed."""
    folder = tmp_path_factory.mktemp("explain")
    texts = write_texts(folder / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    model = folder / "model"
    shutil.copytree(tiny_encoder, model)
    content = small_study(model, texts, methods=["moe", "unkept", "bitfit"])
    content["grid"].append({"datasets": ["reviews"], "models": ["drawn"], "methods": ["head"]})
    content["models"]["drawn"] = {"path": str(model), "weights": "random"}
    content["train"]["keep_artifact"] = True
    content["methods"] = {
        "moe": {"options": {"layers": "last:1", "learning_rate": 0.01}},
        "unkept": {"plugin": "moe", "label": "Unkept", "train": {"keep_artifact": False}},
    }
    plugins = [
        write_plugin(folder, "head", FROZEN, HEAD_ONLY),
        write_plugin(folder, "failing", "raise UnsupportedError('not this one')"),
    ]
    return run_study(folder, content, plugins)


@pytest.fixture
def copied(measured: Ran, tmp_path: Path) -> Ran:
    """The same run folder, to be spoilt."""
    shutil.copytree(measured.runs, tmp_path / "small")
    return Ran(tmp_path, tmp_path / "small", measured.plugins)


def softmax(scores: list[float]) -> np.ndarray:
    powers = np.exp(np.array(scores) - max(scores))
    return powers / powers.sum()  # type: ignore[no-any-return]


def edit(path: Path, **changes: Any) -> None:
    """Change fields of a JSON file, named with a double underscore between table and key."""
    content = json.loads(path.read_text(encoding="utf-8"))
    for name, value in changes.items():
        table = content
        *outer, key = name.split("__")
        for part in outer:
            table = table[part]
        table[key] = value
    path.write_text(json.dumps(content), encoding="utf-8")


def says(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What the command prints where it is refused."""
    assert main(["explain", *map(str, arguments)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert all(line.startswith("tunebench: ") for line in printed.err.splitlines())
    return printed.err


class TestAnswerAndTrace:
    @pytest.mark.parametrize("part", ["tiny__moe", "tiny__head", "drawn__head"])
    def test_the_probabilities_are_those_of_the_worker(self, measured, part):
        rebuilt, record = measured.rebuilt(part)
        for (text, _), scores in zip(TEST_ROWS, measured.predicted(part), strict=True):
            answer = explain_with(rebuilt, record, text).answer
            assert dict(answer) == pytest.approx(dict(zip("01", softmax(scores), strict=True)), abs=1e-3)
            assert answer[0][1] == max(dict(answer).values())

    def test_tokens_are_the_text_and_the_steps_are_theirs(self, measured):
        shown = measured.explain("tiny__moe", "A good  film, unheard-of!")
        assert "".join(token.before + token.text for token in shown.tokens) == "[CLS]A good  film, unheard-of![SEP]"
        labels = "|".join(token.label for token in shown.tokens)
        assert labels == "[CLS]|A|good|film [UNK]|,|unheard [UNK]|- [UNK]|of|! [UNK]|[SEP]"
        assert len(shown.trace.steps) == len(shown.tokens)
        assert shown.trace.places == ("layer 1",)
        assert len(shown.trace.categories) == 4
        assert shown.notes == ("Computed in fp32 on the CPU.",)

    def test_a_long_text_is_cut_and_says_so(self, measured):
        shown = measured.explain("tiny__moe", "good " * 50)
        assert len(shown.tokens) == len(shown.trace.steps) == 12
        assert "cut to its first 12 tokens, because of data.max_length = 12" in shown.notes[1]
        short = measured.explain("tiny__moe", "good " * 10)
        assert len(short.tokens) == 12
        assert len(short.notes) == 1

    def test_random_weights_are_named(self, measured):
        assert "The model started from random weights." in measured.explain("drawn__head", "good").notes

    def test_the_same_text_gives_the_same_explanation(self, measured):
        assert measured.explain("tiny__moe", TEXT) == measured.explain("tiny__moe", TEXT)

    def test_another_device_is_named(self, copied):
        edit(copied.path("tiny__moe") / "record.json", precision="bf16", machine__device="cuda")
        assert "measured in bf16 on cuda" in copied.explain("tiny__moe", "good").notes[1]

    def test_weights_that_changed_are_named(self, copied, measured):
        cell = copied.path("tiny__moe") / "cell.json"
        shutil.copytree(measured.folder / "model", copied.folder / "model")
        edit(cell, model__folder=str(copied.folder / "model"))
        assert not any("not as they were" in note for note in copied.explain("tiny__moe", "good").notes)
        (copied.folder / "model" / "model.safetensors").touch()
        last_note = copied.explain("tiny__moe", "good").notes[-1]
        assert "The files of model tiny have changed since the cell was measured" in last_note


class TestCommand:
    def test_prints_and_writes(self, copied):
        done = command("explain", copied.runs, "tiny__moe", TEXT, cwd=copied.folder)
        assert (done.returncode, done.stderr) == (0, "")
        page = copied.path("tiny__moe") / "explanation.html"
        html = page.read_text(encoding="utf-8")
        assert done.stdout.splitlines()[-1] == f"wrote {page}"
        assert max(map(len, done.stdout.splitlines()[:-1])) <= 80
        for part in ("Experts by token", "layer 1", "expert 3", "good", "script [UNK]", "2 experts (their weights)"):
            assert part in done.stdout
            assert part in html
        assert "&lt;" in html
        assert "<script" not in html
        assert "\x1b" not in done.stdout

    def test_the_page_goes_where_it_is_told(self, copied, capsys):
        page = copied.folder / "other name.html"
        assert main(["explain", str(copied.runs), "tiny__moe", TEXT, "--html", str(page)]) == 0
        assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
        assert capsys.readouterr().out.endswith(f"wrote {page}\n")
        assert not (copied.path("tiny__moe") / "explanation.html").exists()

    def test_a_method_of_the_user_s_own_is_named_again(self, copied, capsys):
        said = says(capsys, copied.runs, "tiny__head", "good")
        assert "method head: there is no method 'head' here; install it, or name its file with --plugin" in said
        assert main(["explain", str(copied.runs), "tiny__head", "good", "--plugin", str(copied.plugins[0])]) == 0
        assert "Ids" in capsys.readouterr().out


class TestWhichCell:
    def test_an_id_or_any_part_of_it_that_is_unique(self, measured):
        whole = measured.path("tiny__moe").name
        for part in (whole, whole[-10:], "tiny__moe", "__moe__"):
            assert measured.cell(part)[1].cell_id == whole

    def test_several(self, measured, capsys):
        said = says(capsys, measured.runs, "tiny__", "good")
        assert "several cells match 'tiny__'; give an id, or a part of one that is unique" in said
        assert measured.path("tiny__moe").name in said
        assert measured.path("drawn__head").name not in said

    def test_none(self, measured, capsys):
        said = says(capsys, measured.runs, "roberta", "good")
        assert "no cell matches 'roberta'" in said
        assert measured.path("drawn__head").name in said

    def test_ten_candidates_are_listed(self, tmp_path):
        ids = [f"d__m__x__s{seed}-0" for seed in range(14)]
        (tmp_path / "run.json").write_text(json.dumps({"schema_version": 1, "cell_ids": ids}))
        with pytest.raises(RequestError, match=r"and 4 more$") as refused:
            find(RunFolder(tmp_path), "__x__")
        assert str(refused.value).count("d__m__x") == 10
        with pytest.raises(RunFolderError, match="s1-0 has not been measured yet; run its study again"):
            find(RunFolder(tmp_path), "s1-0")

    @pytest.mark.parametrize("absolute", [True, False])
    def test_an_id_that_leads_out_of_the_run_folder(self, copied, capsys, absolute):
        outside = copied.folder / "outside"
        shutil.copytree(copied.path("tiny__moe"), outside)
        edit(copied.runs / "run.json", cell_ids=[str(outside) if absolute else "../../outside"])
        assert "is not a valid cell id" in says(capsys, copied.runs, "outside", "good")
        assert not (outside / "explanation.html").exists()

    def test_a_run_without_cells(self, tmp_path):
        (tmp_path / "run.json").write_text('{"schema_version": 1, "cell_ids": []}')
        with pytest.raises(RequestError, match="the run has no cells"):
            find(RunFolder(tmp_path), "x")


class TestRefused:
    @pytest.mark.parametrize(
        ("part", "text", "said"),
        [
            ("tiny__moe", "", "there is no text to explain"), ("tiny__moe", " \n\t", "there is no text to explain"),
            ("tiny__moe", "caf\udce9", "give it in UTF-8"),
            ("tiny__failing", "good", "it ended as unsupported in adapt: UnsupportedError: not this one; see "),
            ("tiny__failing", "good", "stderr.txt"),
            ("tiny__unkept", "good", "keep_artifact = true in [train], or for this method alone in [methods.un"),
            ("tiny__bitfit", "good", "method bitfit has no explain hook"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_explained(self, measured, capsys, part, text, said):
        assert said in says(capsys, measured.runs, part, text)

    def test_a_cell_that_failed_without_a_word(self, copied, capsys):
        edit(copied.path("tiny__failing") / "record.json", failure__message="")
        assert "UnsupportedError: ; see " in says(capsys, copied.runs, "tiny__failing", "good")

    def test_nothing_that_a_failure_says_reaches_the_terminal_as_it_is(self, copied, capsys):
        fields = {f"failure__{name}": f"{name}\x1b]0;\x07" for name in ("phase", "type", "message", "log")}
        edit(copied.path("tiny__failing") / "record.json", cell_id="\x1b[2J", **fields)
        said = says(capsys, copied.runs, "tiny__failing", "good")
        assert "\x1b" not in said
        assert r" in phase\x1b]0;\x07: type\x1b]0;\x07: message\x1b]0;\x07; see " in said

    def test_an_artifact_that_was_removed(self, copied, capsys):
        (copied.path("tiny__moe") / "artifact" / "adapter.safetensors").unlink()
        said = says(capsys, copied.runs, "tiny__moe", "good")
        assert f"has no artifact file any more; remove {copied.path('tiny__moe')} and run the study again" in said

    @pytest.mark.parametrize(
        ("name", "reason"), [("theirs", "there is no method 'theirs' here"), ("moe", "was changed after")]
    )
    def test_code_that_the_run_folder_brings_is_not_run(self, copied, capsys, name, reason):
        """Whoever wrote the cell wrote the hash of the file too."""
        ran = copied.folder / "ran"
        path = copied.path("tiny__moe") / "theirs.py"
        path.write_text(f"open({str(ran)!r}, 'w')", encoding="utf-8")
        method = {"method__plugin": name, "method__path": str(path), "method__sha256": source_sha256(path)}
        edit(copied.path("tiny__moe") / "cell.json", **method)
        assert reason in says(capsys, copied.runs, "tiny__moe", "good")
        assert not ran.exists()

    def test_weights_that_are_gone(self, copied, capsys):
        edit(copied.path("tiny__moe") / "cell.json", model__folder=str(copied.folder / "gone"))
        said = says(capsys, copied.runs, "tiny__moe", "good")
        assert f"model tiny: there is no {copied.folder / 'gone'} any more; put its files back" in said
        (copied.folder / "gone").mkdir()
        said = says(capsys, copied.runs, "tiny__moe", "good")
        assert f"model tiny: {copied.folder / 'gone'} has no *.safetensors; pickled" in said

    def test_a_page_that_cannot_be_written(self, measured, tmp_path, capsys):
        for page, reason in (
            (tmp_path, "it is a folder"),
            (tmp_path / "none" / "x.html", f"there is no folder {tmp_path / 'none'}"),
        ):
            said = says(capsys, measured.runs, "tiny__moe", "good", "--html", page)
            assert f"{page} cannot be written: {reason}; give --html another file" in said

    def test_a_model_that_can_no_longer_be_adapted(self, copied, capsys):
        edit(copied.path("tiny__moe") / "cell.json", method__options__layers=[7])
        assert "tunebench: cell " in says(capsys, copied.runs, "tiny__moe", "good")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def change(alter: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        tensors = load_file(path)
        alter(tensors)
        save_file(tensors, path)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (cut, "SafetensorError"),
        (change(lambda t: t.pop("classifier.bias")), "KeyError: no tensor classifier.bias"),
        (change(lambda t: t.update(more=torch.zeros(1))), "KeyError: more"),
        (change(lambda t: t.update({"classifier.bias": torch.zeros(1)})), r"classifier.bias is [1] in place of [2]"),
    ],
    ids=["cut short", "a tensor missing", "a tensor too many", "another shape"],
)
def test_a_damaged_artifact(copied, capsys, spoil, reason):
    path = copied.path("tiny__moe") / "artifact" / "adapter.safetensors"
    spoil(path)
    said = says(capsys, copied.runs, "tiny__moe", "good")
    assert f"{path} cannot be loaded: " in said
    assert reason in said
    assert f"remove {copied.path('tiny__moe')} and run the study again" in said


def test_an_artifact_of_no_numbers(copied, capsys):
    path = copied.path("tiny__moe") / "artifact" / "adapter.safetensors"
    change(lambda t: t["classifier.bias"].fill_(float("nan")))(path)
    said = says(capsys, copied.runs, "tiny__moe", "good")
    assert f"class scores are not finite numbers; {path} may be damaged" in said


class Says(Method):
    """A method whose explanation is given."""

    label = "Says"

    def __init__(self, said: Callable[[int], Trace | None]) -> None:
        super().__init__(Options())
        self.said = said

    def adapt(self, model, task):
        return model

    def explain(self, model, input_ids, attention_mask):
        return self.said(input_ids.shape[1])


def trace(tokens: int, places: int = 1, category: int = 0) -> Trace:
    steps = ((Step(text="x", category=category, weight=1),),) * tokens
    heads = tuple(f"p{place}" for place in range(places))
    return Trace(title="t", legend="l", places=heads, categories=("c",), steps=steps)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (lambda tokens: None, "method head has no explain hook"),
        (lambda tokens: 1 / 0, "method head: explain failed: ZeroDivisionError: division by zero"),
        (lambda tokens: trace(tokens - 1), "one step for each of 3 tokens and 1 places, got 2 steps for 2 tokens"),
        (lambda tokens: trace(tokens, places=2), "one step for each of 3 tokens and 2 places, got 3 steps"),
        (lambda tokens: trace(tokens, category=1), "explain has 1 categories, but a step has category 1"),
        (lambda tokens: "a text", "explain must return a Trace or None, got str"),
    ],
    ids=["nothing", "fails", "a token short", "a place short", "no such category", "no trace"],
)
def test_a_plugin_that_does_not_explain_as_it_must(measured, said, reason):
    rebuilt, record = measured.rebuilt("tiny__head")
    with pytest.raises(PluginError, match=reason):
        explain_with(dataclasses.replace(rebuilt, method=Says(said)), record, "good")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Cells of a causal model, one of which explains."""
    folder = tmp_path_factory.mktemp("causal")
    texts = write_texts(folder / "texts", train=TRAIN_ROWS, test=TEST_ROWS)
    tokenizer = byte_tokenizer()
    causal_model("llama", len(tokenizer)).save_pretrained(folder / "tiny")
    tokenizer.save_pretrained(folder / "tiny")
    content = small_study(folder / "tiny", texts, methods=["zero_shot"])
    content["data"]["max_length"] = 140
    content["prompt"] = {"instruction": "label: {labels}", "examples_per_class": 1, "generate": False}
    content["datasets"]["reviews"]["labels"] = ["negative", "positive"]
    return run_study(folder, content, [write_plugin(folder, "asks", "return model.requires_grad_(False)", ASKS)])


class TestCausal:
    """A causal model reads its prompt, and its answer is the likelihood of the labels."""

    def test_the_probabilities_are_those_of_the_worker(self, asked):
        rebuilt, record = asked.rebuilt("__asks__")
        for (text, _), scores in zip(TEST_ROWS, asked.predicted("__asks__"), strict=True):
            wanted = dict(zip(("negative", "positive"), softmax(scores), strict=True))
            assert dict(explain_with(rebuilt, record, text).answer) == pytest.approx(wanted, abs=1e-3)

    def test_the_tokens_are_those_of_the_whole_prompt(self, asked):
        shown = asked.explain("__asks__", "good film <|stop|> 😀")
        said = "".join(token.before + token.text for token in shown.tokens)
        assert said.startswith("<s><|start|>user<|sep|>\n\nlabel: negative, positive")
        assert said.endswith("good film <|stop|> 😀<|stop|><|start|>assistant<|sep|>\n\n")
        assert len(shown.tokens) == len(shown.trace.steps)
        assert all(token.label for token in shown.tokens)

    def test_random_weights_that_were_drawn_elsewhere(self, asked, tmp_path, capsys):
        shutil.copytree(asked.runs, tmp_path / "small")
        copy = Ran(tmp_path, tmp_path / "small", asked.plugins)
        edit(copy.path("__asks__") / "cell.json", model__weights="random")
        edit(copy.path("__asks__") / "record.json", precision="bf16", machine__device="cuda")
        assert "drew its random weights in bf16 on cuda" in says(
            capsys, copy.runs, "__asks__", "good", "--plugin", *copy.plugins
        )
