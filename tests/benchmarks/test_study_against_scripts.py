"""A whole study beside the same cells as one script with transformers.Trainer each, a process a cell."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.model.load import fetch
from bench.study.models import resolve_model
from bench.study.study import Grid, Study
from tests.benchmarks.turns import by_turns, median_ratio

HERE = Path(__file__).parent
CELLS = [(method, seed) for method in ("full_ft", "lora") for seed in (0, 1)]
STUDY = """
baselines = false

[[grid]]
datasets = ["tweet_eval_emotion"]
models = ["minilm"]
methods = ["full_ft", "lora"]
seeds = [0, 1]

[train]
epochs = 1

[methods.full_ft]
options = { learning_rate = 2e-4 }

[methods.lora]
options = { learning_rate = 5e-3 }
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get("TUNEBENCH_QUIET"), reason="eight trainings on a quiet machine"),
]


def test_a_study_against_scripts(tmp_path: Path, benchmark: Any) -> None:
    data_root = Path(os.environ.get("TUNEBENCH_DATA_ROOT", HERE.parents[2] / "shared" / "data"))
    study = tmp_path / "against_scripts.toml"
    study.write_text(STUDY, encoding="utf-8")
    model_folder = fetch(resolve_model("minilm", Study(name="x", grid=(Grid(datasets=("sst5",), models=("minilm",)),))))
    runs = iter(range(100))

    def ours() -> None:
        folder = tmp_path / str(next(runs))
        where = ["--data-root", str(data_root), "--runs", str(folder / "runs"), "--reports", str(folder / "reports")]
        _run(["-m", "bench", "run", str(study), *where])

    def scripts() -> None:
        for method, seed in CELLS:
            script = str(HERE / "trainer_script.py")
            _run([script, str(data_root / "tweet_eval_emotion"), str(model_folder), method, str(seed)])

    taken = benchmark.pedantic(by_turns, args=({"study": ours, "scripts": scripts}, 2), rounds=1)
    print(taken, median_ratio(taken["scripts"], taken["study"]))
    assert median_ratio(taken["scripts"], taken["study"]) >= 1.0


def _run(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
