"""Methods that set clocks back, scale them, or have their worker stopped, each in a process of its own."""

from pathlib import Path

import pytest

from tests.run.bench import Bench
from tests.support import TRAIN_ROWS, records, write_texts

#: Replaces the functions of ``time`` themselves.
OF_TIME = """import time
        for name in ("time", "monotonic", "perf_counter"):
            setattr(time, name, lambda real=getattr(time, name): real() {change})"""
#: Replaces the clock in modules of the harness.
OF_BENCH = """import importlib
        for module in {modules}:
            module = importlib.import_module(module)
            real = module.monotonic_seconds
            module.monotonic_seconds = lambda real=real, at=real(): at + (real() - at) / 1.7"""
ALL = ("bench.measure.clock", "bench.run.worker.phases", "bench.run.worker.entry")
#: So long that a share of it can be told.
TAKES_TIME = """
    def after_step(self, model, step, sleep=time.sleep):
        sleep(0.1)
"""
STOPS = """import subprocess
            me = os.getpid()
            helper = subprocess.Popen(["sh", "-c", f"kill -STOP {me}; sleep 1; kill -CONT {me}"])
            helper.wait()"""
STOPPED_AMID_TRAINING = f"""
    def after_step(self, model, step):
        if step == 9:
            {STOPS}
"""
STOPPED_AMID_EVALUATION = f"""
    def prepare_inference(self, model):
        if model is not None:
            {STOPS}
        return model
"""
METHODS = {
    "set_back": (OF_TIME.format(change="- 3600"), ""),
    "scaled": (OF_TIME.format(change="* 1.7"), TAKES_TIME),
    "everywhere": (OF_BENCH.format(modules=ALL), TAKES_TIME),
    "steps_alone": (OF_BENCH.format(modules=ALL[:1]), TAKES_TIME),
    "stopped": ("pass", STOPPED_AMID_TRAINING),
    "stopped_later": ("pass", STOPPED_AMID_EVALUATION),
}


@pytest.mark.slow
def test_a_clock_that_lies_and_a_worker_that_is_stopped_are_suspect(tiny_encoder: Path, tmp_path: Path) -> None:
    bench = Bench(tmp_path, tiny_encoder)
    for name, (adapt, extra) in METHODS.items():
        bench.plugin(name, adapt, extra)
    write_texts(bench.texts, train=TRAIN_ROWS * 4)
    train = {"epochs": 1, "max_steps": 24, "batch_size": 4, "precision": "fp32", "timing_warmup_steps": 1}
    done = bench.run(methods=list(METHODS), train=train)
    assert done.returncode == 0, done.stdout + done.stderr

    rows = {name: row for name, row in records(tmp_path / "runs" / "small").items() if row["status"] == "ok"}
    checks = {
        name: {check["name"]: check for check in rows[f"{name}/0"]["checks"]} for name in METHODS
    }  # fmt: skip
    for name, row in rows.items():
        assert 0 < row["wall_seconds"] < 240, name
        assert 0 <= row["worker_start_seconds"] < 60, name

    clock = {name: checks[name]["clock"] for name in METHODS}
    assert {name: check["verdict"] for name, check in clock.items()} == {
        "set_back": "valid", "scaled": "valid", "everywhere": "suspect", "steps_alone": "valid", "stopped": "valid",
        "stopped_later": "valid",
    }, clock  # fmt: skip
    assert "by the worker's clock" in clock["everywhere"]["found"]
    steps = {name: checks[name]["steps of training add up"]["verdict"] for name in METHODS}
    assert steps == dict.fromkeys(METHODS, "valid") | {"steps_alone": "suspect"}
    true, false = (rows[f"{name}/0"]["training"]["speed"]["samples_per_second"] for name in ("scaled", "everywhere"))
    assert true <= 40 < false, "23 steps of four texts and 0.1 s of sleep"

    assert checks["stopped"]["undisturbed training"]["verdict"] == "suspect"
    for name, phase in (("stopped", "train"), ("stopped_later", "evaluate")):
        pause = checks[name]["no pause"]
        assert pause["verdict"] == "suspect"
        assert pause["found"].startswith(f"{phase}: for ")
    assert checks["set_back"]["no pause"]["verdict"] == "valid", checks["set_back"]["no pause"]
