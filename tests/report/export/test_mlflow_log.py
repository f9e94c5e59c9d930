"""Runs in a store of MLflow in files, read back by its client."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RequestError
from bench.record.record import Record
from bench.report.export import mlflow_log
from tests.commands.compare.support import changed, report
from tests.report.conftest import MakeRecord
from tests.report.export.conftest import ResultsOf

ROOT = Path(__file__).parents[3]


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of an empty store; what the log sets in the environment goes with the test."""
    for name in (*mlflow_log.QUIET, *mlflow_log.PATIENCE, "MLFLOW_ALLOW_FILE_STORE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return (tmp_path / "store").as_uri()


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def runs(uri: str, study: str = "s") -> dict[str, Any]:
    """The runs of a study by the id of their cell."""
    there = client(uri)
    found = there.search_runs([there.get_experiment_by_name(study).experiment_id])
    return {run.data.tags["tunebench.cell_id"]: run for run in found}


def test_an_experiment_a_study_and_a_run_a_cell(
    results_of: ResultsOf, make_record: MakeRecord, validated: Record, uri: str
) -> None:
    oom = make_record("oom", seed=1, message="no memory left")
    assert mlflow_log.log(results_of(validated, oom), uri) == (2, 0)
    found = runs(uri)
    assert set(found) == {validated.cell_id, oom.cell_id}
    good, bad = found[validated.cell_id], found[oom.cell_id]
    assert (good.info.status, bad.info.status) == ("FINISHED", "FAILED")
    assert bad.data.tags["tunebench.failure_message"] == "no memory left"
    assert (good.info.start_time, good.info.end_time) == (1767323045000, 1767323054000)
    assert (good.info.run_name, good.data.tags["tunebench.stamp"]) == (validated.cell_id, "valid")
    assert good.data.tags["tunebench.machine"] == "AMD EPYC 7B13, 2 cores"
    assert good.data.tags["tunebench.commit"] == "0123456789abcdef"
    assert {name: good.data.params[name] for name in ("method", "batch_size", "option_rank", "seed")} == {
        "method": "LoRA", "batch_size": "16", "option_rank": "8", "seed": "0",
    }  # fmt: skip
    assert (good.data.metrics["macro_f1"], good.data.metrics["peak_train_bytes"]) == (0.93, 1_512_800_000)
    assert "generated_macro_f1" not in good.data.metrics
    assert "macro_f1" not in bad.data.metrics


def test_curves_by_step(results_of: ResultsOf, validated: Record, uri: str) -> None:
    mlflow_log.log(results_of(validated), uri)
    run_id = runs(uri)[validated.cell_id].info.run_id

    def history(name: str) -> list[tuple[int, float, int]]:
        return [(each.step, each.value, each.timestamp) for each in client(uri).get_metric_history(run_id, name)]

    assert history("train/loss_nats") == [(5, 0.75, 1767323045500), (10, 0.25, 1767323046500)]
    assert history("inference/tokens_per_second") == [(3, 64.0, 1767323045250)]
    assert history("validation/macro_f1") == [(5, 0.5, 1767323045500)]


def test_the_record_is_an_artifact(results_of: ResultsOf, make_record: MakeRecord, uri: str, tmp_path: Path) -> None:
    record = make_record()
    mlflow_log.log(results_of(record), uri)
    (path,) = (tmp_path / "store").rglob("record.json")
    assert Record.model_validate(json.loads(path.read_text())) == record


def test_a_second_log_adds_nothing_but_what_is_new(results_of: ResultsOf, make_record: MakeRecord, uri: str) -> None:
    first, second = make_record(), make_record(seed=1)
    assert mlflow_log.log(results_of(first), uri) == (1, 0)
    assert mlflow_log.log(results_of(first, second), uri) == (1, 1)
    assert mlflow_log.log(results_of(changed(first, peak_train_bytes=5), second), uri) == (1, 1)
    there = client(uri)
    assert len(there.search_runs([there.get_experiment_by_name("s").experiment_id])) == 3


def test_a_log_that_was_cut_off_is_no_log(results_of: ResultsOf, make_record: MakeRecord, uri: str) -> None:
    record = make_record()
    mlflow_log.log(results_of(record), uri)
    client(uri).delete_tag(runs(uri)[record.cell_id].info.run_id, mlflow_log.LOGGED)  # it is written last
    assert mlflow_log.log(results_of(record), uri) == (1, 0)


def test_names_and_texts_of_any_sort_are_taken(results_of: ResultsOf, make_record: MakeRecord, uri: str) -> None:
    options = {"../a'; drop": "x" * 9000, 'b\n"c"': "\x1b[31m'; --"}
    failure = {"phase": "p", "type": "E", "message": "m" * 20_000 + "\x00'"}
    record = changed(make_record("error", options=options), failure=failure, cell_id="' OR '1'='1" + "y" * 900)
    assert mlflow_log.log(results_of(record), uri) == (1, 0)
    assert mlflow_log.log(results_of(record), uri) == (0, 1)
    assert set(runs(uri)[record.cell_id].data.params) >= {"option_.._a___drop", "option_b__c_"}


ASKS = """
import sys
from pathlib import Path
asked = []
NETWORK = ("socket.getaddrinfo", "socket.connect")
sys.addaudithook(lambda event, facts: asked.append(event) if event in NETWORK else None)
from bench.report.export import mlflow_log
from bench.report.results.load import load
mlflow_log.log(load([Path(sys.argv[1])], print), sys.argv[2])
import threading
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join(2)
assert not asked, asked
"""


def test_it_says_nothing_and_asks_nobody(make_record: MakeRecord, uri: str, tmp_path: Path) -> None:
    """In a process of its own, for mlflow tells its makers nothing where it sees that it is tested."""
    folder = report(tmp_path / "report", make_record())
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ASKS, str(folder), uri],
        capture_output=True, text=True, check=False, cwd=ROOT, env=plain | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_store_that_refuses_is_told_without_the_password(
    results_of: ResultsOf, make_record: MakeRecord, uri: str, tmp_path: Path
) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(RequestError, match="mlflow=file:"):
        mlflow_log.log(results_of(make_record()), uri)
    with pytest.raises(RequestError) as raised:
        mlflow_log.log(results_of(make_record()), "ftp://someone:secret@host/x?token=secret")
    assert "secret" not in str(raised.value)
    assert "ftp://host/x" in str(raised.value)
