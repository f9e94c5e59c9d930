"""What is run on the made-up GPU: small studies, each with the card that it gets."""

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from bench.study.study import Study
from tests.conftest import write_tiny_encoder
from tests.gpu.card import Card
from tests.model.prompting.support import byte_tokenizer, causal_model
from tests.support import TEST_ROWS, TRAIN_ROWS, WORDS, small_study, write_texts

VALIDATION_ROWS = [(f"{start} {word}", label) for start in ("a", "a very") for word, label in WORDS]
TRAIN: dict[str, Any] = {
    "epochs": 1, "max_steps": 4, "timing_warmup_steps": 1, "batch_size": 4, "inference_batch_size": 2,
    "precision": "bf16",
}  # fmt: skip
METHODS = ["full_ft", "bitfit", "lora", "p_tuning", "moe"]
UPDATE = {"target_modules": "all-linear", "r": 4}


@dataclass(frozen=True)
class Case:
    """A study and its card.

    Attributes:
        methods: rows of the study.
        models: of it; "tiny" is the encoder, the others are causal.
        train: settings beside ``TRAIN``.
        card: the GPU.
        device: of the study, on a GPU.
        tried_again: cells that ran out of memory are run again, with a smaller batch.
    """

    methods: list[str]
    models: list[str] = field(default_factory=lambda: ["tiny"])
    train: dict[str, Any] = field(default_factory=dict)
    card: Card = field(default_factory=Card)
    device: str = "cuda"
    tried_again: bool = False

    def study(self, name: str, place: Path, device: str) -> Study:
        """The study for ``cpu`` or ``cuda``; ``write_place`` has made its models and texts."""
        kind = "reviews" if self.models == ["tiny"] else "asked"
        content = small_study(
            place / "encoder", place / kind, name=name.replace(" ", "_"), methods=self.methods,
            device=self.device if device == "cuda" else device,
            train=TRAIN | self.train, data={"max_length": 12 if kind == "reviews" else 96},
        )  # fmt: skip
        content["grid"][0] |= {"models": self.models, "datasets": [kind]}
        content["datasets"] = {kind: {"path": str(place / kind), "labels": ["negative", "positive"]}}
        causal = {"path": str(place / "causal")}
        content["models"] |= {"four": causal | {"bits": 4}, "eight": causal | {"bits": 8}}
        content["prompt"] = {"instruction": "label: {labels}"}
        content["methods"] = {"adapter": {"plugin": "lora", "options": UPDATE}}
        if kind == "reviews":
            for key in ("prompt", "methods"):
                content.pop(key)
        return Study.model_validate(content)


CASES = {
    "encoders": Case(METHODS, train={"validation_points": 2, "precision": "auto"}),
    "older": Case(
        ["full_ft"],
        train={"precision": "auto", "optimizer": "adamw_foreach"},
        card=Card(capability=(7, 5), compute_processes=1),
    ),
    "silent": Case(["lora"], train={"gradient_checkpointing": True}, card=Card(nvml=False)),
    "paged": Case(["full_ft"], train={"optimizer": "paged_adamw"}, card=Card(graphics_processes=1)),
    "chosen": Case(
        ["full_ft"],
        train={"class_weights": "balanced", "validation_points": 2, "early_stopping_patience": 2, "keep": "best"},
    ),
    "half": Case(["lora"], train={"precision": "fp16", "gradient_accumulation_steps": 2}, card=Card(capability=(7, 0))),
    "instance": Case(["bitfit"], card=Card(name="NVIDIA Made Up MIG 1g.10gb", mig=True)),
    "partly": Case(
        ["bitfit"],
        train={"epochs": 12, "max_steps": 68},  # so long that its steps tell when warm-up is over
        card=Card(lacks=("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetGraphicsRunningProcesses")),
    ),
    "second": Case(["lora"], train={"gradient_checkpointing": True}, device="cuda:1", card=Card(index=1)),
    "asked": Case(["zero_shot", "adapter"], models=["four", "eight"]),
    "full when moved": Case(["full_ft"], card=Card(fault="torch", within="bench/run/worker/prepare.py:_adapt")),
    "full when calibrated": Case(
        ["full_ft"], card=Card(fault="runtime", within="bench/measure/matmul.py:_flops_per_second")
    ),
    "full in training": Case(["full_ft"], card=Card(fault="accelerator", within="bench/train/loop.py:train")),
    "full in a backward pass": Case(
        ["full_ft"], card=Card(fault="cudnn", within="bench/train/loop.py:TrainStep.__call__")
    ),
    "full in inference": Case(["full_ft"], card=Card(fault="cublas", within="bench/run/worker/measurement.py:_infer")),
    "smaller": Case(["full_ft"], card=Card(fault="cublas", within="bench/train/loop.py:train"), tried_again=True),
    "lost": Case(["full_ft"], card=Card(fault="lost", within="bench/train/loop.py:train")),
}


def write_place(place: Path) -> Path:
    """Make models and texts."""
    place.mkdir(parents=True, exist_ok=True)
    write_tiny_encoder(place / "encoder")
    tokenizer = byte_tokenizer()
    model = causal_model("llama", len(tokenizer), hidden_size=64, intermediate_size=128)
    for part in (model, tokenizer):
        part.save_pretrained(place / "causal")
    write_texts(place / "reviews", train=TRAIN_ROWS, validation=VALIDATION_ROWS, test=TEST_ROWS)
    asked = [(f"{start} {word} film", label) for start, (word, label) in product(("a", "a very"), WORDS)]
    write_texts(place / "asked", train=asked * 2, test=asked[:4])
    return place
