"""Records whose options a search chose."""

from typing import Any

from bench.record.record import Record
from bench.record.tuning import Tuning

SPACE: dict[str, Any] = {"learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}, "train.epochs": [1, 2, 4]}


def tuning(*scores: float | None, flops: float | None = 1e12, energy: float | None = 500.0, **given: Any) -> Tuning:
    """A search with these validation F1, of 10, 11, ... seconds; a failed trial has None."""
    trials = [
        {
            "settings": {"learning_rate": 10.0 ** -(2 + at), "train.epochs": 2}, "macro_f1": score,
            "seconds": 10.0 + at, "training_flops": flops, "energy_joules": energy,
        }
        for at, score in enumerate(scores)
    ]  # fmt: skip
    known = [(score, -at) for at, score in enumerate(scores) if score is not None]
    settings = {
        "trials": trials, "best": -max(known)[1] if known else None, "space": SPACE, "seeds": (0,),
        "budget_trials": len(scores), "budget_seconds": None, "floor_macro_f1": 0.3,
    }  # fmt: skip
    return Tuning.model_validate(settings | given)


def tuned(record: Record, found: Tuning | None, flops: float | None = 3e12, **changes: Any) -> Record:
    """The record with a search and the FLOPs of its training."""
    content = record.model_dump()
    if content["training"] is not None:
        content["training"]["training_flops"] = flops
    return Record.model_validate(content | {"tuning": found and found.model_dump()} | changes)
