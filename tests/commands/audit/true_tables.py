"""True tables: scores of drawn confusion matrices and counts of real plans, printed in one of many ways."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.commands.audit.findings import Finding
from bench.commands.audit.published import load
from bench.commands.audit.result import Audit, audit
from bench.plan.plan import Plan
from bench.plan.row import PlanRow
from bench.study.request import Request
from bench.study.study import Study
from tests.known import known

#: Classes of each dataset of the plan.
CLASSES = {"two": 2, "three": 3, "five": 5}
ENCODER_METHODS = ["full_ft", "bitfit", "lora", "p_tuning", "moe"]
SMALL = {
    "vocab_size": 4000, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 256,
    "max_position_embeddings": 66, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "encoder": {"model_type": "roberta", "architectures": ["RobertaForSequenceClassification"], **SMALL},
    "decoder": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_key_value_heads": 4, **SMALL},
}


def small_plan(folder: Path) -> Plan:
    """The plan of a study of two small models and six methods; the language model's weights take 4 bits."""
    for name, config in MODELS.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    content = {
        "name": "small", "device": "cuda", "baselines": False, "data": {"max_length": 32},
        "grid": [
            {"datasets": list(CLASSES), "models": ["encoder"], "methods": ENCODER_METHODS},
            {"datasets": list(CLASSES), "models": ["decoder"], "methods": ["lora", "zero_shot"]},
        ],
        "datasets": {
            name: {"hub_id": f"nobody/{name}", "labels": [f"label {label}" for label in range(classes)]}
            for name, classes in CLASSES.items()
        },
        "models": {name: {"path": str(folder / name), "weights": "random"} for name in MODELS} | {
            "decoder": {"path": str(folder / "decoder"), "weights": "random", "bits": 4},
        },
    }  # fmt: skip
    return Plan(Request(study=Study.model_validate_json(json.dumps(content)).in_folder(folder)), with_memory=False)


@dataclass(frozen=True, slots=True)
class Way:
    """How one table prints its numbers.

    Attributes:
        cut: whether digits are cut, not rounded.
        digits: digits of a score.
        percent: whether scores are percentages.
        averaging: of precision, recall and F1.
        runs: runs whose mean is printed.
        left_out: parts that are not counted, for trainable and for total parameters.
        logical: whether 4-bit weights are counted one by one.
        multiply_add: operations of a multiply-add.
        states: whether the table states averaging and number of runs.
    """

    cut: bool
    digits: int
    percent: bool
    averaging: str
    runs: int
    left_out: tuple[frozenset[str], frozenset[str]]
    logical: bool
    multiply_add: int
    states: bool

    @classmethod
    def drawn(cls, random: Generator) -> "Way":
        def some(*parts: str) -> frozenset[str]:
            return frozenset(part for part in parts if random.random() < 0.4)

        return cls(
            cut=bool(random.random() < 0.5), digits=int(random.integers(2, 5)), percent=bool(random.random() < 0.3),
            averaging=str(random.choice(["class", "macro", "weighted"])), runs=int(random.choice([1, 1, 1, 3])),
            left_out=(some("head", "embeddings"), some("head", "copies", "embeddings")),
            logical=bool(random.random() < 0.4), multiply_add=int(random.choice([1, 2])),
            states=bool(random.random() < 0.6),
        )  # fmt: skip

    def printed(self, value: float, digits: int) -> str:
        if self.cut:
            return f"{math.floor(value * 10**digits) / 10**digits:.{digits}f}"
        return f"{value:.{digits}f}"

    def score(self, value: float) -> str:
        return self.printed(100 * value, self.digits - 2) if self.percent else self.printed(value, self.digits)

    def counts(self, plan: PlanRow) -> tuple[int, int]:
        """Trainable and total parameters as this table counts them."""
        parts = known(plan.parts)
        total = known(plan.logical_params if self.logical else plan.total_params)
        trainable = known(plan.trainable_params)
        of_trainable, of_total = self.left_out
        trainable -= parts.trainable_head if "head" in of_trainable else 0
        trainable -= parts.trainable_embeddings if "embeddings" in of_trainable else 0
        total -= parts.embeddings if "embeddings" in of_total else 0
        total -= parts.head if "head" in of_total else 0
        total -= parts.copies if "copies" in of_total and "head" not in of_total else 0
        return trainable, total


def confusion(sizes: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:
    """Answers of a classifier of random skill, [true class, answered class]."""
    skill = np.eye(len(sizes)) * random.choice([0.0, 2.0, 20.0])
    rates = [random.dirichlet(0.3 + chance) for chance in skill]
    return np.array([random.multinomial(size, rate) for size, rate in zip(sizes, rates, strict=True)])


def scores(matrix: NDArray[np.int64], averaging: str) -> list[float]:
    """Accuracy, precision, recall and F1; a class that is never answered has a precision of 0."""
    right, sizes, answered = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    of_classes = [right / np.maximum(answered, 1), right / sizes, 2 * right / (answered + sizes)]
    weights = {"macro": np.full(len(sizes), 1 / len(sizes)), "weighted": sizes / sizes.sum()}
    last_class = np.eye(len(sizes))[-1]
    accuracy = right.sum() / sizes.sum()
    return [float(accuracy), *(float(each @ weights.get(averaging, last_class)) for each in of_classes)]


class TrueTables:
    """Draws and audits tables of a plan."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.rows = plan.rows()

    def audited(self, random: Generator, way: Way) -> tuple[str, Audit]:
        """One table as csv and its audit."""
        dataset = str(random.choice(list(CLASSES)))
        share = random.dirichlet(np.full(CLASSES[dataset], random.choice([0.7, 5.0, 1e6])))
        sizes = np.maximum(1, (share * 10 ** random.uniform(1.5, 4.5)).astype(int))
        chosen = [row for row in self.rows if row.dataset == dataset and random.random() < 0.6]
        text = self.text(chosen or [row for row in self.rows if row.dataset == dataset], sizes, way, random)
        (self.folder / "table.csv").write_text(text, encoding="utf-8")
        stated = f'[stated]\naveraging = "{way.averaging}"\nruns = {way.runs}\n' if way.states else ""
        (self.folder / "names.toml").write_text(stated, encoding="utf-8")
        published = load(self.folder / "table.csv", self.folder / "names.toml")
        counts = {dataset: {f"label {label}": int(size) for label, size in enumerate(sizes)}}
        return text + stated, audit(
            published, self.rows, counts, None, self.plan.flops_at, study="small", causal={"decoder"}
        )

    def text(self, chosen: list[PlanRow], sizes: NDArray[np.int64], way: Way, random: Generator) -> str:
        names = [f"{score}_percent" if way.percent else score for score in ("accuracy", "precision", "recall", "f1")]
        shown = [random.random() < (0.9 if name.startswith("accuracy") else 0.6) for name in names]
        header = [name for name, wanted in zip(names, shown, strict=True) if wanted]
        lines = [",".join(["dataset,model,method,trainable_params_million,total_params_million,mflops", *header])]
        for row in chosen:
            # What trains nothing answers alike in every run.
            runs = way.runs if row.trains or way.states else 1
            drawn = np.mean([scores(confusion(sizes, random), way.averaging) for _ in range(runs)], axis=0)
            counts = [way.printed(count / 1e6, 3) for count in way.counts(row)]
            flops = way.printed(known(row.forward_flops) / 1e6 * way.multiply_add / 2, 2)
            told = [way.score(value) for value, wanted in zip(drawn, shown, strict=True) if wanted]
            lines.append(",".join([row.dataset, row.model, row.method, *counts, flops, *told]))
        return "\n".join(lines) + "\n"


def accusations(found: Audit) -> list[Finding]:
    """The findings that say that something is wrong."""
    return [finding for finding in found.findings if finding.severity != "note"]
